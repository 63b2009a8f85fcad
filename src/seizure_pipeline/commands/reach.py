"""What `kedro doctor` asks of places that may be far: the corpus and MLflow's store, each for a short time only."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seizure_pipeline.commands.findings import Finding, Needs
from seizure_pipeline.commands.options import TOLD_PLAINLY
from seizure_pipeline.corpora.places import LOCAL_PROTOCOLS, S3_PROTOCOLS, protocol_of
from seizure_pipeline.mlflow_server import ask_health

if TYPE_CHECKING:
    from seizure_pipeline.corpora.folder import FileFacts, Folder

Answer = TypeVar("Answer")
LONGEST_ANSWER_S = 10.0
HEADERS_READ = 8
NOTHING_TO_READ = "ingestion has nothing to read; set corpus_root in globals.yml or by --params"
NOT_RECORDED = "runs that train, score or detect stop when they begin"
UNSET = "corpus_root is not set"


class Question(Generic[Answer]):
    """A question that is asked at once, beside others; its answer is waited for LONGEST_ANSWER_S (10 s) at most."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask, self._began_s = ask, time.monotonic()
        self._answer: Future[Answer] = Future()
        threading.Thread(target=self._keep, daemon=True).start()  # one that hangs ends with the process

    def answer(self, otherwise: Answer) -> Answer:
        """What came, or is raised; `otherwise` where nothing came in time."""
        try:
            return self._answer.result(max(0.0, self._began_s + LONGEST_ANSWER_S - time.monotonic()))
        except NotYet:
            return otherwise

    def _keep(self) -> None:
        try:
            self._answer.set_result(self._ask())
        except TOLD_PLAINLY as error:  # raised again by `answer`; any other is shown by its thread, as a mistake of the code
            self._answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class SeenCorpus:
    """What is said of a corpus, and its recordings where it was listed."""

    finding: Finding
    folder: Folder | None = None
    recordings: tuple[FileFacts, ...] = ()

    def hours(self) -> float | None:
        """Hours of EEG, by the sizes of all recordings and the headers of some; None where no header tells."""
        if self.folder is None:
            return None
        step = max(1, len(self.recordings) // HEADERS_READ)
        lengths = [_length_s(self.folder, file) for file in self.recordings[::step][:HEADERS_READ]]
        known = [(size_bytes, length_s) for size_bytes, length_s in lengths if length_s]
        if not known:
            return None
        bytes_per_s = sum(size_bytes for size_bytes, _ in known) / sum(length_s for _, length_s in known)
        return sum(file.size_bytes for file in self.recordings) / bytes_per_s / 3600


def _length_s(folder: Folder, file: FileFacts) -> tuple[int, float]:
    """Bytes of a recording, and its length in seconds by these; 0 where its header does not tell."""
    from seizure_pipeline.corpora import CorpusError
    from seizure_pipeline.recordings import RecordingError
    from seizure_pipeline.recordings.header import read_header

    try:
        with folder.local_header(file) as path:
            header = read_header(str(path))
    except (RecordingError, CorpusError, OSError):
        return file.size_bytes, 0.0  # ingestion says what is wrong with it
    return file.size_bytes, file.size_bytes / header.record_bytes * float(header.record_s)


def corpus(needs: Needs) -> SeenCorpus:
    """Whether the corpus can be listed from here, and what is in it."""
    url, layout = needs.corpus_url, needs.configuration["parameters"]["corpus"]["layout"]
    if needs.sends_to_modal and protocol_of(url) not in S3_PROTOCOLS:
        return SeenCorpus(Finding("corpus", "ok" if url else "missing", url or UNSET, "" if url else NOTHING_TO_READ))
    if not url:
        return SeenCorpus(Finding("corpus", "missing", UNSET, NOTHING_TO_READ))
    if protocol_of(url) in LOCAL_PROTOCOLS and not needs.path_of(url).exists():
        if layout == "synthetic":
            command = "one command: kedro generate-corpus, with the same --env"
            return SeenCorpus(Finding("corpus", "absent", f"{url} is not there yet", command))
        return SeenCorpus(Finding("corpus", "missing", f"{url}: no such folder", NOTHING_TO_READ))
    return _listed(url, needs)


def _listed(url: str, needs: Needs) -> SeenCorpus:
    from kedro.io import DatasetError

    from seizure_pipeline.corpora import CorpusError, Folder
    from seizure_pipeline.corpora.errors import NotReached
    from seizure_pipeline.datasets import CorpusDataset

    place, once, began_s = needs.configuration["catalog"]["corpus"], threading.Event(), time.monotonic()
    once.set()  # nothing is tried again
    credentials = needs.configuration["credentials"].get(place["credentials"])
    try:
        folder = CorpusDataset(filepath=url, anonymous=place["anonymous"], credentials=credentials).load()
        folder = Folder(str(needs.path_of(url)) if folder.is_local else url, folder.options, once)
        files = folder.files()
    except NotReached:
        return unreached(needs)
    except (CorpusError, DatasetError, OSError) as error:
        return _unlisted(needs, str(error))
    recordings = tuple(file for file in files if file.path.lower().endswith((".edf", ".bdf")))
    if not recordings:
        return SeenCorpus(Finding("corpus", "missing", f"{url}: no EDF or BDF file", NOTHING_TO_READ))
    found = f"{url}: {len(recordings)} recordings, listed in {time.monotonic() - began_s:.1f} s"
    return SeenCorpus(Finding("corpus", "ok", found), folder, recordings)


def unreached(needs: Needs) -> SeenCorpus:
    """What is said where no answer comes."""
    return _unlisted(needs, f"{needs.corpus_url}: not reached; is there no network?")


def _unlisted(needs: Needs, found: str) -> SeenCorpus:
    if needs.sends_to_modal:
        cost = "none if Modal's machines can read it: they have the secret of runner.yml"
        return SeenCorpus(Finding("corpus", "absent", found, cost))
    return SeenCorpus(Finding("corpus", "missing", found, NOTHING_TO_READ))


def mlflow_store(settings: Mapping[str, Any], project: Path) -> Finding:
    """Whether MLflow's store is there, or can be made."""
    uri, cost = str(settings["tracking_uri"]), NOT_RECORDED
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
