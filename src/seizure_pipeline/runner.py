"""The runner of every local run: Kedro's sequential one, which leaves out drawing and scoring nodes without news.

Nodes tagged `pure` depend on nothing but their input datasets, their parameters and the code; a ledger in the reporting
folder remembers what they were run on. Kedro's own `--only-missing-outputs` asks whether outputs exist, not whether they
are up to date. All other nodes run and look for themselves at what they may keep.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from kedro.runner.task import Task
from pydantic import BaseModel

from seizure_pipeline.cache.parts import write_whole
from seizure_pipeline.configuration import SOURCE, fingerprint

log = logging.getLogger(f"{__name__}.unchanged")  # Kedro writes its own progress under the name of this module
TAG = "pure"
LEDGER = "reporting"  # the dataset whose folder holds the ledger


class UnchangedNodesRunner(SequentialRunner):
    """Runs nodes one after the other in this process, but for pure ones that would make again what is there.

    Raises ValueError for `--async`: hooks count on outputs that are saved in their order."""

    def __init__(self, is_async: bool = False) -> None:
        if is_async:
            raise ValueError("--async: outputs are saved one after the other here; leave it out, or name another --runner")
        super().__init__()

    def _get_executor(self, max_workers: int) -> Executor:  # type: ignore[override]
        return Inline()


class Inline(Executor):
    """Runs each task at once, in the thread that submits it, so that hooks, debuggers and Ctrl-C work as usual."""

    def submit(self, task: Task, /, *_: Any, **__: Any) -> Future[Node]:  # type: ignore[override]
        """A future that is done: the task was run, or left out."""
        future: Future[Node] = Future()
        future.set_result(self.perform(task) if TAG not in task.node.tags else self._perform_unless_unchanged(task))
        return future

    def perform(self, task: Task) -> Node:
        """Run a task."""
        return task()

    def _perform_unless_unchanged(self, task: Task) -> Node:
        node, catalog = task.node, task.catalog
        path = Path(catalog.load(LEDGER)) / "unchanged.json"
        ledger: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if ledger.get(node.name) == _mark(node, catalog):
            log.info("%s: unchanged and kept", node.name)
            return node
        self.perform(task)
        ledger[node.name] = _mark(node, catalog)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(ledger, indent=2).encode())
        return node


def _mark(node: Node, catalog: Any) -> str:
    return made_from((*node.inputs, *node.outputs), catalog)


def made_from(names: Iterable[str], catalog: Any) -> str:
    """Fingerprint of the code of this package and of what parameters and datasets hold."""
    return fingerprint({"code": _code(), **{name: _state(name, catalog) for name in names}})


def _state(name: str, catalog: Any) -> Any:
    """What a parameter says, or the hash of what a dataset's files hold; folders that nodes fill have marks elsewhere."""
    if name.startswith("params:"):
        value = catalog.load(name)
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    dataset = catalog[name]
    if getattr(dataset, "is_handle", False):
        return dataset._describe()
    path = Path(str(dataset._filepath))
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [[str(file.relative_to(path)), _sha256(file)] for file in files if file.is_file()]


def _code() -> str:
    files = sorted(file for file in Path(__file__).parent.rglob("*") if file.suffix in SOURCE)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
