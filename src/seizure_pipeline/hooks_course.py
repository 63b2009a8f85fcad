"""What happens at both ends of a run: what it reads and is not there stops it, what it will do is told, and what it took."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from seizure_pipeline import tracking
from seizure_pipeline.progress import duration

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

log = logging.getLogger(__name__)
LEDGER = "node_seconds.json"
LONGEST_TOLD = 3
PLACES = frozenset({"corpus", "own_recordings"})


class MissingInputs(ValueError):
    """Something that a run reads is not there; the message names it and the command that makes it."""


class InputsCheck:
    """Stops a run before its first node, and before MLflow knows of it, where what it reads was not made yet."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember whether the corpus is one that can be generated."""
        self._layout = context.config_loader["parameters"]["corpus"]["layout"]

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Raise MissingInputs naming each; a call that is attached to fetches its own."""
        from seizure_pipeline.remote.runner import office_of_this_run

        office = office_of_this_run()
        if tracking.kept_elsewhere() or (office is not None and office.settings.attach):
            return
        places, files = _missing(pipeline, catalog)
        if places:
            raise MissingInputs("; ".join(self._place_to_set(name, where, run_params) for name, where in places.items()))
        if files:
            listed = ", ".join(f"{name} ({where})" for name, where in files.items())
            raise MissingInputs(f"not made yet: {listed}{self._how_to_make(files, catalog, run_params)}")

    def _place_to_set(self, name: str, where: str, run_params: dict[str, Any]) -> str:
        parameter = "corpus_root" if name == "corpus" else name
        is_given = parameter in (run_params["runtime_params"] or {})
        if name == "corpus" and self._layout == "synthetic" and not is_given:
            make = _with_env("kedro generate-corpus", run_params)
            return f"{where}: no corpus there yet; `{make}` generates one, --params corpus_root=PATH names another"
        elsewhere = "" if is_given else f", or {parameter} in globals.yml of the environment"
        return f"{where}: no such folder or file; set where the recordings are by --params {parameter}=PATH{elsewhere}"

    def _how_to_make(self, wanted: Iterable[str], catalog: DataCatalog, run_params: dict[str, Any]) -> str:
        """The commands that make datasets from what is there, in their order."""
        needed = _pipelines_to_run(wanted, catalog)
        if not needed:
            return "; no pipeline makes it"
        corpus: Any = catalog["corpus"]
        given = run_params["runtime_params"] or {}
        run = "kedro run" if {"ingestion", "training"} <= {*needed} else f"kedro run --pipelines {','.join(needed)}"
        told = _with_env(run, run_params) + (" (with the same --params)" if given else "")
        if "ingestion" not in needed or corpus.exists():
            return f". Run first: {told}"
        if self._layout != "synthetic" or "corpus_root" in given:
            return f". There is no corpus at {corpus._filepath}; put it there, or name its place, then run: {told}"
        return f". Run first: {_with_env('kedro generate-corpus', run_params)}; {told}"


def _with_env(command: str, run_params: dict[str, Any]) -> str:
    return f"{command} --env {run_params['env']}" if run_params["env"] not in (None, "local") else command


def _missing(pipeline: Pipeline, catalog: DataCatalog) -> tuple[dict[str, str], dict[str, str]]:
    """Where local places of recordings and files should be that a run reads, that it does not make, and that are not there."""
    from seizure_pipeline.remote.context import leaves

    read_here = {name for node in pipeline.nodes if not leaves(node.tags) for name in node.inputs}
    places: dict[str, str] = {}
    files: dict[str, str] = {}
    for name in sorted(pipeline.inputs()):
        dataset: Any = None if name.startswith("params:") else catalog.get(name)
        is_place = name in PLACES
        if dataset is None or (getattr(dataset, "is_handle", False) and not (is_place and name in read_here)):
            continue
        where = str(getattr(dataset, "_filepath", None) or getattr(dataset, "_path", ""))  # PartitionedDataset's
        if where and not dataset.exists():
            (places if is_place else files)[name] = where
    return places, files


def _pipelines_to_run(wanted: Iterable[str], catalog: DataCatalog) -> list[str]:
    """Names of the pipelines that make datasets and, before each, of those that make what it reads and is not there."""
    from kedro.framework.project import pipelines

    pipelines.set_requested(None)  # all, whichever this run asked for
    default = set(pipelines["__default__"].nodes)
    names = sorted(pipelines.keys() - {"__default__"}, key=lambda name: set(pipelines[name].nodes) <= default)
    makers = {made: name for name in names for made in pipelines[name].all_outputs()}
    needed: dict[str, None] = {}

    def add(dataset: str) -> None:
        maker = makers.get(dataset)
        if maker is not None and maker not in needed:
            for before in _missing(pipelines[maker], catalog)[1]:
                add(before)
            needed[maker] = None

    for name in wanted:
        add(name)
    return list(needed)


class Course:
    """Tells what a run will do and how long that took before, and at its end how long it took."""

    def __init__(self) -> None:
        self._began_s: dict[str, float] = {}
        self._took_s: dict[str, float] = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Tell nodes, what of them was made before, where results go and the longest that these nodes took here."""
        self._run_began_s = time.monotonic()
        if tracking.kept_elsewhere():
            return
        nodes = [node.name for node in pipeline.nodes]
        names = ", ".join(run_params["pipeline_names"] or ["from corpus to report"])
        where = f"environment {run_params['env'] or 'base'}, results below {_results(catalog)}"
        log.info("%s: %s, %s", names, _nodes(len(nodes)), where)
        made = [node.name for node in pipeline.nodes if _is_made(node, catalog)]
        if made:
            log.info("made before, and again only where something changed: %s", ", ".join(made))
        log.info("%s", _expectation(nodes, _ledger(catalog)))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Remember when it began."""
        self._began_s[node.name] = time.monotonic()

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Remember what it took."""
        self._took_s[node.name] = time.monotonic() - self._began_s[node.name]

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Tell what the run took, and keep the longest that each node took."""
        if tracking.kept_elsewhere():
            return
        from seizure_pipeline.cache.parts import write_whole

        ledger = _ledger(catalog)
        longest = {name: max(took_s, ledger.get(name, 0.0)) for name, took_s in self._took_s.items()}
        _results(catalog).mkdir(parents=True, exist_ok=True)
        write_whole(_results(catalog) / LEDGER, json.dumps({**ledger, **longest}, indent=2).encode())
        log.info("%s done in %s", _nodes(len(pipeline.nodes)), duration(time.monotonic() - self._run_began_s))


def _results(catalog: DataCatalog) -> Path:
    reporting: Any = catalog["reporting"]
    return Path(reporting._filepath).parent


def _ledger(catalog: DataCatalog) -> dict[str, float]:
    path = _results(catalog) / LEDGER
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _is_made(node: Node, catalog: DataCatalog) -> bool:
    found: list[Any] = [catalog.get(name) for name in node.outputs]
    return bool(found) and all(dataset is not None and dataset.exists() for dataset in found)


def _expectation(nodes: list[str], longest_s: dict[str, float]) -> str:
    """How long nodes take, as far as they were timed here."""
    known = {name: longest_s[name] for name in nodes if name in longest_s}
    if not known:
        return "how long this takes was not timed here yet; whatever is long tells its rate and what is left"
    longest = sorted(known, key=lambda name: -known[name])[:LONGEST_TOLD]
    told = ", ".join(f"{name} {duration(known[name])}" for name in longest)
    rest = f"; not timed here yet: {_nodes(len(nodes) - len(known))}" if len(known) < len(nodes) else ""
    return f"the longest that they took here so far: {duration(sum(known.values()))} ({told}){rest}"


def _nodes(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"
