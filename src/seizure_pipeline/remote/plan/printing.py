"""The plan of a run: what would go where, with what, at which price, and all that stands against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kedro.pipeline import Pipeline
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seizure_pipeline.remote.backend import Backend
from seizure_pipeline.remote.context import RunContext
from seizure_pipeline.remote.cost import (
    MIB_PER_GIB,
    Estimate,
    FinishedCall,
    attempts_allowed,
    attempts_needed,
    rates_of,
    unpriced_gpus,
    usd_per_hour,
)
from seizure_pipeline.remote.files.travel import Catalog, Dataset, Leaving, is_one_folder, leaving_nodes
from seizure_pipeline.remote.plan.preflight import estimates, problems, warnings
from seizure_pipeline.remote.plan.sight import filled_by
from seizure_pipeline.remote.settings import Rates, RemoteSettings, Resources

WIDTH = 100
LABEL_WIDTH = 8
VERBS = ("reads", "fills", "makes")


def print_plan(
    pipeline: Pipeline,
    catalog: Catalog,
    settings: RemoteSettings,
    backend: Backend,
    context: RunContext,
    finished: Sequence[FinishedCall] = (),
) -> None:
    """Print the plan of a run on standard output; nothing is sent, the provider is asked for prices and files."""
    found = problems(pipeline, catalog, settings, backend, context, finished)
    console = Console(width=WIDTH, highlight=False)
    console.print(Text("Plan of this run; nothing was sent.", style="bold"))
    try:
        leaving = {left.name: left for left in leaving_nodes(pipeline, catalog, settings, context.data_root)}
    except ValueError:  # told among the problems
        return _print_problems(console, found)
    rates = rates_of(backend, settings) if leaving else None
    expected = estimates([*leaving.values()], settings, rates, context, finished)
    _print_table(console, _surroundings(settings, context) if leaving else [])
    was_far = True
    for number, node in enumerate(pipeline.nodes, 1):
        left = leaving.get(node.name)
        gap = "\n" if was_far or left is not None else ""
        console.print(Text.assemble(gap, (f"{number}. {node.name}", "bold"), _where(left, settings)))
        if left is not None:
            _print_table(console, _node_lines(left, rates, expected[node.name], is_local=settings.backend == "subprocess"))
            _print_table(console, _dataset_lines(left, pipeline, catalog, settings, context))
        was_far = left is not None
    if leaving:
        console.print(f"\nIn all: {_total(expected, settings, rates)}")
    for warning in warnings([*leaving.values()], settings, rates) if leaving else ():
        console.print(Text(f"Beware: {warning}"))
    return _print_problems(console, found)


def _surroundings(settings: RemoteSettings, context: RunContext) -> Iterator[tuple[str, str]]:
    """What all far nodes share."""
    yield "there", f"{settings.backend}, app {settings.app}"
    yield "paths", f"below data_root: here {_short(str(context.data_root), context.project)}, there {settings.far_root}"
    if settings.backend == "subprocess":
        return
    image = settings.image
    parts = [image.cuda or "Debian", "the packages of pyproject.toml at their pinned versions"]
    parts += ["mamba-ssm built for its GPU"] if image.kernel else []
    parts += [f"apt: {', '.join(image.apt)}"] if image.apt else []
    yield "image", "; ".join(parts)
    for path, volume in settings.volumes.items():
        yield "volume", f"{path} is {volume.name} (version {volume.version})"
    for path, bucket in settings.buckets.items():
        yield "bucket", f"{path} is {bucket.bucket}/{bucket.prefix or ''} (read only)"
    for secret in settings.secrets:
        yield "secret", f"{secret.name} ({', '.join(secret.keys)})"
    yield "sent", "source and configuration without credentials; the files marked 'carried' below"


def _where(left: Leaving | None, settings: RemoteSettings) -> str:
    if left is None:
        return "  runs here"
    tag = ", ".join(sorted(set(left.node.tags) & set(settings.tags)))
    return f"  runs on {settings.backend} (tag {tag})"


def _node_lines(left: Leaving, rates: Rates | None, expected: Estimate | None, *, is_local: bool) -> Iterator[tuple[str, str]]:
    yield "machine", _machine(left.machine, rates)
    yield "params", ", ".join(dataset.name.removeprefix("params:") for dataset in left.of_kind("parameter")) or "none"
    yield "estimate", _estimated(left.machine, expected)
    if not is_local:
        yield "", f"start-up is not in it: up to {left.machine.startup_timeout_s / 3600:.3g} h an attempt (startup_timeout_s)"


def _dataset_lines(
    left: Leaving, pipeline: Pipeline, catalog: Catalog, settings: RemoteSettings, context: RunContext
) -> Iterator[tuple[str, str, str, str]]:
    """Verb, dataset, what becomes of it, and its place; what is read first, then what is written."""
    made = pipeline.all_outputs()
    lines = [
        (
            _verb(dataset, left, catalog),
            dataset.name,
            _what_of(dataset, settings, dataset.name in made, is_one_place=is_one_folder(settings, context.data_root)),
            _short(dataset.here, context.data_root) or "-",
        )
        for dataset in left.datasets
        if dataset.kind != "parameter"
    ]
    yield from sorted(lines, key=lambda line: VERBS.index(line[0]))


def _verb(dataset: Dataset, left: Leaving, catalog: Catalog) -> str:
    if dataset.kind == "folder" and left.name in filled_by(dataset.name, catalog):
        return "fills"
    return "makes" if dataset.is_output else "reads"


def _machine(machine: Resources, rates: Rates | None) -> str:
    gpu = " or ".join(f"{machine.gpu_count} x {name}" for name in machine.gpu) or "no GPU"
    parts = [gpu, f"{machine.cpu:g} cores", f"{machine.memory_mib / MIB_PER_GIB:g} GiB"]
    parts += [f"{machine.disk_mib / MIB_PER_GIB:g} GiB of disk"] if machine.disk_mib is not None else []
    parts += [f"in {' or '.join(machine.region)}"] if machine.region else []
    if rates is not None and not unpriced_gpus(machine, rates):
        parts.append(f"${usd_per_hour(machine, rates):.2f} an hour (prices of {rates.as_of})")
    return ", ".join(parts)


def _what_of(dataset: Dataset, settings: RemoteSettings, is_made: bool, *, is_one_place: bool) -> str:
    if not dataset.there and dataset.here:
        return "NOT SEEN THERE"
    if not dataset.there:
        return "IN MEMORY" if dataset.kind == "memory" else "NO PLACE SET"
    is_missing = dataset.kind == "file" and not (is_made or dataset.is_output or Path(dataset.here).exists())
    if dataset.kind == "corpus" or (is_one_place and not is_missing):
        return "one place for both"
    if dataset.kind == "folder":
        home = settings.bring_home.get(dataset.name)
        return "stays there" + (f", home: {', '.join(home)}" if home else "")
    if dataset.is_output:
        return "comes home"
    return "carried, once made" if is_made else f"carried, {_size(Path(dataset.here))}"


def _short(path: str, folder: Path) -> str:
    here = Path(path)
    return str(here.relative_to(folder)) if path and here.is_relative_to(folder) else path


def _size(file: Path) -> str:
    if not file.is_file():
        return "MISSING"
    size = file.stat().st_size
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


def _estimated(machine: Resources, expected: Estimate | None) -> str:
    attempt = f"{machine.timeout_s / 3600:g} h each, {attempts_allowed(machine)} allowed"
    if expected is None:
        return f"unknown: no finished call, and no expected_hours in runner.yml; attempts of {attempt}"
    price = "no price known" if expected.usd is None else f"${expected.usd:,.2f}"
    needed = attempts_needed(expected.hours, machine)
    return f"{expected.hours:.4g} h, {price} ({expected.source}); {needed:g} attempt{'' if needed == 1 else 's'} of {attempt}"


def _total(expected: dict[str, Estimate | None], settings: RemoteSettings, rates: Rates | None) -> str:
    known = [each for each in expected.values() if each is not None]
    parts = [f"{sum(each.hours for each in known):.4g} h"] if known else []
    if known and rates is not None:
        parts.append(f"${sum(each.usd or 0 for each in known):,.2f}")
    if settings.backend != "subprocess" and (dear := sum(each.usd is None for each in known)):
        parts.append(f"{dear} node{'' if dear == 1 else 's'} of which no price is known")
    if unknown := len(expected) - len(known):
        parts.append(f"{unknown} node{'' if unknown == 1 else 's'} of which no hours are known")
    budget = "none is set" if settings.budget_usd is None else f"${settings.budget_usd:,.2f}, at which a node is stopped"
    return f"{', '.join(parts)}; budget: {budget}"


def _print_table(console: Console, lines: Iterable[Sequence[str]]) -> None:
    """Print lines of (label, text, ...) in columns, a label that repeats once."""
    table = Table.grid(padding=(0, 2))
    last = ""
    for label, *cells in lines:
        table.add_row("" if label == last else f"{label:<{LABEL_WIDTH}}", *(Text(cell, overflow="fold") for cell in cells))
        last = label
    if table.columns:
        table.columns[0].no_wrap = True
        console.print(Padding(table, (0, 0, 0, 3), expand=False))


def _print_problems(console: Console, found: Sequence[str]) -> None:
    if not found:
        console.print("\nNothing stands against it.")
        return
    console.print(Text(f"\nThe run would end here; {len(found)} to put right:", style="bold"))
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for number, problem in enumerate(found, 1):
        table.add_row(f"{number}.", Text(problem))
    console.print(Padding(table, (0, 0, 0, 1)))
