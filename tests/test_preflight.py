"""What stands against a run is known before it starts: each rule is broken once, and one line names what and where."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from folder_backend import FolderBackend
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from planned_runs import CACHE, CHAIN, PIPELINES, Planned, index_row


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    return Planned.of(tmp_path)


def _count(recordings: pd.DataFrame) -> int:
    return len(recordings)


def _tell(count: int) -> None:
    assert count


def _noted(method: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    def noted(self: Any, what: str, *rest: Any) -> Any:
        asked.append(what)
        return method(self, what, *rest)

    return noted


def one(problems: list[str], *pieces: str) -> None:
    assert len(problems) == 1, problems
    for piece in pieces:
        assert piece in problems[0]


@pytest.mark.parametrize("names", [["ingestion", "windowing", "training", "evaluation"], ["training"], ["kernel_check"]])
def test_nothing_stands_against_a_run_where_all_is_in_its_place(planned: Planned, names: list[str]) -> None:
    assert planned.problems(sum((PIPELINES[name] for name in names), Pipeline([]))) == []


@pytest.mark.parametrize("name", ["populate_cache", "verify_cache"])
def test_the_pipelines_around_the_cache_can_go_there_too(planned: Planned, name: str) -> None:
    assert planned.problems(PIPELINES[name]) == []


def test_a_run_that_stays_here_is_not_looked_at(planned: Planned) -> None:
    planned.settings["tags"] = {}
    planned.backend.silent_for = 10
    assert planned.problems(PIPELINES["training"]) == []
    assert planned.backend.silent_for == 10


def test_a_dataset_in_memory_is_refused_with_the_entry_to_add(planned: Planned) -> None:
    both = Pipeline([Node(_count, "recordings", "count", name="count", tags="data"), Node(_tell, "count", None, name="tell")])
    planned.catalog.get("count", fallback_to_runtime_pattern=True)
    found = planned.problems(PIPELINES["ingestion"] + both)
    one(found, "count: dataset count has no entry in the catalog", "`count: {type: ..., filepath: ${_root}/...}`")


def test_a_corpus_of_this_machine_is_refused_once_for_all_its_readers(tmp_path: Path) -> None:
    found = Planned.of(tmp_path, str(tmp_path / "tusz")).problems(PIPELINES["ingestion"] + PIPELINES["windowing"])
    one(
        found,
        "list_recordings, cache_recordings, draw_montages: corpus is",
        f"{tmp_path}/tusz, a folder of this machine",
        "s3://",
    )


def test_a_corpus_on_a_volume_or_for_a_process_of_this_machine_is_seen(tmp_path: Path) -> None:
    assert Planned.of(tmp_path, str(tmp_path / "volume/tusz")).problems(PIPELINES["ingestion"]) == []
    beside = Planned.of(tmp_path, str(tmp_path / "tusz"))
    beside.settings["backend"] = "subprocess"
    assert beside.problems(PIPELINES["ingestion"]) == []


def test_a_corpus_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    one(Planned.of(tmp_path, None).problems(PIPELINES["ingestion"]), "list_recordings: corpus names no place", "globals.yml")


def test_a_bucket_wants_credentials_over_there(planned: Planned) -> None:
    planned.settings["secrets"] = [{"name": "other", "keys": ["WANDB_KEY"]}]
    one(
        planned.problems(PIPELINES["ingestion"]),
        "list_recordings: corpus is s3://bucket/tusz",
        "no secret holds AWS_ACCESS_KEY_ID",
    )


def test_a_file_outside_data_root_is_refused(planned: Planned) -> None:
    planned.catalog["recordings"] = planned.catalog.get("recordings").__class__(filepath="/elsewhere/recordings.parquet")
    one(
        planned.problems(PIPELINES["ingestion"]),
        "list_recordings: recordings is /elsewhere/recordings.parquet, outside data_root",
    )


def test_an_input_that_is_not_here_or_too_large_is_refused(planned: Planned) -> None:
    path = planned.root / "here/05_model_input/window_index.parquet"
    path.unlink()
    one(
        planned.problems(PIPELINES["training"]), f"train: window_index is not here ({path})", "run the pipeline that does first"
    )
    with path.open("wb") as file:
        file.truncate(257 * 2**20)
    one(planned.problems(PIPELINES["training"]), "train: window_index has 257 MiB; no more than 256 MiB are carried", str(path))


def test_a_folder_filled_there_and_read_here_must_come_home(planned: Planned) -> None:
    del planned.settings["bring_home"]["traces"]
    found = planned.problems(PIPELINES["training"] + PIPELINES["evaluation"])
    assert {line.partition(":")[0] for line in found} == {"score_traces", "score_held_out", "count_by_patient", "draw_curve"}
    assert all('add `bring_home: {traces: ["**"]}` to runner.yml' in line for line in found)


def test_a_folder_filled_here_cannot_be_read_there(planned: Planned) -> None:
    del planned.settings["tags"]["data"]
    found = planned.problems(PIPELINES["windowing"] + PIPELINES["training"])
    one(found, "train: runs elsewhere and reads the folder window_cache, which cache_recordings fills here")


def test_a_folder_that_both_sides_share_may_be_filled_and_read_anywhere(planned: Planned) -> None:
    del planned.settings["tags"]["data"]
    planned.settings |= {"backend": "subprocess", "far_root": str(planned.root / "here"), "bring_home": {}}
    whole = PIPELINES["windowing"] + PIPELINES["training"] + PIPELINES["evaluation"]
    assert planned.problems(whole) == []
    planned.settings["far_root"] = str(planned.root / "there")
    apart = {"train", "compute_traces", "score_traces", "score_held_out", "count_by_patient", "draw_curve", "draw_pages"}
    assert {line.partition(":")[0] for line in planned.problems(whole)} == apart


def test_only_folders_are_brought_home_by_pattern(planned: Planned) -> None:
    planned.settings["bring_home"]["metrics"] = ["*"]
    one(planned.problems(PIPELINES["training"]), "bring_home names metrics, which is no FolderDataset")
    planned.settings["bring_home"] = {"traces": ["**"], "modls": ["*/best/*"]}
    one(planned.problems(PIPELINES["training"]), "bring_home names modls", "models is meant?")


def test_a_node_that_runs_there_already_is_not_asked_for_again(planned: Planned) -> None:
    (planned.root / "here/05_model_input/window_index.parquet").unlink()
    assert len(planned.problems(PIPELINES["training"])) == 1
    assert planned.problems(PIPELINES["training"], attached="train") == []


@pytest.mark.parametrize(
    ("pipeline", "room", "values", "cores", "said"),
    [
        ("windowing", "windowing", {"workers": 13}, 24, "cache_recordings: 24 cores for 13 workers (windowing.workers)"),
        ("training", "training", {"feeding": {"threads": 13}}, 24, "train: 24 cores for 13 workers (training.feeding.threads)"),
        (
            "training",
            "training",
            {"feeding": {"kind": "auto"}},
            15,
            "train: 15 cores for 8 workers (training.feeding.kind auto",
        ),
        ("verify_cache", "verify", {"threads": 5}, 8, "list_problems: 8 cores for 5 workers (verify.threads)"),
    ],
)
def test_each_loader_wants_two_cores(
    planned: Planned, pipeline: str, room: str, values: dict[str, Any], cores: float, said: str
) -> None:
    planned.settings["tags"]["gpu"]["cpu"] = cores
    planned.set(room, **values)
    whole = PIPELINES[pipeline] + (PIPELINES["ingestion"] if pipeline == "windowing" else Pipeline([]))
    one(planned.problems(whole), said, "each needs 2", "set cpu:")


def test_the_device_that_is_paid_for_is_the_one_that_is_asked_for(planned: Planned) -> None:
    planned.set("training", device="cpu")
    one(
        planned.problems(PIPELINES["training"]),
        "train: training.device is cpu on a machine with A100-80GB",
        "set training.device: cuda",
    )
    planned.set("training", device="cuda")
    planned.settings["tags"]["gpu"]["gpu"] = []
    one(planned.problems(PIPELINES["training"]), "train: training.device is cuda on a machine without a GPU")


def test_the_full_model_needs_its_kernel_in_the_image(planned: Planned) -> None:
    planned.settings["image"]["kernel"] = False
    one(planned.problems(PIPELINES["training"]), "train: training.device is cuda", "set image.kernel: true")


def test_a_cache_of_other_settings_is_refused(planned: Planned) -> None:
    planned.index(index_row("a", "0ld"), index_row("b"))
    one(
        planned.problems(PIPELINES["training"]),
        "train: window_index knows a cache of other settings (0ld)",
        CHAIN,
        "run windowing",
    )


def test_a_cache_that_is_not_there_is_refused(planned: Planned) -> None:
    shutil.move(planned.root / f"volume/run/{CACHE}/{CHAIN}", planned.root / f"volume/run/{CACHE}/other")
    one(planned.problems(PIPELINES["training"]), "none of 2 recordings is in", CHAIN, "there: other", "populate_cache")


def test_a_cache_that_lacks_a_recording_or_has_a_torn_one_is_refused(planned: Planned) -> None:
    planned.index(index_row("a"), index_row("b"), index_row("c"))
    one(planned.problems(PIPELINES["training"]), "1 of 3 recordings are not in", f"the first {CHAIN}/c.npz")
    planned.fill_cache("c", size=99)
    one(planned.problems(PIPELINES["training"]), "1 of 3 recordings", f"{CHAIN}/c.npz 99 bytes, window_index says 100")
    planned.fill_cache("c")
    assert planned.problems(PIPELINES["training"]) == []


def test_a_cache_that_the_same_run_fills_need_not_be_there(planned: Planned) -> None:
    shutil.rmtree(planned.root / "volume")
    assert planned.problems(PIPELINES["ingestion"] + PIPELINES["windowing"] + PIPELINES["training"]) == []


def test_models_that_no_far_node_left_there_are_missed(planned: Planned) -> None:
    (planned.root / "here/06_models").mkdir()
    (planned.root / "here/06_models/checkpoint.json").write_text("{}")
    one(
        planned.problems(PIPELINES["evaluation"]),
        "compute_traces: models: nothing is over there",
        "run train with this environment",
    )


def test_an_estimate_over_the_budget_is_refused(planned: Planned) -> None:
    planned.settings["budget_usd"] = 70.0
    one(planned.problems(PIPELINES["training"]), "$87.92 is over budget_usd 70", "train $87.92 (guess in runner.yml)")
    planned.settings["rates"] = None
    one(planned.problems(PIPELINES["training"]), "budget_usd 70 holds nothing where nobody tells prices")


def test_hours_that_take_more_attempts_than_there_are_are_refused(planned: Planned) -> None:
    planned.settings["tags"]["gpu"]["retries"] = {"count": 3}
    planned.settings["budget_usd"], planned.settings["expected_hours"]["train"] = 800.0, 170.0
    one(
        planned.problems(PIPELINES["training"]),
        "train: 170 h take 8 attempts of 24 h",
        "4 are allowed",
        "retries.count: 7 or more",
    )


def test_a_node_with_two_machines_or_an_impossible_one_is_refused(planned: Planned) -> None:
    twice = Pipeline([Node(_tell, "recordings", None, name="count", tags=["gpu", "data"])])
    one(planned.problems(twice), "runner.yml: node count carries the tags ['data', 'gpu']")
    planned.settings["nodes"] = {"train": {"cores": 3}}
    one(planned.problems(PIPELINES["training"]), "runner.yml: nodes.train: cores: Extra inputs")


def test_thousands_of_recordings_are_looked_at_in_as_many_questions_as_two(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for owner, name in ((FolderBackend, "listing"), (DataCatalog, "load")):
        monkeypatch.setattr(owner, name, _noted(getattr(owner, name), asked))
    assert planned.problems(PIPELINES["training"]) == []
    of_two = asked.copy()
    asked.clear()
    names = [f"r{number}" for number in range(6500)]
    planned.index(*(index_row(name) for name in names))
    planned.fill_cache(*names)
    assert planned.problems(PIPELINES["training"]) == []
    assert asked == of_two
    assert "window_index" in asked


def test_it_imports_neither_torch_nor_mlflow_nor_modal() -> None:
    program = (
        "import sys; from seizure_pipeline.remote.plan import names, preflight, printing; "
        "from kedro.framework.project import configure_project; configure_project('seizure_pipeline'); "
        "assert 'check_kernels' in {node.name for node in names.registered_nodes()}; "
        "assert not {'torch', 'mlflow', 'modal'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
