"""One recording through the chain into its file, in a worker process that knows local paths and settings only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from seizure_pipeline.cache.facts import Origin, PassingDigest
from seizure_pipeline.cache.index import CacheError
from seizure_pipeline.cache.prepare import prepare
from seizure_pipeline.cache.store import Stored, write_signal
from seizure_pipeline.corpora.listing import FileFacts, facts_of
from seizure_pipeline.corpora.table import named
from seizure_pipeline.montage import MontageError, MontageSettings
from seizure_pipeline.recordings import RecordingError, open_recording
from seizure_pipeline.signals import SignalError, SignalSettings

REFUSALS = (RecordingError, MontageError, SignalError)


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to prepare: `edf` on this disk, made into `target`; `in_place` if `edf` is the corpus's own file."""

    edf: Path
    in_place: bool
    target: Path
    origin: Origin
    signals: SignalSettings
    montage: MontageSettings


def fill(job: Job) -> Stored | str:
    """Prepare and write one recording; returns its file's facts and state, or the reason why it is refused.

    Raises CacheError if the corpus's file is not, or no longer, the one that was listed; OSError if it cannot be read or
    the cache cannot be written."""
    _check_unchanged(job)
    digest = PassingDigest()
    try:
        with prepare(open_recording(job.edf, digest.hear), job.signals, job.montage, job.target.parent) as prepared:
            origin = replace(job.origin, source=replace(job.origin.source, xxh3_128=digest.finish(job.edf)))
            _check_unchanged(job)
            return write_signal(job.target, prepared, origin)
    except REFUSALS as refusal:
        _check_unchanged(job)
        return named(job.origin.source.path, refusal)


def _check_unchanged(job: Job) -> None:
    """A file that changes while it is read would be kept under what it was before."""
    source = job.origin.source
    listed = FileFacts(source.path, source.size_bytes, source.token)
    if job.in_place and facts_of(job.edf, source.path) != listed:
        raise CacheError(f"{job.edf}: changed since the recordings were listed; run ingestion and windowing again")
