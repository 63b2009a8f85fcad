"""Pieces of the report by themselves: which piece of EEG, where it is drawn, what stands beside it."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_evaluation import (
    BOOTSTRAP,
    POST_PROCESSING,
    PULSE_ELECTRODE,
    PULSE_S,
    SEIZURE_S,
    THRESHOLD,
    cached,
    traces_of,
)
from PIL import Image

from seizure_pipeline.cache import IndexRow
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.report.chance import random_detections
from seizure_pipeline.report.eeg_picture import eeg_picture
from seizure_pipeline.report.excerpts import EXCERPT_S, LEAD_S, Found, eeg_around, excerpt_place
from seizure_pipeline.report.geometry import TimeAxis, thinned
from seizure_pipeline.report.intervals import first_crossing_sensitivities, rule_intervals
from seizure_pipeline.report.judged import JudgedRecording, judge
from seizure_pipeline.report.timelines import draw_patient, line_length_s
from seizure_pipeline.scoring import ScoredRecording, detected, score
from seizure_pipeline.scoring.bootstrap import draw_patients, uncertainties
from seizure_pipeline.scoring.evidence import FrozenThreshold, gather_evidence
from seizure_pipeline.scoring.names import FALSE_ALARM_BUDGETS_PER_24H, sensitivity_name
from seizure_pipeline.scoring.published import TUSZ_EVAL, why_not_beside
from seizure_pipeline.scoring.resampled import figures_of
from seizure_pipeline.windows import RATE_HZ, TOKEN_RATE_HZ, Layout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def rows(root: Path) -> list[IndexRow]:
    return cached(root)


@pytest.fixture(scope="module")
def judged(rows: list[IndexRow]) -> list[JudgedRecording]:
    return [judge(row, trace, THRESHOLD, POST_PROCESSING) for row, trace in zip(rows, traces_of(rows), strict=True)]


def test_judged_events_count_as_score_counts_them(judged: list[JudgedRecording]) -> None:
    found = score([recording.scored for recording in judged])
    seizures = [event for recording in judged for event in recording.seizures]
    alarms = [event for recording in judged for event in recording.detections]
    assert (sum(event.matched for event in seizures), len(seizures)) == (found.tp, found.reference_count) == (5, 7)
    assert sum(not event.matched for event in alarms) == found.fp == 1


def test_a_detection_on_both_sides_of_a_gap_is_one_as_it_is_scored(rows: list[IndexRow]) -> None:
    halves = (20 * RATE_HZ, 20 * RATE_HZ)
    row = replace(rows[0], stretch_samples=halves, stretch_start_s=(0.0, 100.0), seizures=())
    recording = judge(row, trace_of(row, np.full(row.layout.tokens, 0.9, np.float32)), THRESHOLD, POST_PROCESSING)
    assert len(recording.detections) == score([recording.scored]).fp == 1


def test_an_excerpt_is_in_microvolts_and_begins_before_the_seizure(root: Path, judged: list[JudgedRecording]) -> None:
    excerpt = eeg_around(Found(judged[0], judged[0].seizures[0]), root / "cache")
    assert excerpt.start_s == SEIZURE_S[0] - LEAD_S
    assert excerpt.signal_uv_CT.shape == (19, EXCERPT_S * RATE_HZ)
    electrode, sample = np.unravel_index(np.argmax(np.abs(excerpt.signal_uv_CT)), excerpt.signal_uv_CT.shape)
    assert (electrode, excerpt.start_s + sample / RATE_HZ) == (PULSE_ELECTRODE, PULSE_S)
    assert 500 < np.abs(excerpt.signal_uv_CT).max() < 2000  # 2000 uV, less what the filters and the average take


@given(
    lengths_s=st.lists(st.integers(1, 120), min_size=1, max_size=4),
    gaps_s=st.lists(st.integers(1, 500), min_size=4, max_size=4),
    where=st.floats(0, 1, exclude_max=True),
)
def test_an_excerpt_holds_the_onset_and_stays_within_its_stretch(lengths_s: list[int], gaps_s: list[int], where: float) -> None:
    starts_s = [float(sum(lengths_s[:i]) + sum(gaps_s[:i])) for i in range(len(lengths_s))]
    layout = Layout(tuple(length_s * RATE_HZ for length_s in lengths_s), tuple(starts_s))
    onset_s = layout.file_clock_s(where * sum(lengths_s))
    start_s, first, stop = excerpt_place(layout, onset_s)
    stretch = int(np.searchsorted(layout.sample_starts, first, side="right")) - 1
    assert start_s <= onset_s <= start_s + (stop - first) / RATE_HZ
    assert stop - first == min(EXCERPT_S * RATE_HZ, layout.stretch_samples[stretch])
    assert stop <= layout.sample_starts[stretch] + layout.stretch_samples[stretch]
    assert start_s == starts_s[stretch] + (first - layout.sample_starts[stretch]) / RATE_HZ


def ink_of(uri: str) -> np.ndarray:
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert picture.info["transparency"] == 0
    return np.asarray(picture.convert("P")) > 0


def test_eeg_is_drawn_negative_up_and_where_it_is(tmp_path: Path) -> None:
    signal_CT = np.zeros((2, 1000))
    signal_CT[0, 480:520] = -50.0
    ink = ink_of(eeg_picture(signal_CT, row_height_uv=100.0, width=100, row_pixels=20))
    assert ink.shape == (60, 100)
    assert np.flatnonzero(ink[:, 10]).tolist() == [20, 21, 40, 41]  # level lines, two pixels thick
    assert np.flatnonzero(ink[:, 50]).tolist() == [10, 11, 40, 41]  # half a row up
    assert np.flatnonzero(ink[:, 48]).tolist() == [*range(10, 22), 40, 41]  # joined to the column before


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.integers(20, 90), samples=st.integers(100, 400))
def test_a_column_has_ink_over_all_that_its_samples_span(seed: int, width: int, samples: int) -> None:
    signal_CT = np.random.default_rng(seed).normal(scale=40.0, size=(3, samples))
    ink = ink_of(eeg_picture(signal_CT, row_height_uv=100.0, width=width, row_pixels=20))
    wanted = np.zeros_like(ink)
    centred_CT = signal_CT - np.median(signal_CT, axis=1, keepdims=True)
    for c, row_T in enumerate(np.clip(centred_CT / 100, -1.5, 1.5)):
        last = None
        for t, value in enumerate(row_T):
            y, x = int(np.clip(np.rint((value + c + 1) * 20), 0, len(ink) - 2)), t * width // samples
            low, high = (y, y) if last is None else (min(y, last), max(y, last))
            wanted[low : high + 2, x] = True
            last = y
    assert np.array_equal(ink, wanted)


def test_a_thinned_trace_keeps_the_highest_of_each_pixel_and_breaks_at_a_gap() -> None:
    times_s = np.concatenate([np.arange(0, 40, 0.1), np.arange(60, 100, 0.1)])
    values = np.zeros(len(times_s), np.float32)
    values[[77, 500]] = 1.0, 0.5
    lines = thinned(times_s, values, TimeAxis(0, 100, 10, 100), top=0, height=80)
    points = [[tuple(map(float, point.split(","))) for point in line.split()] for line in lines]
    assert [(piece[0][0], piece[-1][0]) for piece in points] == [(10, 49), (70, 109)]
    assert {point for piece in points for point in piece if point[1] < 80} == {(17, 0.0), (80, 40.0)}


def test_every_event_is_on_a_line_and_long_recordings_go_on_in_the_next(judged: list[JudgedRecording]) -> None:
    timeline = draw_patient("p", judged, 20, all_drawn=True)
    assert [line.label for line in timeline.lines[:2]] == [judged[0].row.recording_id, "… from 0:00:20"]
    assert len(timeline.lines) == 2 * len(judged)
    kinds = [mark.boxes[0].kind for line in timeline.lines for mark in line.marks]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"found": 5, "hit": 5, "missed": 2, "false-alarm": 1}
    assert timeline.words.endswith("7 seizures (5 found, 2 missed), 1 false alarm")


def test_an_alarm_on_both_sides_of_a_gap_is_one_mark_that_leaves_the_gap_blank(rows: list[IndexRow]) -> None:
    row = replace(rows[0], stretch_start_s=(0.0, 50.0), stretch_samples=(20 * RATE_HZ, 20 * RATE_HZ), seizures=())
    alarms = judge(row, trace_of(row, np.full(row.layout.tokens, 0.9, np.float32)), THRESHOLD, POST_PROCESSING)
    (event,) = alarms.detections
    assert event.pieces_s(row.layout) == [(0.0, 20.0), (50.0, 70.0)]
    (line,) = draw_patient("p", [alarms], 300, all_drawn=True).lines
    (mark,) = line.marks
    assert [(box.x, box.width) for box in mark.boxes] == [(190.0, 60.0), (340.0, 60.0)]
    assert mark.words == "false alarm: 0:00 to 1:10"


def test_beyond_a_number_of_recordings_those_without_events_are_named_instead(rows: list[IndexRow]) -> None:
    quiet = judge(replace(rows[0], seizures=(), recording_id="quiet"), _silent(rows[0]), THRESHOLD, POST_PROCESSING)
    missed = judge(rows[1], trace_of(rows[1], np.full(640, 0.1, np.float32)), THRESHOLD, POST_PROCESSING)
    timeline = draw_patient("p", [quiet, missed], 300, all_drawn=False)
    assert timeline.named == ["quiet"]
    assert [line.recording_id for line in timeline.lines] == [rows[1].recording_id]
    assert draw_patient("p", [quiet, missed], 300, all_drawn=True).named == []


def _silent(row: IndexRow):
    return trace_of(replace(row, seizures=()), np.full(row.layout.tokens, 0.1, np.float32))


def test_a_line_holds_nine_recordings_in_ten_whole(judged: list[JudgedRecording]) -> None:
    long = [replace(each, row=replace(each.row, stretch_samples=(RATE_HZ * 5000,))) for each in judged[:1]]
    assert line_length_s(judged) == 300
    assert line_length_s(long) == 7200
    assert line_length_s([*long, *(judged * 2)]) == 300


def test_random_detections_are_as_many_and_as_long_and_within_recordings() -> None:
    recordings = [
        ScoredRecording("a", "p", 1000.0, [], [(0.0, 30.0), (50.0, 60.0)]),
        ScoredRecording("b", "q", 100.0, [], [(5.0, 8.5)]),
    ]
    copies = random_detections(recordings, draws=200)
    in_a = 0
    for copy in copies:
        lengths_s = sorted(offset_s - onset_s for each in copy for onset_s, offset_s in each.detections)
        assert lengths_s == pytest.approx([3.5, 10.0, 30.0])
        assert all(0 <= onset_s <= offset_s <= each.duration_s for each in copy for onset_s, offset_s in each.detections)
        in_a += len(copy[0].detections)
    assert in_a / 600 == pytest.approx(1000 / 1100, abs=0.04)


def test_the_band_passes_through_the_intervals_of_the_budgets(rows: list[IndexRow]) -> None:
    rng = np.random.default_rng(5)
    noisy = [trace_of(row, np.float32(np.round(rng.random(row.layout.tokens), 2))) for row in rows]
    evidence = gather_evidence(noisy, POST_PROCESSING)
    weights_BP = draw_patients(len(evidence.patient_ids), BOOTSTRAP)
    budgets = np.asarray([*FALSE_ALARM_BUDGETS_PER_24H, 3000.0])
    ours = first_crossing_sensitivities(evidence, weights_BP, budgets)
    theirs = figures_of(evidence, weights_BP)
    assert ours[:, -1].max() > 0
    for x, budget in enumerate(FALSE_ALARM_BUDGETS_PER_24H):
        assert np.array_equal(ours[:, x], theirs[sensitivity_name(budget)])


def test_intervals_of_every_rule_come_from_the_same_resamples(rows: list[IndexRow]) -> None:
    traces = traces_of(rows)
    known = uncertainties(gather_evidence(traces, POST_PROCESSING, FrozenThreshold(THRESHOLD)), BOOTSTRAP)
    ends = rule_intervals(score(detected(traces, THRESHOLD, POST_PROCESSING)), BOOTSTRAP)
    for figure in ("sensitivity", "false_alarms_per_24h"):
        same = known[f"frozen_{figure}"]
        assert ends[figure] == pytest.approx((same.low, same.high), abs=1e-12)


@pytest.mark.parametrize(
    ("layout", "split", "recordings", "hours", "seizures", "why"),
    [
        ("tusz", "eval", 865, 127.66, 469, ""),
        ("tusz", "dev", 865, 127.66, 469, "this is split dev"),
        ("chb_mit", "eval", 865, 127.66, 469, "layout chb_mit"),
        ("tusz", "eval", 864, 127.66, 469, "here are 864 recordings"),
        ("tusz", "eval", 865, 127.0, 469, "127.0 h"),
        ("tusz", "eval", 865, 127.66, 468, "468 seizures"),
    ],
)
def test_published_results_stand_beside_the_whole_of_their_own_split_alone(
    layout: str, split: str, recordings: int, hours: float, seizures: int, why: str
) -> None:
    said = why_not_beside(TUSZ_EVAL, layout, split, recordings, hours, seizures)
    assert (said == "") == (why == "")
    assert why in said


def test_tokens_of_the_trace_lie_where_the_excerpt_says(rows: list[IndexRow]) -> None:
    axis = TimeAxis(10.0, 40.0, 0, 1000)
    row = rows[0]
    times_s = np.arange(row.layout.tokens) / TOKEN_RATE_HZ
    values = (np.abs(times_s - SEIZURE_S[0]) < 0.03).astype(np.float32)
    (line,) = thinned(times_s, values, axis, top=0, height=100)
    (peak,) = [point for point in line.split() if point.endswith(",0.0")]
    assert float(peak.split(",")[0]) == pytest.approx(axis.x(SEIZURE_S[0]), abs=1)
