"""The dry run: every node with its place, machine, data and price, and all that stands against it; nothing moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kedro.pipeline import Pipeline
from planned_runs import CHAIN, PIPELINES, Planned, index_row

from seizure_pipeline.remote.context import RunContext
from seizure_pipeline.remote.plan.printing import WIDTH, print_plan
from seizure_pipeline.remote.records import Request
from seizure_pipeline.remote.settings import RemoteSettings


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    return Planned.of(tmp_path)


def printed(planned: Planned, pipeline: Pipeline, capsys: pytest.CaptureFixture[str], finished: Any = ()) -> list[str]:
    context = RunContext(project=planned.root, data_root=planned.root / "here", env="modal")
    print_plan(pipeline, planned.catalog, RemoteSettings(**planned.settings), planned.backend, context, finished)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def section(lines: list[str], node: str) -> dict[str, list[str]]:
    """What is printed about a node: label -> the words of each of its lines."""
    first = next(number for number, line in enumerate(lines) if line.partition(". ")[2].startswith(f"{node}  "))
    found: dict[str, list[str]] = {}
    label = ""
    for line in lines[first + 1 :]:
        if not line.startswith("   "):
            break
        label = line[3:13].strip() or label
        found.setdefault(label, []).append(" ".join(line[13:].split()))
    return found


def test_a_far_node_is_shown_with_all_that_it_takes(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(planned, PIPELINES["training"] + PIPELINES["evaluation"], capsys)
    assert lines[0] == "Plan of this run; nothing was sent."
    assert "Nothing stands against it." in lines
    train = section(lines, "train")
    assert train["machine"] == ["1 x A100-80GB, 24 cores, 96 GiB, $4.40 an hour (prices of 2026-07)"]
    assert train["params"] == ["model, training, windowing, montage, post_processing"]
    assert train["estimate"] == [
        "20 h, $87.92 (guess in runner.yml); 1 attempt of 24 h each, 10 allowed",
        "start-up is not in it: up to 0.5 h an attempt (startup_timeout_s)",
    ]
    size = (planned.root / "here/05_model_input/window_index.parquet").stat().st_size
    assert train["reads"] == [
        f"window_index carried, {size / 1024:.1f} KiB 05_model_input/window_index.parquet",
        "window_cache stays there 05_model_input/cache",
    ]
    assert train["fills"] == ["models stays there, home: */best/* 06_models"]
    assert train["makes"][0] == "checkpoint comes home 06_models/checkpoint.json"
    traces = section(lines, "compute_traces")
    assert "checkpoint carried, once made 06_models/checkpoint.json" in traces["reads"]
    assert any(line.endswith("score_traces  runs here") for line in lines)


def test_between_two_sides_in_one_folder_nothing_travels(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    planned.settings |= {"backend": "subprocess", "far_root": str(planned.root / "here")}
    train = section(printed(planned, PIPELINES["training"], capsys), "train")
    said = [line for verb in ("reads", "fills", "makes") for line in train[verb]]
    assert [line.split(" one place for both ")[0] for line in said] == [
        "window_index", "window_cache", "models", "checkpoint", "training_history",
    ]  # fmt: skip


def test_image_mounts_and_names_of_secrets_are_shown_once(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    planned.settings["buckets"] = {"/corpus": {"bucket": "eeg", "prefix": "tusz"}}
    text = "\n".join(printed(planned, PIPELINES["training"], capsys))
    for shown in (
        "nvidia/cuda:13",
        "mamba-ssm",
        "/corpus is eeg/tusz",
        "seizure-corpus (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)",
    ):
        assert text.count(shown) == 1, shown


def test_what_is_wrong_is_marked_where_it_stands_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned = Planned.of(tmp_path, "/elsewhere/tusz")
    planned.index(index_row("a"), index_row("c"))
    lines = printed(planned, PIPELINES["ingestion"] + PIPELINES["training"], capsys)
    assert section(lines, "list_recordings")["reads"][0] == "corpus NOT SEEN THERE /elsewhere/tusz"
    assert "The run would end here; 2 to put right:" in lines
    text = " ".join(" ".join(lines).split())
    assert f"the first {CHAIN}/c.npz" in text


def test_a_plan_moves_nothing_and_starts_nothing(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(planned.root.rglob("*"))
    printed(planned, PIPELINES["ingestion"] + PIPELINES["windowing"] + PIPELINES["training"], capsys)
    assert planned.backend.moved == []
    assert sorted(planned.root.rglob("*")) == before


def test_measured_hours_are_shown_as_such(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass(frozen=True)
    class Ended:
        call: str = "train-1"
        node: str = "train"
        env: str = "modal"
        status: str = "finished"
        hours: float = 30.5
        inputs: str = "as ever"

        @property
        def params(self) -> dict[str, Any]:
            return {}

        @property
        def request(self) -> Request:
            texts = dict.fromkeys(("call", "node", "env", "run_id", "far_root", "code", "python"), "")
            return Request(**texts, pipelines=(), params={}, gpu=("A100-80GB",))

    lines = printed(planned, PIPELINES["training"], capsys, [Ended()])
    assert section(lines, "train")["estimate"][:1] == [
        "30.5 h, $134.08 (measured in call train-1); 2 attempts of 24 h each, 10 allowed"
    ]
    assert "In all: 30.5 h, $134.08; budget: $200.00, at which a node is stopped" in lines


def test_unknown_hours_and_prices_are_not_made_up(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    planned.settings |= {"expected_hours": {}, "rates": None, "budget_usd": None}
    lines = printed(planned, PIPELINES["training"], capsys)
    assert section(lines, "train")["estimate"][0].startswith("unknown: no finished call, and no expected_hours in runner.yml")
    assert "$" not in "\n".join(lines)


def test_what_nothing_limits_is_warned_of(
    planned: Planned, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    planned.settings["budget_usd"] = None
    assert "Beware" not in "\n".join(printed(planned, PIPELINES["training"], capsys))
    planned.settings["tags"]["gpu"]["gpu"] = "B200"
    caplog.clear()
    text = " ".join(" ".join(printed(planned, PIPELINES["training"], capsys)).split())
    said = "train: no price of B200 as of 2026-07; add it to rates.gpu in runner.yml; until then its cost is not known"
    assert f"Beware: {said}" in text
    assert "1 node of which no price is known" in text
    assert [record.getMessage() for record in caplog.records] == [said]
    planned.settings["rates"] = None
    assert "Beware: nobody tells prices" in "\n".join(printed(planned, PIPELINES["training"], capsys))


def test_a_plan_of_a_run_that_stays_here_has_only_names(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    planned.settings["tags"] = {}
    lines = printed(planned, PIPELINES["training"], capsys)
    assert [line for line in lines if line][1:] == ["1. train  runs here", "Nothing stands against it."]


def test_it_fits_a_window_of_100_columns(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    whole = sum((PIPELINES[name] for name in ("ingestion", "windowing", "training", "evaluation")), Pipeline([]))
    assert max(len(line) for line in printed(planned, whole, capsys)) <= WIDTH
