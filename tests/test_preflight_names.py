"""Names that nothing bears, and a place that is another's, are refused before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from planned_runs import PIPELINES, Planned
from test_preflight import one

from seizure_pipeline.remote.files.ownership import claim


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    return Planned.of(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("nodes", {"compute_trace": {"cpu": 16}}, "compute_traces"),
        ("kept", ["trian"], "train"),
        ("expected_hours", {"check_kernel": 1.0}, "check_kernels"),
    ],
)
def test_a_name_that_no_pipeline_knows_is_refused_and_the_nearest_named(
    planned: Planned, key: str, value: Any, meant: str
) -> None:
    planned.settings[key] = {**planned.settings[key], **value} if isinstance(value, dict) else value
    one(planned.problems(PIPELINES["training"]), f"runner.yml: {key} names {next(iter(value))}", f"{meant} is meant?")


def test_a_misspelt_tag_does_not_have_everything_run_here_in_silence(planned: Planned) -> None:
    planned.settings["tags"] = {"gpus": planned.settings["tags"]["gpu"]}
    one(planned.problems(PIPELINES["training"]), "runner.yml: tags.gpus: no node has this tag", "gpu is meant?")


def test_a_far_root_of_another_data_root_is_refused_naming_both_until_its_mark_is_removed(planned: Planned) -> None:
    far_root = planned.settings["far_root"]
    claim(planned.backend, far_root, planned.root / "here")
    assert planned.problems(PIPELINES["training"]) == []
    (planned.root / "here/remote/owner").unlink()
    claim(planned.backend, f"{far_root}/elsewhere", planned.root / "here")  # as another would come
    found = planned.problems(PIPELINES["training"])
    one(
        found,
        f"far_root {far_root} is that of {planned.root}/here on",
        "set another far_root in runner.yml, or",
        "/remote/owner",
    )
    (Path(far_root) / "remote/owner").unlink()
    assert planned.problems(PIPELINES["training"]) == []
