"""Scoring two folders of csv_bi files: reading alone, reading with all rules in one process, and `kedro score` as a whole.

usage: python benchmarks/scoring_files.py       (writes 3,664 files to a temporary folder; warm, median of seven rounds)

As many recordings, hours, seizures and detections as the public tool was timed on: its own command takes 5.6 s for them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seizure_pipeline.annotations import Seizures, write_csv_bi
from seizure_pipeline.scored_files import pair_files, read_pairs
from seizure_pipeline.scoring import RULES, Score, ScoredRecording, score

RECORDINGS, PATIENTS, HOURS, SEIZURES, DETECTIONS, ROUNDS = 1832, 120, 435.5, 833, 1019, 7


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        reference, hypothesis = Path(folder) / "reference", Path(folder) / "hypothesis"
        write_trees(reference, hypothesis)
        recordings = read(reference, hypothesis)
        print(f"{len(recordings)} recordings, {sum(r.duration_s for r in recordings) / 3600:.1f} h")
        print(f"{sum(len(r.reference) for r in recordings)} seizures, {sum(len(r.detections) for r in recordings)} detections")
        say("pairing by name", lambda: pair_files(reference, hypothesis))
        say("reading, pairing included", lambda: read(reference, hypothesis))
        for rule in RULES:
            say(f"rule {rule} in memory", lambda rule=rule: score(recordings, rule))
        say("reading and all rules", lambda: read_and_score(reference, hypothesis))
        command = [Path(sys.executable).with_name("kedro"), "score", "--reference", reference, "--hypothesis", hypothesis]
        say("kedro score, the whole command", lambda: subprocess.run(command, check=True, capture_output=True))


def read(reference: Path, hypothesis: Path) -> list[ScoredRecording]:
    return read_pairs(pair_files(reference, hypothesis))


def read_and_score(reference: Path, hypothesis: Path) -> list[Score]:
    recordings = read(reference, hypothesis)
    return [score(recordings, rule) for rule in RULES]


def write_trees(reference: Path, hypothesis: Path) -> None:
    """Two trees as NEDC's: patient/session/montage/patient_session_token.csv_bi."""
    rng = np.random.default_rng(0)
    durations_s = rng.dirichlet(np.full(RECORDINGS, 4.0)) * HOURS * 3600
    for root, events in ((reference, SEIZURES), (hypothesis, DETECTIONS)):
        counts = np.bincount(rng.integers(0, RECORDINGS, events), minlength=RECORDINGS)
        for number, (duration_s, count) in enumerate(zip(durations_s, counts, strict=True)):
            name = f"aaaa{number % PATIENTS:04d}_s001_t{number // PATIENTS:03d}"
            folder = root / name[:8] / "s001_2010" / "01_tcp_ar"
            folder.mkdir(parents=True, exist_ok=True)
            edges_s = np.sort(rng.uniform(0, duration_s, 2 * count)).round(4)
            write_csv_bi(folder / f"{name}.csv_bi", name, Seizures.from_intervals(edges_s.reshape(-1, 2)), duration_s)


def say(what: str, work: Callable[[], object]) -> None:
    work()
    times_s = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - began)
    print(f"{what:<34}{1000 * statistics.median(times_s):>9.1f} ms   (fastest {1000 * min(times_s):.1f})")


if __name__ == "__main__":
    main()
