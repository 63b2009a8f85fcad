"""What a log without a terminal says of long work: seldom, with rate and time left, of every kind of work."""

from __future__ import annotations

import logging
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from test_training import Cache, cache, recipe_with, train

from seizure_pipeline import progress
from seizure_pipeline.cache import PreparationSettings, build_cache
from seizure_pipeline.cache.kept import keep_traces
from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.progress import ProgressMeter

__all__ = ["cache"]


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.mark.parametrize("step_s", [0.01, 1.0, 5.0, 45.0])
def test_a_log_hears_of_long_work_every_half_minute_however_short_its_steps(
    step_s: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, steps = Clock(), int(900 / step_s)
    monkeypatch.setattr(progress, "time", clock)
    said_s: list[float] = []
    with caplog.at_level(logging.INFO), ProgressMeter("epoch 3 of 5", steps, "steps") as meter:
        for _ in range(steps):
            before = len(caplog.records)
            clock.now_s += step_s
            meter.advance(note="loss 0.1")
            said_s += [clock.now_s] * (len(caplog.records) - before)
    silences_s = [later - sooner for sooner, later in pairwise([1000.0, *said_s, 1900.0])]
    assert max(silences_s) <= max(30.0, 45.0 if step_s == 45.0 else 0.0) + 1e-6
    assert len(said_s) <= 900 / 25
    for record, at_s in zip(caplog.records, said_s, strict=False):
        done = round((at_s - 1000) / step_s)
        left_s = (steps - done) * step_s
        rate = re.escape(f"{1 / step_s:.2f}")
        line = rf"epoch 3 of 5: {done} of {steps} steps, {rate} steps/s, (?:(\d+) min )?(\d+) s left, loss 0\.1"
        match = re.fullmatch(line, record.getMessage())
        assert match
        assert 60 * int(match[1] or 0) + int(match[2]) == pytest.approx(left_s, abs=1)


def test_training_tells_what_is_left_of_its_epoch_and_of_all_epochs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    with caplog.at_level(logging.INFO), ProgressMeter("epoch 3 of 5", 100, "steps", later=200) as meter:
        clock.now_s += 40
        meter.advance(20)
    assert caplog.messages[0] == (
        "epoch 3 of 5: 20 of 100 steps, 0.50 steps/s, 2 min 40 s to its end, 9 min 20 s for all steps to come"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (93_784, "26 h 3 min")],
)
def test_a_duration_is_told_in_two_units_of_which_the_smaller_is_never_full(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


def test_training_validation_cache_and_traces_all_say_how_far_they_are(
    cache: Cache, small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_S", 0.0)
    corpus = Folder(str(small_corpus))
    with caplog.at_level(logging.INFO):
        rows = examine_entries(corpus, find_entries(corpus, CorpusSettings()), MontageSettings())
        index = build_cache(corpus, rows, PreparationSettings(workers=1), MontageSettings(), tmp_path / "cache")
        train(cache, tmp_path / "models", recipe_with(epochs=1))
        keep_traces(index, tmp_path / "traces", lambda row: {"a": np.zeros(1, dtype=np.float32)}, {}, "probability traces")
    lines = [record.getMessage() for record in caplog.records if record.name == progress.__name__]
    said = {match[1] for line in lines if (match := re.match(r"(.*): \d+ of \d+ \w+, \d+\.\d\d \w+/s, .* left", line))}
    wanted = {
        "examining recordings",
        "caching recordings",
        "opening signals",
        "epoch 1 of 1",
        "baselines of validation",
        "validating",
        "probability traces",
    }
    assert said == wanted
