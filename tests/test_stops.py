"""Who is asked to stop does so once the piece under way is whole, and the same work goes on without doing a piece again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from noise_corpus import ONE_PROCESS, build, listed, write_corpus
from test_announcements import stop_when
from test_training import Cache, cache, recipe_with, train

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped
from seizure_pipeline.cache import IndexRow, VerifySettings, verify_cache
from seizure_pipeline.cache.kept import NumberArrays, keep_traces, read_kept
from seizure_pipeline.copying import PopulateSettings, populate
from seizure_pipeline.copying.copier import Copier
from seizure_pipeline.corpora import Folder
from seizure_pipeline.corpora.synthetic import corpus as synthetic
from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.training import backings
from seizure_pipeline.training.settings import FeedingSettings

__all__ = ["cache"]


@pytest.fixture(autouse=True)
def _nobody_listens() -> Iterator[None]:
    yield
    announcements.forget()


def stopped_at(title: str, done: int, work: Callable[[], object]) -> None:
    """Do work that is asked to stop when `done` pieces of `title` are done, and see that it does."""
    stop_when(lambda kind, facts: kind == "progress" and facts["title"] == title and facts["done"] == done)
    with pytest.raises(Stopped, match="the same command continues"):
        work()
    announcements.forget()


def test_traces_that_are_done_are_kept_and_the_rest_is_made(cache: Cache, tmp_path: Path) -> None:
    made: list[str] = []

    def make(row: IndexRow) -> NumberArrays:
        made.append(row.recording_id)
        return {"trace": np.full(3, len(row.recording_id), dtype=np.float32)}

    def keep() -> list[str]:
        return keep_traces(cache[1], tmp_path, make, {"version": 1}, "traces")

    stopped_at("traces", 2, keep)
    assert made == sorted(path.stem for path in tmp_path.iterdir()) == [row.recording_id for row in cache[1][:2]]
    marks = keep()
    assert made == [row.recording_id for row in cache[1]]
    assert all(read_kept(tmp_path, row, mark)["trace"].size == 3 for row, mark in zip(cache[1], marks, strict=True))


def test_files_that_are_copied_are_kept_and_none_is_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    copy = Copier.copy

    def counted(self: Copier, *arguments: object) -> None:
        copy(self, *arguments)  # type: ignore[arg-type]
        copied.append(arguments[0].path)  # type: ignore[attr-defined]

    monkeypatch.setattr(Copier, "copy", counted)
    source, target = Folder(str(tmp_path / "source")), tmp_path / "target"
    contents = {f"file{number}": bytes([number]) * 1000 for number in range(6)}
    (tmp_path / "source").mkdir()
    for name, content in contents.items():
        (tmp_path / "source" / name).write_bytes(content)

    def copy_all() -> object:
        return populate(source, Folder(str(target)), PopulateSettings(workers=1))

    stopped_at("copying", 2, copy_all)
    there = {path.name: path.read_bytes() for path in target.iterdir() if path.name in contents}
    assert 2 <= len(there) < 6
    assert there == {name: contents[name] for name in there}
    copy_all()
    assert sorted(copied) == sorted(contents)
    assert {path.name: path.read_bytes() for path in target.iterdir() if path.name in contents} == contents


def test_looking_through_a_cache_stops_and_what_was_found_is_looked_into_next_time(tmp_path: Path, chains: list[str]) -> None:
    corpus, folder = tmp_path / "corpus", tmp_path / "cache"
    write_corpus(corpus)
    index = build(corpus, folder)
    damaged = folder / index[0].file
    content, dates = damaged.read_bytes(), damaged.stat()
    damaged.write_bytes(content[:-100] + bytes(100))

    os.utime(damaged, ns=(dates.st_atime_ns, dates.st_mtime_ns))

    def look() -> object:
        settings = VerifySettings(threads=1)
        return verify_cache(Folder(str(corpus)), listed(corpus), index, ONE_PROCESS, MontageSettings(), folder, settings)

    stopped_at("verifying cache", 1, look)
    chains.clear()
    build(corpus, folder)
    assert chains == [index[0].recording_id]
    assert look() == []


def test_signals_that_are_loaded_to_the_device_stop_between_two_recordings(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_with(epochs=1, feeding=FeedingSettings(kind="resident"))
    read: list[Path] = []
    read_values = backings.read_values
    monkeypatch.setattr(backings, "read_values", lambda signal, *rest: read.append(signal.path) or read_values(signal, *rest))
    stopped_at("loading signals", 1, lambda: train(cache, tmp_path / "stopped", recipe))
    assert len(set(read)) == 1
    whole = train(cache, tmp_path / "whole", recipe)
    assert train(cache, tmp_path / "stopped", recipe).weights_sha256 == whole.weights_sha256


def test_recordings_that_are_generated_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SyntheticSettings(
        train_patients=1,
        dev_patients=1,
        eval_patients=0,
        recordings_per_patient=2,
        shortest_recording_min=1.2,
        longest_recording_min=1.3,
    )
    made: list[str] = []
    generate = synthetic.generate_recording

    def counted(*arguments: object) -> str:
        made.append(generate(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(synthetic, "generate_recording", counted)
    stopped_at("generate corpus", 1, lambda: synthetic.generate_corpus(tmp_path, settings))
    assert len(made) == len(list(tmp_path.rglob("*.edf"))) == 1
    synthetic.generate_corpus(tmp_path, settings)
    assert len(set(made)) == len(made) == len(list(tmp_path.rglob("*.edf"))) == 4
