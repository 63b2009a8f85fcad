"""Filling the cache from 100 to 6,500 recordings, again when nothing changed, and with one process and two.

usage: python benchmarks/cache_scale.py [--most 6500]      (writes up to 5 GB to a temporary folder)

Recordings of 60 s show that the time per recording does not grow; recordings of an hour what a second process brings.
All recordings are hard links to 4 files, which are in memory after the first few: what a disk takes to read thousands of
different files comes on top of the times printed here. What is written is as many files as there are recordings.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from linked_corpus import write_linked_corpus

from seizure_pipeline import corpora
from seizure_pipeline.cache import PreparationSettings, build_cache, table_from_rows
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.montage import MontageSettings

REPOSITORY = Path(__file__).resolve().parents[1]
SIZES = (100, 1000, 6500)
AGAIN_ROUNDS, PROCESS_ROUNDS = 5, 3
FEW_HOURS, MANY_HOURS = 4, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    most = parser.parse_args().most
    with tempfile.TemporaryDirectory() as name:
        _scale(Path(name), [size for size in SIZES if size < most] + [most])
    with tempfile.TemporaryDirectory() as name:
        _one_or_two_processes(Path(name))


def _scale(folder: Path, sizes: list[int]) -> None:
    rows = write_linked_corpus(folder / "corpus", sizes[-1], 60)
    for size in sizes:
        cache = folder / f"cache{size}"
        first_s = _build(folder, rows[:size], cache, 2)
        again_s = statistics.median(_build(folder, rows[:size], cache, 2) for _ in range(AGAIN_ROUNDS))
        print(f"{size:5d} x 60 s, 2 processes: {first_s:6.1f} s, {1e3 * first_s / size:5.2f} ms each; again {again_s:.3f} s")
        if size != sizes[-1]:
            shutil.rmtree(cache)
    _whole_command(folder, cache)


def _whole_command(folder: Path, cache: Path) -> None:
    """`kedro run --pipelines ingestion,windowing` over the cache that is there, twice; the second finds nothing to do."""
    shutil.copytree(REPOSITORY / "src", folder / "src")
    shutil.copytree(REPOSITORY / "conf", folder / "conf", ignore=_without_local)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, folder)
    (folder / "conf/local").mkdir()
    (folder / "conf/local/mlflow.yml").write_text("enabled: false\n")
    (folder / "data/05_model_input").mkdir(parents=True)
    cache.rename(folder / "data/05_model_input/cache")
    parameters = f"--params=corpus_root={folder / 'corpus'},data_root={folder / 'data'}"
    kedro = Path(sys.executable).with_name("kedro")
    times_s: dict[str, list[float]] = {"start of Kedro alone": [], "nothing to do": []}
    for number in range(AGAIN_ROUNDS):
        for title, command in (
            ("start of Kedro alone", ["registry", "list"]),
            ("nothing to do", ["run", "--pipelines", "ingestion,windowing", parameters]),
        ):
            begun = time.perf_counter()
            subprocess.run([kedro, *command], cwd=folder, check=True, capture_output=True)
            if number:
                times_s[title].append(time.perf_counter() - begun)
    for title, measured in times_s.items():
        print(f"kedro, {title}: {statistics.median(measured):.2f} s")


def _without_local(folder: str, names: list[str]) -> list[str]:
    """conf/local is the user's own and may hold credentials; those of other environments stay behind too."""
    inside = "local" if folder == str(REPOSITORY / "conf") else "credentials.yml" if Path(folder).name != "base" else ""
    return [name for name in names if name == inside]


def _one_or_two_processes(folder: Path) -> None:
    """Few and many recordings tell the start of the processes from the time that each recording takes."""
    rows = write_linked_corpus(folder / "corpus", MANY_HOURS, 3600)
    times_s: dict[tuple[int, int], list[float]] = {(workers, n): [] for workers in (1, 2) for n in (FEW_HOURS, MANY_HOURS)}
    for _ in range(PROCESS_ROUNDS):
        for (workers, n), measured in times_s.items():
            measured.append(_build(folder, rows[:n], folder / "cache", workers))
            shutil.rmtree(folder / "cache")
    medians = {key: statistics.median(measured) for key, measured in times_s.items()}
    hour_s = {n: (medians[n, MANY_HOURS] - medians[n, FEW_HOURS]) / (MANY_HOURS - FEW_HOURS) for n in (1, 2)}
    print(
        f"per hour of EEG: 1 process {1e3 * hour_s[1]:.0f} ms, 2 processes {1e3 * hour_s[2]:.0f} ms, "
        f"{hour_s[1] / hour_s[2]:.2f}x; start of 2 processes {medians[2, FEW_HOURS] - FEW_HOURS * hour_s[2]:.1f} s; "
        f"{MANY_HOURS} h with it: {medians[1, MANY_HOURS] / medians[2, MANY_HOURS]:.2f}x"
    )


def _build(folder: Path, rows: list[RecordingRow], cache: Path, workers: int) -> float:
    """Seconds from the table of recordings to the table that is the index."""
    table = corpora.table_from_rows(rows)
    begun = time.perf_counter()
    settings = PreparationSettings(workers=workers)
    read = corpora.rows_from_table(table)
    table_from_rows(build_cache(Folder(str(folder / "corpus")), read, settings, MontageSettings(), cache))
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
