"""`kedro doctor`: what of this machine an environment needs, what is there, and what each thing that is missing costs."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from typing import Any, Literal

import click
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rich.console import Console
from rich.table import Table

from seizure_pipeline.corpora.places import LOCAL_PROTOCOLS, S3_PROTOCOLS, local_path_of, protocol_of
from seizure_pipeline.mlflow_server import ask_health

DISTRIBUTION = "seizure-pipeline"
WIDTH = 132
GIB = 2**30
LEAST_DISK_GIB = 1.0  # `make run` writes 0.9 GB
LEAST_CAPABILITY = 8  # of a GPU: its tensor cores know bfloat16
LEAST_MEMORY_GIB = 4.0  # two workers of windowing with up to 1 GB each (cache/prepare.py), torch and this process beside them
CACHE_MB_PER_HOUR = 19 * 256 * 2 * 3600 / 1e6  # electrodes, samples a second, bytes
LONGEST_LISTING_S = 60.0
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
COLOURS = {"ok": "green", "absent": "yellow", "missing": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked for. `absent`: not here, and this environment does without; `missing`: its runs fail or stop."""

    subject: str
    state: Literal["ok", "absent", "missing"]
    found: str
    cost: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked of this machine: an environment's configuration by sections, and the folders that it names."""

    configuration: Mapping[str, Any]
    project: Path
    data_root: Path

    @property
    def sends_to_modal(self) -> bool:
        """Whether nodes that want a GPU run on Modal."""
        return bool(self.configuration["runner"].get("backend") == "modal")

    @property
    def cuda_by(self) -> tuple[str, ...]:
        """The parameters that ask for a GPU in this machine."""
        parameters = self.configuration["parameters"]
        asking = tuple(f"{room}.device" for room in ("training", "inference") if parameters[room].get("device") == "cuda")
        return () if self.sends_to_modal else asking

    def path_of(self, url: str) -> Path:
        """Where a local URL or path of the configuration lies."""
        return self.project / url if protocol_of(url) is None else local_path_of(url)


def print_findings(needs: Needs, env: str | None) -> bool:
    """Print what is found, and whether all that environment `env` needs is there."""
    findings = list(examine(needs))
    table = Table(title=f"This machine, for environment {env or 'base'}", title_justify="left")
    for name in ("", "state", "found", "what it costs"):
        table.add_column(name)
    for each in findings:
        colour = COLOURS[each.state]
        table.add_row(each.subject, f"[{colour}]{each.state}[/{colour}]", _plain(each.found), _plain(each.cost))
    Console(width=WIDTH, highlight=False).print(table)
    missing = [each.subject for each in findings if each.state == "missing"]
    click.echo(f"missing: {', '.join(missing)}" if missing else "nothing is missing that this environment needs")
    return not missing


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def examine(needs: Needs) -> Iterator[Finding]:
    """Everything that is looked for, in the order of a first day."""
    yield python(sys.version_info[:3])
    yield packages()
    yield parameters(needs.configuration)
    yield memory(_memory_bytes() / GIB, len(os.sched_getaffinity(0)))
    yield disk(needs.data_root)
    yield from gpu(needs.cuda_by)
    yield mlflow_store(needs.configuration["mlflow"], needs.project)
    yield modal_token(needs.sends_to_modal)
    yield corpus(needs)
    yield git()


def python(running: tuple[int, ...]) -> Finding:
    """Whether the package allows the Python that runs."""
    allowed = SpecifierSet(distribution(DISTRIBUTION).metadata["Requires-Python"])
    found = ".".join(str(part) for part in running)
    if found in allowed:
        return Finding("Python", "ok", found)
    return Finding("Python", "missing", found, f"nothing is promised: the package asks for Python {allowed}")


def packages() -> Finding:
    """Whether every package that this one asks for is here, in a version that it allows."""
    asked = [Requirement(line) for line in requires(DISTRIBUTION) or []]
    needed = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    here = {each.name: _version(each.name) for each in needed}
    wrong = [f"{each} (here: {here[each.name] or 'none'})" for each in needed if not _allows(each, here[each.name])]
    if not wrong:
        return Finding("packages", "ok", f"{len(needed)} asked for, all here")
    return Finding("packages", "missing", "; ".join(wrong), "imports fail: install the package again, with its constraints")


def _allows(asked: Requirement, here: str | None) -> bool:
    return here is not None and asked.specifier.contains(here, prereleases=True)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def parameters(configuration: Mapping[str, Any]) -> Finding:
    """Whether conf/ holds settings that the code knows, with values that are possible."""
    from seizure_pipeline.hooks import ParameterError, check_mlflow, check_parameters, check_places

    try:
        check_parameters(configuration["parameters"])
        check_places(configuration["globals"])
        check_mlflow(configuration["mlflow"])
    except ParameterError as error:
        return Finding("settings", "missing", str(error), "every run of this environment stops before its first node")
    return Finding("settings", "ok", f"{len(configuration['parameters'])} sections of parameters, all known")


def memory(total_gib: float, cores: int) -> Finding:
    """Whether memory suffices for the default run."""
    found = f"{total_gib:.1f} GiB for {cores} processor cores"
    if total_gib >= LEAST_MEMORY_GIB:
        return Finding("memory", "ok", found)
    return Finding("memory", "missing", found, f"below {LEAST_MEMORY_GIB:g} GiB a run may be killed in windowing or training")


def _memory_bytes() -> float:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.is_file() else "max"
    return float(min(machine, int(limit))) if limit.isdigit() else float(machine)


def disk(data_root: Path) -> Finding:
    """Whether there is room for what runs write below `data_root`, and leave to write it."""
    place = next(folder for folder in (data_root.absolute(), *data_root.absolute().parents) if folder.exists())
    free_gib = shutil.disk_usage(place).free / GIB
    found = f"{free_gib:.1f} GiB free at {place}"
    if not (place.is_dir() and os.access(place, os.W_OK)):
        return Finding("disk", "missing", f"{place} takes no files", "no run can keep its results: set data_root elsewhere")
    if free_gib < LEAST_DISK_GIB:
        return Finding("disk", "missing", found, f"a run stops below about {LEAST_DISK_GIB:g} GiB; it goes on from there later")
    room_h = (free_gib - LEAST_DISK_GIB) * GIB / 1e6 / CACHE_MB_PER_HOUR
    return Finding("disk", "ok", f"{found}: the cache of {room_h:,.0f} h of EEG at {CACHE_MB_PER_HOUR:.0f} MB an hour")


def gpu(cuda_by: tuple[str, ...]) -> Iterator[Finding]:
    """The GPU, the CUDA that torch was built for, and the scan kernel; needed where parameters `cuda_by` ask for them."""
    import torch

    absent: Literal["absent", "missing"] = "missing" if cuda_by else "absent"
    asked = f"{' and '.join(cuda_by)} ask for it: runs stop before their first node" if cuda_by else ""
    alone = "the full network cannot be trained here (conf/workstation), only the small one of conf/base"
    if not torch.cuda.is_available():
        yield Finding("GPU", absent, "none that torch sees", asked or alone)
        built = torch.version.cuda
        yield Finding("CUDA", "ok" if built else absent, f"torch {torch.__version__} is built for {built or 'CPUs only'}")
        yield Finding("scan kernel", absent, "not looked at without a GPU", asked or "as for the GPU")
        return
    properties = torch.cuda.get_device_properties(0)
    yield Finding("GPU", "ok", f"{torch.cuda.device_count()} x {properties.name}, {properties.total_memory / GIB:.0f} GiB")
    yield Finding("CUDA", "ok", f"{torch.version.cuda}, by torch {torch.__version__}")
    capability = f"compute capability {properties.major}.{properties.minor}"
    if properties.major >= LEAST_CAPABILITY:
        yield Finding(
            "scan kernel", "ok", f"its own; {capability}; kedro run --pipelines kernel_check says whether it is right"
        )
    else:
        yield Finding("scan kernel", absent, f"{capability}: written for {LEAST_CAPABILITY}.0 and later", asked or alone)


def mlflow_store(settings: Mapping[str, Any], project: Path) -> Finding:
    """Whether MLflow's store is there, or can be made."""
    uri, cost = str(settings["tracking_uri"]), "runs that train, score or detect stop when they begin"
    shown = re.sub(r"//[^/@]*@", "//***@", uri)
    if not settings["enabled"]:
        return Finding("MLflow", "absent", "enabled: false", "runs are not recorded, and cannot be compared")
    if uri.startswith(("http://", "https://")):
        return _server(uri, shown, cost)
    if not uri.startswith("sqlite:///"):
        return Finding("MLflow", "absent", f"{shown}: not looked at", "")
    path = project / uri.removeprefix("sqlite:///")
    if not path.exists():
        writable = os.access(path.parent, os.W_OK)
        made = f"{shown}: " + ("the first run makes it" if writable else f"{path.parent} takes no files")
        return Finding("MLflow", "ok" if writable else "missing", made, "" if writable else cost)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            runs = store.execute("select count(*) from runs").fetchone()[0]
    except sqlite3.Error as error:
        return Finding("MLflow", "missing", f"{path}: {error}; it must be a database of MLflow's", cost)
    return Finding("MLflow", "ok", f"{shown}: {runs} runs")


def _server(uri: str, shown: str, cost: str) -> Finding:
    try:
        return Finding("MLflow", "ok", f"{shown} answers {ask_health(uri)}")
    except OSError as error:
        return Finding("MLflow", "missing", f"{shown}: {error}", cost)


def modal_token(needed: bool) -> Finding:
    """Whether Modal's client has a token; which one is not said."""
    from seizure_pipeline.remote.modal.token import has_token

    if has_token():
        return Finding("Modal token", "ok", "there is one; whether Modal takes it is asked before each run")
    cost = "nothing runs with --env modal or modal_smoke: make an account, then `modal token new`"
    return Finding("Modal token", "missing" if needed else "absent", "none", cost)


def corpus(needs: Needs) -> Finding:
    """Whether the corpus can be listed from here."""
    place = needs.configuration["catalog"]["corpus"]
    url, layout = str(place["filepath"] or ""), needs.configuration["parameters"]["corpus"]["layout"]
    cost = "ingestion has nothing to read; set corpus_root in globals.yml or by --params"
    if needs.sends_to_modal and protocol_of(url) not in S3_PROTOCOLS:
        return Finding("corpus", "ok" if url else "missing", url or "corpus_root is not set", "" if url else cost)
    if not url:
        return Finding("corpus", "missing", "corpus_root is not set", cost)
    if protocol_of(url) in LOCAL_PROTOCOLS and not needs.path_of(url).exists():
        if layout == "synthetic":
            command = "one command: kedro generate-corpus, with the same --env"
            return Finding("corpus", "absent", f"{url} is not there yet", command)
        return Finding("corpus", "missing", f"{url}: no such folder", cost)
    return _listed(url, place, needs, cost)


def _listed(url: str, place: Mapping[str, Any], needs: Needs, cost: str) -> Finding:
    from kedro.io import DatasetError

    from seizure_pipeline.corpora import CorpusError, Folder
    from seizure_pipeline.datasets import CorpusDataset

    credentials = needs.configuration["credentials"].get(place["credentials"])
    stopped, began_s = threading.Event(), time.monotonic()
    giving_up = threading.Timer(LONGEST_LISTING_S, stopped.set)
    giving_up.start()
    try:
        folder = CorpusDataset(filepath=url, anonymous=place["anonymous"], credentials=credentials).load()
        files = Folder(str(needs.path_of(url)) if folder.is_local else url, folder.options, stopped).files()
    except (CorpusError, DatasetError, OSError) as error:
        if needs.sends_to_modal:
            return Finding(
                "corpus", "absent", str(error), "none if Modal's machines can read it: they have the secret of runner.yml"
            )
        return Finding("corpus", "missing", str(error), cost)
    finally:
        giving_up.cancel()
    recordings = sum(file.path.lower().endswith((".edf", ".bdf")) for file in files)
    if not recordings:
        return Finding("corpus", "missing", f"{url}: no EDF or BDF file", cost)
    return Finding("corpus", "ok", f"{url}: {recordings} recordings, listed in {time.monotonic() - began_s:.1f} s")


def git() -> Finding:
    """Whether runs can say of which commit they are."""
    if where := shutil.which("git"):
        return Finding("git", "ok", where)
    return Finding("git", "absent", "not on the path", "MLflow's runs do not say from which commit they are")
