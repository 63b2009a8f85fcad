"""Both ends of a run: what is missing stops it with the command to give, what it will do is told, and what comes next."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_command_line import kedro

from seizure_pipeline.remote.modal.image import not_a_checkout


def refused(project: Path, *arguments: str) -> str:
    """What a run that ends in an error tells; it is one message, and MLflow hears nothing of it."""
    done = kedro("run", *arguments, cwd=project)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (project / "mlflow.db").exists()
    return done.stderr


@pytest.fixture
def bare(project: Path, tmp_path: Path) -> Path:
    """A project of its own in which nothing was run."""
    root = tmp_path / "bare"
    shutil.copytree(project, root, ignore=shutil.ignore_patterns("data", "mlflow.db*", "__pycache__"))
    return root


@pytest.mark.parametrize(
    ("pipeline", "missing", "first"),
    [
        ("training", ["window_index"], "kedro run --pipelines ingestion,windowing --env smoke"),
        ("evaluation", ["checkpoint", "window_index"], "kedro run --env smoke"),
        ("reporting", ["comparison", "trace_index"], "kedro run --env smoke"),
        ("detection", ["checkpoint", "operating_point"], "kedro run --env smoke"),
        ("experiments", ["window_index"], "kedro run --pipelines ingestion,windowing --env smoke"),
    ],
)
def test_what_was_not_made_yet_is_named_with_the_commands_that_make_it(
    pipeline: str, missing: list[str], first: str, bare: Path, small_corpus: Path
) -> None:
    own = f",own_recordings={small_corpus}" if pipeline == "detection" else ""
    told = refused(bare, "--env", "smoke", "--pipelines", pipeline, f"--params=data_root={bare / 'data'}{own}")
    assert all(f"{name} ({bare / 'data'}" in told for name in missing)
    assert told.strip().endswith(f"Run first: kedro generate-corpus --env smoke; {first} (with the same --params)")


def test_only_what_is_missing_is_to_be_run_first(bare: Path) -> None:
    for name in ("02_intermediate/recordings.parquet", "06_models/checkpoint.json", "07_model_output/training_history.csv"):
        (bare / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (bare / "data" / name).touch()
    told = refused(bare, "--pipelines", "evaluation", f"--params=data_root={bare / 'data'}")
    assert told.strip().endswith("kedro run --pipelines windowing (with the same --params)")


def test_a_missing_corpus_is_generated_or_named(bare: Path) -> None:
    told = refused(bare, "--env", "smoke")
    assert "no corpus there yet; `kedro generate-corpus --env smoke` generates one" in told
    told = refused(bare, "--env", "smoke", "--params", "corpus_root=/no/such/place")
    assert "/no/such/place: no such folder or file; set where the recordings are by --params corpus_root=PATH" in told
    assert "generate-corpus" not in told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--pipelines", "trainning"], "no pipeline 'trainning'; training is meant?"),
        (["--runner", "NoSuch"], "no runner NoSuch"),
        (["--params", "training.epoch=3"], "training.epoch: nothing reads that (value 3)"),
    ],
)
def test_a_misspelt_name_is_one_plain_message(arguments: list[str], named: str, bare: Path) -> None:
    assert named in refused(bare, *arguments)


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("parameters_mine.yml", "training:\n  epochs: [1\n", "parameters_mine.yml"),
        ("parameters_mine.yml", "training:\n  epochs: 3\n  epochs: 4\n", r"parameters_mine.yml.*duplicate key epochs"),
        ("mlflow.yml", "trackinguri: x\n", "mlflow.yml: trackinguri: nothing reads that"),
        ("runner.yml", "retries: 3\n", "UnchangedNodesRunner, as runner.yml .* 'retries'"),
    ],
)
def test_a_wrong_file_of_settings_is_named(file: str, content: str, named: str, bare: Path) -> None:
    (bare / "conf/mine").mkdir()
    (bare / "conf/mine" / file).write_text(content)
    assert re.search(named, refused(bare, "--env", "mine"))


@pytest.mark.parametrize(("uri", "reason"), [("sqlite:///{}", "not a database"), ("http://127.0.0.1:9", "does not answer")])
def test_an_unreadable_store_of_mlflow_is_told_at_once(uri: str, reason: str, bare: Path, small_corpus: Path) -> None:
    (bare / "conf/mine").mkdir()
    (bare / "store").write_text("no database of anybody's, at some length")
    (bare / "conf/mine/mlflow.yml").write_text(f"tracking_uri: {uri.format(bare / 'store')}\n")
    told = refused(bare, "--env", "mine", f"--params=corpus_root={small_corpus},data_root={bare / 'data'}")
    assert "tracking_uri in mlflow.yml" in told
    assert reason in told


def test_a_damaged_file_is_named_with_what_is_wrong_in_it(bare: Path) -> None:
    index = bare / "data/05_model_input/window_index.parquet"
    index.parent.mkdir(parents=True)
    index.write_text("x")
    done = kedro("run", "--pipelines", "training", f"--params=data_root={bare / 'data'}", cwd=bare)
    assert "Traceback" not in done.stderr
    assert f"window_index: {index} cannot be read (Could not open Parquet" in done.stderr


def test_a_run_begins_with_what_it_will_do_and_ends_with_what_comes_next(bare: Path, small_corpus: Path) -> None:
    command = ("run", "--pipelines", "ingestion", f"--params=corpus_root={small_corpus},data_root={bare / 'data'}")
    first, again = (kedro(*command, cwd=bare) for _ in range(2))
    assert f"ingestion: 1 node, environment base, results below {bare / 'data'}" in first.stderr
    assert "was not timed here yet" in first.stderr
    assert "made before" not in first.stderr
    assert "made before, and again only where something changed: list_recordings" in again.stderr
    assert "the longest that they took here so far" in again.stderr
    assert set(json.loads((bare / "data/node_seconds.json").read_text())) == {"list_recordings"}
    assert again.stdout.strip().splitlines()[-1].startswith("next                  kedro run --pipelines windowing")


def test_generating_a_corpus_ends_with_where_it_is_and_what_comes_next(bare: Path) -> None:
    done: subprocess.CompletedProcess[str] = kedro("generate-corpus", "--env", "smoke", cwd=bare)
    assert done.stdout.splitlines()[-1] == "next: kedro run --env smoke"
    place = Path(done.stdout.splitlines()[-2].removeprefix("corpus: "))
    assert len(list(place.rglob("*.edf"))) == 8


def test_a_project_without_source_is_told_that_modal_needs_a_checkout(
    bare: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (bare / "requirements").mkdir()
    (bare / "requirements/constraints.txt").touch()
    assert not_a_checkout(bare) == []
    (told,) = not_a_checkout(tmp_path_factory.mktemp("installed"))
    assert "no requirements/constraints.txt and no src/seizure_pipeline" in told
