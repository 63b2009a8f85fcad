"""Recordings whose events touch, overlap, nest, repeat, have no length or end with the recording, within and across sides."""

import json
from pathlib import Path

from hypothesis import strategies as st

from seizure_pipeline.scoring import ScoredRecording

VECTORS = Path(__file__).parents[3] / "shared" / "scoring" / "vectors.json"
STEPS_S = (1.0, 0.25, 0.125, 0.1, 0.05, 1 / 256, 0.0001)
LAGS_S = (0.04, 0.125, 0.3, 0.9, 30.0, 60.0, 89.95, 90.0, 300.0)  # to the next sample, second, window and piece


def recording(reference=(), detections=(), duration_s=3600.0, name="r1", patient="p1"):
    return ScoredRecording(name, patient, duration_s, reference, detections)


@st.composite
def recordings(draw, longest_s=1500.0, name="r1", patient="p1"):
    step_s = draw(st.sampled_from(STEPS_S))
    steps = draw(st.integers(1, int(longest_s / step_s)))
    duration_s = steps * step_s
    marks_s = [draw(st.integers(0, steps)) * step_s for _ in range(draw(st.integers(1, 4)))]
    marks_s += [mark_s + lag_s for mark_s in marks_s for lag_s in draw(st.lists(st.sampled_from(LAGS_S), max_size=2))]
    times_s = st.sampled_from([0.0, duration_s, duration_s + 0.0005, *(min(mark_s, duration_s) for mark_s in marks_s)])
    events = st.lists(st.tuples(times_s, times_s).map(lambda pair: (min(pair), max(pair))), max_size=6)
    return ScoredRecording(name, patient, duration_s, draw(events), draw(events))


@st.composite
def collections(draw):
    patients = draw(st.lists(st.sampled_from(["p1", "p2", "p3"]), max_size=5))
    return [draw(recordings(120.0, f"r{i}", patient)) for i, patient in enumerate(patients)]


def vectors():
    return json.loads(VECTORS.read_text()) if VECTORS.exists() else []


def recordings_of(files):
    return [
        ScoredRecording(f"file-{i}", file["subject"], file["duration"], file["ref"], file["hyp"])
        for i, file in enumerate(files)
    ]
