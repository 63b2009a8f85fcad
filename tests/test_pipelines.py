"""The whole way on minutes of EEG, with real files, real SQLite and the real MLflow."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.entities import Run
from test_command_line import KEDRO, REPOSITORY

from seizure_pipeline.annotations import Seizures, read_csv_bi, read_events_tsv, write_csv_bi
from seizure_pipeline.recordings import open_recording
from seizure_pipeline.scoring.names import FALSE_ALARM_BUDGETS_PER_24H, sensitivity_name
from seizure_pipeline.training.loop import EARLY_STOPPING

ANY_BUDGET = "evaluation.operating_budget_per_24h=100000"  # in minutes of EEG one false alarm is more than the usual one
SENSITIVITIES = [sensitivity_name(budget) for budget in FALSE_ALARM_BUDGETS_PER_24H]


def run(project: Path, small_corpus: Path, *arguments: str, parameters: str = "") -> subprocess.CompletedProcess[str]:
    all_parameters = f"corpus_root={small_corpus},data_root=data,training.threads=1{parameters}"
    command = [KEDRO, "run", "--env", "smoke", f"--params={all_parameters}", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def finished(project: Path, small_corpus: Path) -> tuple[Path, str]:
    """The project after one default run, and what that printed."""
    done = run(project, small_corpus)
    assert done.returncode == 0, done.stderr
    return project, done.stdout


def runs_of(project: Path) -> list[Run]:
    mlflow.set_tracking_uri(f"sqlite:///{project}/mlflow.db")
    return list(mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("seizure_detection").experiment_id]))


def first_finished(project: Path) -> Run:
    return [logged for logged in runs_of(project) if logged.info.status == "FINISHED"][-1]


def test_the_metric_names_agree_from_early_stopping_to_the_report(finished: tuple[Path, str]) -> None:
    project, _ = finished
    assert SENSITIVITIES == ["sensitivity_at_10fa", "sensitivity_at_5fa", "sensitivity_at_2.5fa", "sensitivity_at_1fa"]
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    history = pd.read_csv(project / "data/07_model_output/training_history.csv")
    logged = first_finished(project).data.metrics
    for name in SENSITIVITIES:
        assert metrics[name] == logged[name]
        assert history[name].iloc[-1] == logged[f"epoch/{name}"]
    assert SENSITIVITIES[0] == EARLY_STOPPING


def test_counts_stand_beside_the_figures(finished: tuple[Path, str], small_corpus: Path) -> None:
    project, printed = finished
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    annotated = [read_csv_bi(path) for path in (small_corpus / "edf/dev").rglob("*.csv_bi")]
    assert metrics["seizures"] == sum(len(seizures) for seizures, _ in annotated)
    assert metrics["hours"] == pytest.approx(sum(duration_s for _, duration_s in annotated) / 3600)
    assert f"{metrics['seizures']} seizures" in printed
    for detector in ("model", "line_length_mean", "chance by duration", "never", "always"):
        assert detector in printed


@pytest.fixture(scope="session")
def corpus_with_eval(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small corpus with one recording of a patient of eval, who has a seizure in its first minute."""
    root = tmp_path_factory.mktemp("with_eval") / "corpus"
    shutil.copytree(small_corpus, root)
    edf = sorted((root / "edf/dev").rglob("*.edf"))[0]
    others = root / "edf/eval/zzzzzzzz/s001/01_tcp_ar"
    others.mkdir(parents=True)
    shutil.copy(edf, others / "zzzzzzzz_s001_t000.edf")
    with_seizure(others / "zzzzzzzz_s001_t000.edf", 10.0, 40.0)
    return root


def with_seizure(edf: Path, onset_s: float, offset_s: float) -> None:
    duration_s = open_recording(edf).span_s
    write_csv_bi(edf.with_suffix(".csv_bi"), edf.stem, Seizures.from_intervals([(onset_s, offset_s)]), duration_s)


def chosen(data: Path) -> dict[str, bytes]:
    """The weights of the best epoch, and dev's figures with the threshold of every budget."""
    weights = sorted((data / "06_models").glob("*/best/*"))
    named = ("06_models/checkpoint.json", "08_reporting/metrics.json")
    return {str(path.relative_to(data)): path.read_bytes() for path in (*weights, *(data / name for name in named))}


def test_epoch_and_threshold_are_the_same_with_eval_without_it_and_with_other_seizures_in_it(
    finished: tuple[Path, str], corpus_with_eval: Path
) -> None:
    project, printed = finished
    assert json.loads((project / "data/08_reporting/eval_metrics.json").read_text())["recordings"] == 0
    assert "Split eval: no recording. Nothing is held out" in printed
    alone, data = chosen(project / "data"), project / "data/with_eval"
    others, points, found = corpus_with_eval / "edf/eval", set(), []
    for seizure in ((10.0, 40.0), (45.0, 60.0), None):
        if seizure is None:
            shutil.rmtree(others)
        else:
            with_seizure(next(others.rglob("*.edf")), *seizure)
        done = run(project, corpus_with_eval, parameters=f",data_root=data/with_eval,{ANY_BUDGET}")
        assert done.returncode == 0, done.stderr
        assert ("Split eval, held out: 1 seizures in 0.02 h, 1 recordings of 1 patients" in done.stdout) == (
            seizure is not None
        )
        assert chosen(data) == alone
        points.add((data / "07_model_output/operating_point.json").read_bytes())
        found.append(json.loads((data / "08_reporting/eval_metrics.json").read_text()))
    assert len(points) == 1
    assert found[0]["auroc"] != found[1]["auroc"]
    logged = runs_of(project)[1]  # of the second of the three runs
    assert found[1]["frozen_threshold"] == logged.data.metrics["eval/frozen_threshold"] == json.loads(points.pop())["threshold"]
    assert found[1]["auroc"] == logged.data.metrics["eval/auroc"] != logged.data.metrics["auroc"]
    artifacts = {item.path: item.file_size for item in mlflow.MlflowClient().list_artifacts(logged.info.run_id)}
    assert {"metrics.json", "eval_metrics.json", "comparison.csv"} < set(artifacts)
    assert artifacts["patient_counts.npz"] < 1_000_000


def test_the_mlflow_run_knows_parameters_data_and_commit(finished: tuple[Path, str]) -> None:
    project, _ = finished
    logged = first_finished(project)
    assert logged.data.params["training.optimizer.learning_rate"] == "0.003"
    assert {"git_commit", "corpus_fingerprint", "cache_fingerprint"} <= set(logged.data.tags)
    artifacts = {item.path for item in mlflow.MlflowClient().list_artifacts(logged.info.run_id, "pictures")}
    assert {"pictures/operating_curve.png", "pictures/trace_pages"} <= artifacts


def test_the_report_says_what_the_metrics_say_here_and_in_mlflow(finished: tuple[Path, str], tmp_path: Path) -> None:
    project, _ = finished
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    html = (project / "data/08_reporting/evaluation.html").read_text()
    assert f"{metrics['seizures']} seizures in {metrics['hours']:.2f} h" in html
    assert f"<td>{metrics['auroc']:.3g}</td>" in html
    assert json.loads((project / "data/06_models/checkpoint.json").read_text())["weights_sha256"] in html
    mlflow.set_tracking_uri(f"sqlite:///{project}/mlflow.db")
    kept = mlflow.artifacts.download_artifacts(
        run_id=first_finished(project).info.run_id, artifact_path="evaluation.html", dst_path=str(tmp_path)
    )
    assert Path(kept).read_text() == html


def test_nothing_unchanged_is_made_again(finished: tuple[Path, str], small_corpus: Path) -> None:
    project, _ = finished
    kept = [*project.glob("data/05_model_input/cache/*/*.npz"), *project.glob("data/06_models/*/state.safetensors")]
    kept += project.glob("data/07_model_output/*traces/*.npz")
    assert len(kept) == 8 + 1 + 4 + 4
    kept += [path for path in project.glob("data/08_reporting/**/*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in kept}
    done = run(project, small_corpus)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    again = runs_of(project)[0]
    assert again.data.metrics == first_finished(project).data.metrics
    artifacts = {item.path for item in mlflow.MlflowClient().list_artifacts(again.info.run_id, "pictures")}
    assert {"pictures/operating_curve.png", "pictures/trace_pages", "pictures/montage_pages"} <= artifacts


def test_a_changed_setting_draws_only_what_depends_on_it(finished: tuple[Path, str], small_corpus: Path) -> None:
    project, _ = finished
    montage, curve = project / "data/08_reporting/montage", project / "data/08_reporting/operating_curve.png"
    before = [min(path.stat().st_mtime_ns for path in montage.iterdir()), curve.stat().st_mtime_ns]
    done = run(project, small_corpus, "--pipelines", "windowing,evaluation", parameters=",post_processing.merge_gap_s=4.0")
    assert done.returncode == 0, done.stderr
    after = [min(path.stat().st_mtime_ns for path in montage.iterdir()), curve.stat().st_mtime_ns]
    assert after[0] == before[0]
    assert after[1] > before[1]


def with_threshold(project: Path, threshold: float) -> None:
    path = project / "data/07_model_output/operating_point.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"threshold": threshold}))


def test_detection_writes_both_formats_and_a_picture(finished: tuple[Path, str], small_corpus: Path) -> None:
    project, _ = finished
    with_threshold(project, 1e-6)  # everything is a detection: what is written must cover the recording
    edf = sorted((small_corpus / "edf/dev").rglob("*.edf"))[0]
    done = run(project, small_corpus, "--pipelines", "detection", parameters=f",own_recordings={edf}")
    assert done.returncode == 0, done.stderr
    folder = project / "data/07_model_output/detections"
    seizures, duration_s = read_csv_bi(folder / f"{edf.stem}.csv_bi")
    again, _ = read_events_tsv(folder / f"{edf.stem}_events.tsv")
    assert [(s.onset_s, s.offset_s) for s in seizures] == [(0.0, duration_s)]
    assert len(again) == 1
    assert (folder / f"{edf.stem}.png").read_bytes()[:4] == b"\x89PNG"


def test_a_failed_run_ends_failed_and_a_terminated_one_killed(finished: tuple[Path, str], small_corpus: Path) -> None:
    project, _ = finished
    done = run(project, small_corpus, "--pipelines", "training", parameters=",windowing.signals.notch_hz=50.0")
    assert done.returncode == 1
    assert "cached with signal settings" in done.stderr
    assert "Traceback" not in done.stderr
    assert runs_of(project)[0].info.status == "FAILED"
    chosen = f"corpus_root={small_corpus},data_root=data,training.threads=1,training.seed=9,training.epochs=500"
    command = [KEDRO, "run", "--env", "smoke", "--pipelines", "training", f"--params={chosen}"]
    process = subprocess.Popen(command, cwd=project, stderr=subprocess.DEVNULL)
    wait_for_running(project)
    os.kill(process.pid, signal.SIGTERM)
    process.wait(timeout=60)
    assert runs_of(project)[0].info.status == "KILLED"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_stops_before_any_node(finished: tuple[Path, str], small_corpus: Path) -> None:
    project, _ = finished
    before = len(runs_of(project))
    done = run(project, small_corpus, parameters=",inference.device=cuda,data_root=data/elsewhere")
    assert done.returncode == 1
    assert "inference.device is 'cuda', but this machine has no CUDA device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "data/elsewhere").exists()
    assert len(runs_of(project)) == before


def wait_for_running(project: Path) -> None:
    deadline_s = time.monotonic() + 60
    while runs_of(project)[0].info.status != "RUNNING":
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
    time.sleep(2)


def test_a_recording_lost_from_the_scored_split_stops_the_evaluation(
    finished: tuple[Path, str], small_corpus: Path, tmp_path: Path
) -> None:
    project, _ = finished
    damaged = tmp_path / "corpus"
    shutil.copytree(small_corpus, damaged)
    edf = sorted((damaged / "edf/dev").rglob("*.edf"))[0]
    edf.write_bytes(edf.read_bytes()[:-1000])
    done = run(project, damaged, parameters=f",data_root={tmp_path / 'data'}")
    assert done.returncode == 1
    assert "split dev lost 1 recordings" in done.stderr
    assert edf.name in done.stderr
    recordings = pd.read_parquet(tmp_path / "data/02_intermediate/recordings.parquet")
    assert recordings.loc[recordings["status"] == "refused", "recording_id"].tolist() == [edf.stem]


def test_real_clips_go_the_whole_way(project: Path, real_recordings: Path) -> None:
    parameters = f"corpus_root={real_recordings},data_root=data/real,training.epochs=1,training.threads=2"
    command = [KEDRO, "run", "--env", "real_clips", f"--params={parameters}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((project / "data/real/08_reporting/metrics.json").read_text())
    assert metrics["recordings"] == 10
    assert metrics["seizures"] == 2
    index = pd.read_parquet(project / "data/real/05_model_input/window_index.parquet").set_index("recording_id")
    gap = index.loc["chb02_16_t120-150_gap"]
    assert json.loads(gap["stretch_start_s"]) == [0.0, 20.0]
    assert json.loads(gap["seizures"]) == [[10.0, 20.0]]
    with np.load(project / "data/real/05_model_input/cache" / gap["file"], allow_pickle=False) as file:
        assert file["signal"].shape == (19, 20 * 256)


def test_the_modules_of_this_checkout_are_tested() -> None:
    import seizure_pipeline

    assert Path(seizure_pipeline.__file__).is_relative_to(REPOSITORY)
