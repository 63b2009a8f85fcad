"""Windowing killed at 200 random moments: the next run always gives the cache of an undisturbed one, byte for byte."""

from __future__ import annotations

import logging
import random
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from killed_builds import index_bytes, kill_within, start_build
from noise_corpus import build, contents, write_annotation, write_corpus, write_recording

log = logging.getLogger(__name__)
RECORDINGS = 24
CHANGES = 30
KILLS_BY_WORKERS = {1: 150, 2: 50}


def test_after_each_of_200_kills_the_next_run_gives_the_undisturbed_cache(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    write_corpus(corpus, RECORDINGS)
    build(corpus, tmp_path / "warm")
    begun = time.monotonic()
    undisturbed = build(corpus, tmp_path / "undisturbed")
    lasts_s = time.monotonic() - begun
    choice = random.Random(0)
    kills_met = []
    for workers, kills in KILLS_BY_WORKERS.items():
        for _ in range(kills):
            cache = tmp_path / "killed"
            kills_met.append(kill_within(start_build(corpus, cache, workers), cache, choice, lasts_s))
            assert index_bytes(build(corpus, cache), tmp_path) == index_bytes(undisturbed, tmp_path)
            assert contents(cache) == contents(tmp_path / "undisturbed")
            shutil.rmtree(cache)
    log.info("recordings cached when the kill came: %s", sorted(kill.cached for kill in kills_met))
    assert sum(kill.interrupted and 0 < kill.cached < RECORDINGS for kill in kills_met) > 100


def test_kills_while_a_changed_corpus_is_cached_again_do_no_harm_either(tmp_path: Path) -> None:
    corpus, cache = tmp_path / "corpus", tmp_path / "cache"
    recordings = write_corpus(corpus, RECORDINGS)
    build(corpus, cache)
    choice = random.Random(1)
    kills_met, lasts_s = [], 0.0
    for number in range(CHANGES + 1):
        changed = choice.sample(recordings, 12)
        for path in changed[:6]:
            write_annotation(path, seizure_s=1.0 + 0.05 * number)  # never what it was
        for at, path in enumerate(changed[6:]):
            write_recording(corpus, path.stem.split("_")[0], seed=100 + 10 * number + at)
        if number == 0:  # tells how long it lasts
            begun = time.monotonic()
            build(corpus, cache)
            lasts_s = time.monotonic() - begun
            continue
        kills_met.append(kill_within(start_build(corpus, cache, 1), cache, choice, lasts_s))
        index, undisturbed = build(corpus, cache), build(corpus, tmp_path / f"undisturbed{number}")
        assert contents(cache) == contents(tmp_path / f"undisturbed{number}")
        assert index == undisturbed
        shutil.rmtree(tmp_path / f"undisturbed{number}")
    interrupted = sum(kill.interrupted for kill in kills_met)
    log.info("%d of %d kills came before the build was done", interrupted, CHANGES)
    assert interrupted > CHANGES / 2
