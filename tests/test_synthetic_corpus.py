"""Laws of the generated corpus: repeatable, as planned, shaped like EEG, with seizures that slow down."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pyedflib
import pytest
from scipy.signal import welch

from seizure_pipeline.corpora import CorpusError
from seizure_pipeline.corpora.synthetic.background import BRAIN_RATE_HZ, draw_background, draw_vigilance
from seizure_pipeline.corpora.synthetic.channels import LABEL_STYLES, electrode_label
from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
from seizure_pipeline.corpora.synthetic.head import SITES, site
from seizure_pipeline.corpora.synthetic.patients import RATES_HZ, draw_patient
from seizure_pipeline.corpora.synthetic.plan import plan
from seizure_pipeline.corpora.synthetic.recording import generate_channels
from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
from seizure_pipeline.corpora.synthetic.seizures import add_seizure, draw_course

TINY = SyntheticSettings(
    train_patients=2,
    dev_patients=1,
    eval_patients=1,
    recordings_per_patient=2,
    shortest_recording_min=2.0,
    longest_recording_min=2.0,
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus") / "tiny"
    generate_corpus(root, TINY)
    return root


def _digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_default_plan_has_the_promised_size_and_most_recordings_hold_no_seizure():
    recordings = plan(SyntheticSettings())
    patients = {r.patient.patient_id: r.split for r in recordings}
    by_split = {split: [r for r in recordings if r.split == split] for split in ("train", "dev", "eval")}
    hours = {split: sum(r.duration_s for r in rows) / 3600 for split, rows in by_split.items()}
    seizures = {split: sum(len(r.seizures) for r in rows) for split, rows in by_split.items()}
    assert len(patients) == 32
    assert 8 < sum(hours.values()) < 11
    assert 2.5 < hours["dev"] < 3.5
    assert 45 <= seizures["train"] <= 55
    assert 18 <= seizures["dev"] <= 25
    assert sum(not r.seizures for r in recordings) >= 0.6 * len(recordings)
    assert {r.patient.habits.rate_hz for r in recordings} == set(RATES_HZ)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("minutes", [1.0, 2.0, 5.0])
def test_every_patient_has_a_seizure_and_seizures_lie_apart_inside_their_recording(seed: int, minutes: float):
    settings = SyntheticSettings(seed=seed, shortest_recording_min=minutes, longest_recording_min=minutes)
    recordings = plan(settings)
    with_seizure = {r.patient.patient_id for r in recordings if r.seizures}
    assert with_seizure == {r.patient.patient_id for r in recordings}
    for r in recordings:
        edges_s = [edge for span in r.seizures for edge in span]
        assert edges_s == sorted(edges_s)
        assert all(20 <= edge <= r.duration_s for edge in edges_s)
        assert all(14.9 <= offset - onset <= 90.1 for onset, offset in r.seizures)


def test_no_seizures_asked_for_none_planned():
    assert not any(r.seizures for r in plan(SyntheticSettings(seizure_recordings_share=0.0)))


def test_paths_are_those_of_tusz_and_no_two_recordings_share_one():
    recordings = plan(SyntheticSettings())
    assert recordings[0].edf_path.match("edf/train/aaaaaaab/s001_2015/0*/aaaaaaab_s001_t000.edf")
    assert len({r.edf_path for r in recordings}) == len(recordings)


def test_same_settings_give_the_same_bytes_and_another_seed_gives_others(tiny: Path, tmp_path: Path):
    again, other = plan(TINY)[0], plan(TINY.model_copy(update={"seed": 7}))[0]
    first, second = generate_channels(again, TINY.seed), generate_channels(again, TINY.seed)
    assert all(np.array_equal(a.samples_uv, b.samples_uv) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0].samples_uv[:1000], generate_channels(other, 7)[0].samples_uv[:1000])
    generate_corpus(tmp_path, TINY)
    assert _digests(tmp_path) == _digests(tiny)


def test_a_recording_does_not_depend_on_how_many_others_there_are():
    more = TINY.model_copy(update={"eval_patients": 3})
    assert plan(more)[: len(plan(TINY))][0].edf_path == plan(TINY)[0].edf_path
    assert plan(more)[0].seizures == plan(TINY)[0].seizures


def test_a_killed_run_goes_on_and_writes_only_what_is_missing(tiny: Path):
    before = _digests(tiny)
    paths = sorted(tiny.rglob("*.edf"))
    written_ns = {path: path.stat().st_mtime_ns for path in paths}
    paths[1].rename(paths[1].with_name(f".{paths[1].name}.1.part"))
    generate_corpus(tiny, TINY)
    assert _digests(tiny) == before
    assert [path for path in paths if path.stat().st_mtime_ns != written_ns[path]] == [paths[1]]


def test_other_settings_replace_the_corpus(tmp_path: Path):
    small = TINY.model_copy(update={"train_patients": 1, "dev_patients": 0, "eval_patients": 0})
    generate_corpus(tmp_path, small)
    generate_corpus(tmp_path, small.model_copy(update={"recordings_per_patient": 1}))
    assert len(list(tmp_path.rglob("*.edf"))) == 1


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(CorpusError, match=r"corpus\.json"):
        generate_corpus(tmp_path, TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_independent_reader_finds_the_promised_rate_labels_length_and_an_anonymous_header(tiny: Path):
    for planned in plan(TINY):
        style = LABEL_STYLES[planned.patient.habits.label_style]
        with pyedflib.EdfReader(str(tiny / planned.edf_path)) as edf:
            labels = edf.getSignalLabels()
            assert set(edf.getSampleFrequencies()) == {planned.patient.habits.rate_hz}
            assert edf.getFileDuration() == planned.duration_s == 120
            assert edf.getPatientName() in ("", "X")
            expected = [electrode_label(style, name) for name in SITES[:19]]
            assert set(expected) <= set(labels)
            assert 5 < np.std(edf.readSignal(0)) < 150


def test_annotations_say_what_was_planned_and_fill_the_recording(tiny: Path):
    for planned in plan(TINY):
        lines = (tiny / planned.edf_path).with_suffix(".csv_bi").read_text().splitlines()
        rows = [line.split(",") for line in lines if line.startswith("TERM")]
        assert lines[0] == "# version = csv_v1.0.0"
        assert f"# duration = {planned.duration_s:.4f} secs" in lines
        assert [(float(a), float(b)) for _, a, b, label, _ in rows if label == "seiz"] == list(planned.seizures)
        assert sum(float(b) - float(a) for _, a, b, _, _ in rows) == pytest.approx(planned.duration_s)


def test_power_of_the_background_falls_like_one_over_f():
    rest = dataclasses.replace(draw_patient(1, 0).rest, exponent=1.5, alpha_uv=0.0, beta_uv=0.0, sleepiness=0.0)
    rng = np.random.default_rng(1)
    vigilance = draw_vigilance(rng, rest, 120 * BRAIN_RATE_HZ)
    still = dataclasses.replace(vigilance, drowsy=0 * vigilance.drowsy, asleep=0 * vigilance.asleep)
    sites_ST = draw_background(rng, rest, still, np.ones(120 * BRAIN_RATE_HZ, np.float32))
    hz, power = welch(sites_ST[:19], BRAIN_RATE_HZ, nperseg=512)
    band = (hz >= 1) & (hz <= 40)
    slope = np.polyfit(np.log(hz[band]), np.log(power[:, band].mean(axis=0)), 1)[0]
    assert slope == pytest.approx(-1.5, abs=0.1)


@pytest.mark.parametrize("line_hz", [50.0, 60.0])
def test_mains_hum_stands_at_its_frequency(line_hz: float):
    planned = plan(TINY)[0]
    habits = dataclasses.replace(planned.patient.habits, line_hz=line_hz, line_uv=5.0, rate_hz=256)
    planned = dataclasses.replace(planned, patient=dataclasses.replace(planned.patient, habits=habits))
    eeg = np.stack([channel.samples_uv for channel in generate_channels(planned, 1)[:19]])
    hz, power = welch(eeg, 256, nperseg=512)
    high = (hz > 45) & (hz < 65)
    assert hz[high][np.median(power, axis=0)[high].argmax()] == line_hz


@pytest.mark.parametrize("number", range(6))
def test_discharge_at_the_focus_slows_and_grows(number: int):
    ictal = draw_patient(5, number).ictal
    ictal = dataclasses.replace(ictal, buzz_uv=0.0)
    rng = np.random.default_rng(number)
    sites_ST = np.zeros((len(SITES), 80 * BRAIN_RATE_HZ), np.float32)
    add_seizure(rng, ictal, draw_course(rng, ictal, 10.0, 70.0), sites_ST)
    from_to = [slice(round(a * BRAIN_RATE_HZ), round(b * BRAIN_RATE_HZ)) for a, b in ((12, 20), (58, 68))]
    loudest = np.abs(sites_ST[:19, : 70 * BRAIN_RATE_HZ]).mean(axis=1).argmax()
    early, late = (sites_ST[loudest, part] for part in from_to)
    dominant = [np.abs(np.fft.rfft(x * np.hanning(x.size))).argmax() * BRAIN_RATE_HZ / x.size for x in (early, late)]
    assert 5.5 < dominant[0] < 10
    assert 2 < dominant[1] < 4.5
    assert late.std() > 1.25 * early.std()


def test_a_focal_seizure_reaches_the_other_side_late():
    ictal = next(p.ictal for p in (draw_patient(5, n) for n in range(50)) if p.ictal.focus[0] < -0.8)
    rng = np.random.default_rng(0)
    sites_ST = np.zeros((len(SITES), 60 * BRAIN_RATE_HZ), np.float32)
    add_seizure(rng, dataclasses.replace(ictal, spread=1.0), draw_course(rng, ictal, 0.0, 60.0), sites_ST)
    sides = [np.abs(sites_ST[[site(name) for name in names]]) for names in (("T3", "F7", "C3"), ("T4", "F8", "C4"))]
    early, late = ([side[:, a * BRAIN_RATE_HZ : b * BRAIN_RATE_HZ].mean() for side in sides] for a, b in ((3, 10), (40, 58)))
    assert early[1] < 0.5 * early[0]
    assert late[1] > 0.5 * late[0]
