"""Windowing killed at 200 random moments: the next run always gives the cache of an undisturbed one, byte for byte."""

from __future__ import annotations

import random
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from killed_builds import index_bytes, kill_within, start_build
from noise_corpus import build, contents, write_annotation, write_corpus, write_recording

RECORDINGS = 24
KILLS_BY_WORKERS = {1: 150, 2: 50}


def test_after_each_of_200_kills_the_next_run_gives_the_undisturbed_cache(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    write_corpus(corpus, RECORDINGS)
    build(corpus, tmp_path / "warm")
    begun = time.monotonic()
    undisturbed = build(corpus, tmp_path / "undisturbed")
    lasts_s = time.monotonic() - begun
    choice = random.Random(0)
    cached_by_then = []
    for workers, kills in KILLS_BY_WORKERS.items():
        for _ in range(kills):
            cache = tmp_path / "killed"
            cached_by_then.append(kill_within(start_build(corpus, cache, workers), cache, choice, lasts_s))
            assert index_bytes(build(corpus, cache), tmp_path) == index_bytes(undisturbed, tmp_path)
            assert contents(cache) == contents(tmp_path / "undisturbed")
            shutil.rmtree(cache)
    print(f"recordings cached when the kill came: {sorted(cached_by_then)}")  # noqa: T201 -- shown by pytest -rP
    assert sum(0 < cached < RECORDINGS for cached in cached_by_then) > 100


def test_kills_while_a_changed_corpus_is_cached_again_do_no_harm_either(tmp_path: Path) -> None:
    corpus, cache = tmp_path / "corpus", tmp_path / "cache"
    recordings = write_corpus(corpus, RECORDINGS)
    build(corpus, cache)
    choice = random.Random(1)
    for number in range(30):
        for path in choice.sample(recordings, 8):
            write_annotation(path, seizure_s=choice.choice([1.0, 2.0, 3.0]))
        write_recording(corpus, choice.choice(recordings).stem.split("_")[0], seed=100 + number)
        process = start_build(corpus, cache, 1)
        time.sleep(choice.uniform(0.0, 1.0))
        process.kill()
        process.join()
        build(corpus, cache)
        build(corpus, tmp_path / f"undisturbed{number}")
        assert contents(cache) == contents(tmp_path / f"undisturbed{number}")
        shutil.rmtree(tmp_path / f"undisturbed{number}")
