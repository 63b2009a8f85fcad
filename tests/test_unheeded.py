"""Settings that processes of this machine do not heed are told of once, and those of conf/isolated are all heeded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from planned_runs import PIPELINES, Planned, configuration


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    return Planned.of(tmp_path)


@pytest.mark.parametrize("rates", [None, {"as_of": "today", "gpu": {}, "core": 1.0, "memory_gib": 1.0}])
def test_what_processes_of_this_machine_do_not_heed_is_named_once(
    planned: Planned, rates: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    planned.settings |= {"backend": "subprocess", "rates": rates, "budget_usd": None}
    planned.settings["tags"] = {"gpu": {"cpu": 2, "timeout_s": 60, "retries": {"count": 1}}, "data": {"region": "us"}}
    planned.settings["nodes"] = {"train": {"disk_mib": 10**6}, "list_problems": {"cpu": 8}}
    planned.problems(PIPELINES["training"])
    (said, secrets) = [record.getMessage() for record in caplog.records if record.name.endswith("preflight")]
    cores = "" if rates else ", tags.gpu.cpu"
    names = f"image, volumes{cores}, nodes.train.disk_mib"
    assert said == f"backend subprocess takes this machine as it is: {names} of runner.yml change nothing"
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY not set here" in secrets


def test_processes_of_this_machine_that_ask_for_what_they_get_hear_nothing(
    planned: Planned, caplog: pytest.LogCaptureFixture
) -> None:
    isolated = dict(configuration("isolated")["runner"])
    planned.settings = {name: value for name, value in isolated.items() if name != "type"}
    planned.problems(PIPELINES["training"])
    assert not [record for record in caplog.records if record.name.endswith("preflight")]
