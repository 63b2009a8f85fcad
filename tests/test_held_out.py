"""What is held out is scored with what dev gave, and has no part in anything that is chosen."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from planned_runs import index_row

from seizure_pipeline import evaluation
from seizure_pipeline.cache import IndexRow, table_from_rows
from seizure_pipeline.cache.kept import keep_traces
from seizure_pipeline.datasets import ArraysDataset
from seizure_pipeline.evaluation import EvaluationSettings
from seizure_pipeline.evaluation.comparison import COLUMNS, TRIVIAL
from seizure_pipeline.experiments import ExperimentsSettings
from seizure_pipeline.hooks import RunSummary
from seizure_pipeline.pipelines.evaluation.nodes import compare, count_by_patient, score_held_out, score_traces
from seizure_pipeline.pipelines.experiments.nodes import share_index
from seizure_pipeline.pipelines.reporting import create_pipeline
from seizure_pipeline.scoring import PostProcessingSettings, ScoredRecording, ScoringError, resolve
from seizure_pipeline.scoring.bootstrap import BootstrapSettings, paired_differences, uncertainties
from seizure_pipeline.scoring.detections import find_events_reference
from seizure_pipeline.scoring.ovlp import count_overlaps_reference
from seizure_pipeline.scoring.tuning import TuningSettings
from seizure_pipeline.summary import print_next, print_results

CHECKPOINT = {"run": "r", "weights_sha256": "w"}
POST = PostProcessingSettings()
TOKENS, STRIDE_S = 16 * 600, 10.0
SEIZURES = ((100.0, 130.0), (300.0, 360.0))
DETECTORS = ("model", "one", "two")
REPORTED = {"metrics": "metrics.json", "evaluation_report": "evaluation.html"}


def row(name: str, split: str, patient: str, seizures: tuple[tuple[float, float], ...] = SEIZURES) -> IndexRow:
    facts = {"split": split, "patient_id": patient, "seizures": seizures, "fingerprint": f"of {name} {seizures}"}
    return replace(index_row(name), duration_s=600.0, stretch_samples=(600 * 256,), **facts)


def noise(recording: IndexRow, seed: int, strength: float = 2.0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Smooth noise in log odds, higher in most seizures."""
    random = np.random.default_rng([seed, *recording.recording_id.encode()])
    log_odds_L = np.convolve(random.normal(size=TOKENS + 47), np.ones(48) / 7, "valid") - 2
    for onset_s, offset_s in recording.seizures:
        log_odds_L[int(16 * onset_s) : int(16 * offset_s)] += strength * random.uniform(0.2, 2)
    return resolve(1 / (1 + np.exp(-log_odds_L)))


def written(folder: Path, rows: list[IndexRow], seed: int = 0) -> pd.DataFrame:
    """The index of traces that were made up for `rows`; eval's depend on `seed`, dev's do not."""

    def make(each: IndexRow) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        own = seed if each.split == "eval" else 0
        return {name: noise(each, 10 * own + k, 2.0 - k) for k, name in enumerate(DETECTORS)}

    return evaluation.model_trace_table(rows, keep_traces(rows, folder, make, {"seed": seed}, "made up"), STRIDE_S)


DEV_ROWS = [row(f"d{k}", "dev", f"patient {k // 2}") for k in range(6)]
EVAL_ROWS = [row(f"e{k}", "eval", f"other {k // 2}", SEIZURES[: k % 3]) for k in range(5)]


def scored(folder: Path, index: pd.DataFrame, **settings: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Dev's metrics, the operating point, eval's metrics."""
    metrics, point = score_traces(index, folder, CHECKPOINT, EvaluationSettings(**settings), POST)
    return metrics, point, score_held_out(index, folder, point)


@pytest.mark.parametrize("tune", [False, True])
def test_nothing_of_eval_reaches_threshold_post_processing_or_dev_figures(tmp_path: Path, tune: bool) -> None:
    relabelled = [replace(each, seizures=((1.0, 9.0),), fingerprint="x", patient_id="somebody") for each in EVAL_ROWS]
    chosen, held_out = set(), set()
    for k, others in enumerate((EVAL_ROWS, EVAL_ROWS, relabelled, [])):
        index = written(tmp_path / str(k), [*DEV_ROWS, *others], seed=min(k, 1))
        metrics, point, eval_metrics = scored(tmp_path / str(k), index, tune=tune, operating_budget_per_24h=100.0)
        chosen.add(json.dumps([metrics, point]))
        held_out.add(json.dumps(eval_metrics))
    assert len(chosen) == 1
    assert len(held_out) == 4
    assert point["threshold"] is not None


def test_frozen_counts_are_those_of_every_event_against_every_other(tmp_path: Path) -> None:
    index = written(tmp_path, [*DEV_ROWS, *EVAL_ROWS])
    _, point, found = scored(tmp_path, index, operating_budget_per_24h=100.0)
    counts = []
    for trace in evaluation.model_traces(tmp_path, index, "eval"):
        on, off = point["threshold"], POST.off_ratio * point["threshold"]
        events = find_events_reference(trace.probability, (0, TOKENS), on, off, gap_tokens=32, least_tokens=48)
        seconds = [(start / 16, stop / 16) for start, stop in events]
        recording = ScoredRecording(trace.recording_id, trace.patient_id, 600.0, trace.reference, seconds)
        counts.append(count_overlaps_reference(recording))
    assert found["frozen_found_seizures"] == sum(c.tp for c in counts) > 0
    assert found["frozen_missed_seizures"] == sum(c.fn for c in counts)
    assert found["frozen_false_alarms"] == sum(c.fp for c in counts) > 0
    assert found["frozen_false_alarms_per_24h"] == pytest.approx(sum(c.fp for c in counts) / (5 * 600) * 86400)
    assert (found["recordings"], found["patients"], found["seizures"]) == (5, 3, sum(len(each.seizures) for each in EVAL_ROWS))
    by_patient = pd.DataFrame(found["by_patient"])
    for name in ("recordings", "hours", "seizures", "frozen_found_seizures", "frozen_false_alarms"):
        assert by_patient[name].sum() == pytest.approx(found[name])
    assert by_patient.set_index("patient_id")["seizures"].to_dict() == {"other 0": 1, "other 1": 2, "other 2": 1}


def test_a_frozen_point_scores_on_its_own_recordings_what_it_was_chosen_for(tmp_path: Path) -> None:
    twins = [replace(each, recording_id=f"t{each.recording_id}", split="eval") for each in DEV_ROWS]

    def make(each: IndexRow) -> dict[str, Any]:
        return {"model": noise(replace(each, recording_id=each.recording_id.removeprefix("t")), 0)}

    rows = [*DEV_ROWS, *twins]
    index = evaluation.model_trace_table(rows, keep_traces(rows, tmp_path, make, {}, "made up"), STRIDE_S)
    metrics, point, found = scored(tmp_path, index, operating_budget_per_24h=10.0)
    assert found["frozen_sensitivity"] == point["sensitivity"] == metrics["sensitivity_at_10fa"] > 0
    assert found["frozen_false_alarms_per_24h"] == pytest.approx(point["false_alarms_per_24h"])
    assert found["own_curve_sensitivity_at_10fa"] == metrics["sensitivity_at_10fa"]
    assert found["auroc"] == metrics["auroc"]


def test_no_figure_with_a_threshold_of_evals_own_goes_by_a_name_of_dev(tmp_path: Path) -> None:
    metrics, _, found = scored(tmp_path, written(tmp_path, [*DEV_ROWS, *EVAL_ROWS]))
    chosen_there = {name for name in metrics if name.endswith("fa")}
    assert chosen_there
    assert not chosen_there & set(found)


def test_an_eval_without_seizures_has_false_alarms_and_no_sensitivity(tmp_path: Path) -> None:
    quiet = [row(f"e{k}", "eval", "other", ()) for k in range(3)]
    _, _, found = scored(tmp_path, written(tmp_path, [*DEV_ROWS, *quiet]), operating_budget_per_24h=100.0)
    assert found["seizures"] == 0
    assert found["frozen_false_alarms"] > 0
    undefined = {name for name, value in found.items() if "sensitivity" in name and value is not None}
    assert undefined == set()


def test_counts_by_patient_come_back_from_their_file_and_give_the_same_figures(tmp_path: Path) -> None:
    index = written(tmp_path, [*DEV_ROWS, *EVAL_ROWS])
    metrics, point, found = scored(tmp_path, index, operating_budget_per_24h=100.0)
    dataset = ArraysDataset(filepath=str(tmp_path / "counts.npz"))
    dataset.save(count_by_patient(index, tmp_path, point))
    counts = evaluation.counted(dataset.load())
    assert counts.point == point
    assert [facts.recording_id for facts in counts.splits["eval"].recordings] == [each.recording_id for each in EVAL_ROWS]
    assert [facts.seizures for facts in counts.splits["eval"].recordings] == [each.seizures for each in EVAL_ROWS]
    settings = BootstrapSettings(resamples=100)
    dev, held_out = (uncertainties(counts.splits[split], settings) for split in ("dev", "eval"))
    assert dev["sensitivity_at_10fa"].figure == metrics["sensitivity_at_10fa"]
    assert dev["auroc"].figure == pytest.approx(metrics["auroc"])
    for name in ("frozen_sensitivity", "frozen_false_alarms_per_24h", "average_precision"):
        assert held_out[name].figure == pytest.approx(found[name])
    assert paired_differences(counts.splits["dev"], counts.splits["dev"], settings)["auroc"].difference.figure == 0
    dataset.save(count_by_patient(index[index["split"] == "dev"], tmp_path, point))
    assert set(evaluation.counted(dataset.load()).splits) == {"dev"}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".npz"] == []


def test_each_detector_has_its_threshold_from_dev_and_its_figures_on_eval_by_it(tmp_path: Path) -> None:
    index = written(tmp_path, [*DEV_ROWS, *EVAL_ROWS])
    metrics, point, found = scored(tmp_path, index, operating_budget_per_24h=100.0)
    table = compare(metrics, found, point, index, tmp_path).set_index("detector")
    assert list(table.index) == ["model", *DETECTORS, *TRIVIAL]
    table = table.iloc[1:]  # among the made-up baselines there is the model once more
    for name in ("frozen_sensitivity", "frozen_false_alarms", "auroc"):
        assert table.loc["model", f"eval_{name}"] == found[name]
    assert table.loc["model", "threshold"] == point["threshold"]
    assert table.loc["never", "eval_frozen_sensitivity"] == 0
    assert table.loc["always", "eval_frozen_sensitivity"] == 1
    assert table.loc["always", "eval_frozen_false_alarms_per_24h"] == pytest.approx(2 / (5 * 600) * 86400)
    others = written(tmp_path / "b", [*DEV_ROWS, *EVAL_ROWS], seed=1)
    again = compare(metrics, found, point, others, tmp_path / "b").set_index("detector").iloc[1:]
    assert again.loc[list(DETECTORS), "threshold"].tolist() == table.loc[list(DETECTORS), "threshold"].tolist()
    assert again.loc["one", "eval_auroc"] != table.loc["one", "eval_auroc"]


def printed(tmp_path: Path, rows: list[IndexRow], capsys: pytest.CaptureFixture[str], **settings: Any) -> str:
    index = written(tmp_path, rows)
    metrics, point, found = scored(tmp_path, index, operating_budget_per_24h=100.0, **settings)
    print_results(metrics, found, compare(metrics, found, point, index, tmp_path)[list(COLUMNS)])
    return " ".join(capsys.readouterr().out.split())


def test_the_summary_says_what_is_held_out_and_what_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(tmp_path / "a", [*DEV_ROWS, *EVAL_ROWS], capsys)
    assert "Split eval, held out: 4 seizures in 0.83 h, 5 recordings of 3 patients" in told
    assert "With the thresholds that dev gave, unchanged (any overlap); the one-feature detector is dev's best" in told
    told = printed(tmp_path / "b", [*DEV_ROWS, row("e", "eval", "other", ())], capsys)
    assert "It has no seizure: no sensitivity can be told" in told
    told = printed(tmp_path / "c", DEV_ROWS, capsys)
    assert told.count("Split eval: no recording. Nothing is held out") == 1


def test_the_summary_gives_intervals_or_why_there_are_none_and_how_many_settings_were_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [replace(each, patient_id=each.recording_id) for each in EVAL_ROWS]
    told = printed(tmp_path / "a", [*DEV_ROWS, *others], capsys)
    assert "95 % intervals over 3 patients: none (3 patients; an interval over patients takes at least 5)" in told
    assert re.search(
        r"95 % intervals over 5 patients: frozen_sensitivity 0\.\d+ \(\S+ to \S+\); frozen_false_alarms_per_24h", told
    )
    assert "chosen on these same recordings." in told
    tuned = printed(tmp_path / "b", [*DEV_ROWS, *others], capsys, tune=True)
    assert f"recordings, and of {len(TuningSettings().combinations())} settings of post-processing the best." in tuned


def test_a_recording_lost_from_either_split_stops_the_evaluation_unless_that_is_allowed() -> None:
    lost = replace(EVAL_ROWS[0], status="refused", reason="e0.edf: cut")
    rows = [*DEV_ROWS, lost, *EVAL_ROWS[1:], row("t", "train", "third")]
    with pytest.raises(ScoringError, match=r"^split eval lost 1 recordings, .*e0\.edf: cut$"):
        evaluation.scored_rows(rows, EvaluationSettings())
    with pytest.raises(ScoringError, match=r"^split dev lost 1 recordings and split eval lost 1 recordings, "):
        evaluation.scored_rows([*rows, replace(lost, split="dev")], EvaluationSettings())
    assert evaluation.scored_rows(rows, EvaluationSettings(allow_refused=True)) == [*DEV_ROWS, *EVAL_ROWS[1:]]


def test_experiments_are_given_no_recording_of_eval() -> None:
    index = table_from_rows([*EVAL_ROWS, *DEV_ROWS, row("t", "train", "third")])
    runs = {"a": {"preset": "p"}, "b": {"preset": "p", "overrides": {"corpus.max_recordings": 3}}}
    shared = share_index(index, ExperimentsSettings.model_validate({"presets": {"p": {}}, "runs": runs}))
    assert set(shared["a"]["split"]) == {"dev", "train"}
    assert len(shared["b"]) == 3
    assert set(shared["b"]["split"]) == {"dev", "train"}


def test_a_run_without_a_report_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_next("folder", None, None)
    assert "kedro run --pipelines reporting" in capsys.readouterr().out
    print_next("folder", "folder/evaluation.html", None)
    told = capsys.readouterr().out
    assert "folder/evaluation.html" in told
    assert "--pipelines reporting" not in told
    assert "make viz " in told
    assert "ENV=" not in told


def test_what_to_open_next_is_of_the_environment_that_ran(capsys: pytest.CaptureFixture[str]) -> None:
    catalog = {name: SimpleNamespace(_filepath=Path("made") / file) for name, file in REPORTED.items()}
    RunSummary().after_pipeline_run({"env": "smoke"}, create_pipeline(), catalog)
    assert "make viz ENV=smoke    (or: kedro viz run --env smoke)" in capsys.readouterr().out


def test_a_run_of_the_report_alone_ends_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    catalog = {name: SimpleNamespace(_filepath=Path("made") / file) for name, file in REPORTED.items()}
    RunSummary().after_pipeline_run({}, create_pipeline(), catalog)
    assert f"report {Path('made/evaluation.html')} pictures and metrics made" in " ".join(capsys.readouterr().out.split())
