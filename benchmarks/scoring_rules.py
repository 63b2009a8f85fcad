"""All rules on made events of the size of a split of TUSZ, and timescoring's event scoring of the same in memory.

1,832 recordings, 435 h, 833 seizures, 1,019 detections; `score` checks its input and pools each time. timescoring gets
its annotations ready made, on a 10 Hz grid.

usage: python benchmarks/scoring_rules.py       (median of 15 interleaved rounds after one to warm up)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from timescoring.annotations import Annotation
from timescoring.scoring import EventScoring

from seizure_pipeline.scoring import RULES, ScoredRecording, score

RECORDINGS, PATIENTS, HOURS, SEIZURES, DETECTIONS, ROUNDS = 1832, 200, 435, 833, 1019, 15
TYPICAL_S, SPREAD = 30.0, 1.0  # of a log-normal duration of events


def main() -> None:
    recordings = _made_recordings()
    annotated = [(_annotation(r.reference, r.duration_s), _annotation(r.detections, r.duration_s)) for r in recordings]
    ways: dict[str, Callable[[], object]] = {rule: lambda rule=rule: score(recordings, rule) for rule in RULES}
    ways["timescoring"] = lambda: [EventScoring(*pair) for pair in annotated]
    times_s: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(1 + ROUNDS):
        for name, run in ways.items():
            began = time.perf_counter()
            run()
            if round_ > 0:
                times_s[name].append(time.perf_counter() - began)
    medians_ms = {name: 1000 * statistics.median(taken_s) for name, taken_s in times_s.items()}
    for rule in RULES:
        print(f"{rule:<24}{medians_ms[rule]:>8.1f} ms")
    print(f"{'all six rules':<24}{sum(medians_ms[rule] for rule in RULES):>8.1f} ms")
    ratio = medians_ms["timescoring"] / medians_ms["szcore_event"]
    print(f"{'timescoring, events':<24}{medians_ms['timescoring']:>8.1f} ms, {ratio:.1f}x szcore_event")


def _made_recordings() -> list[ScoredRecording]:
    rng = np.random.default_rng(0)
    weight = rng.gamma(2, 1, RECORDINGS) + 0.1
    duration_s = np.round(weight / weight.sum() * HOURS * 3600, 2)
    seizures, detections = _made_events(rng, duration_s, SEIZURES), _made_events(rng, duration_s, DETECTIONS)
    return [
        ScoredRecording(f"recording-{i}", f"patient-{i % PATIENTS}", float(duration_s[i]), seizures[i], detections[i])
        for i in range(RECORDINGS)
    ]


def _made_events(rng: np.random.Generator, duration_s: np.ndarray, total: int) -> list[list[tuple[float, float]]]:
    events: list[list[tuple[float, float]]] = [[] for _ in duration_s]
    for i in rng.choice(len(duration_s), total, p=duration_s / duration_s.sum()):
        lasting_s = min(TYPICAL_S * rng.lognormal(0, SPREAD), duration_s[i] / 2)
        onset_s = rng.uniform(0, duration_s[i] - lasting_s)
        events[i].append((round(float(onset_s), 4), round(float(onset_s + lasting_s), 4)))
    return [sorted(of_recording) for of_recording in events]


def _annotation(events: list[tuple[float, float]], duration_s: float) -> Annotation:
    return Annotation(events, 10, round(duration_s * 10))


if __name__ == "__main__":
    main()
