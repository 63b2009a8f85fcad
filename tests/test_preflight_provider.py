"""What a provider says to the questions that are asked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from folder_backend import FolderBackend
from planned_runs import PIPELINES, Planned
from test_preflight import one

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.settings import Rates


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    return Planned.of(tmp_path)


def test_a_provider_that_does_not_answer_is_one_line(planned: Planned) -> None:
    planned.backend.silent_for = 1
    one(planned.problems(PIPELINES["training"]), "nobody answers")


def test_a_token_that_is_refused_at_every_question_is_told_once(planned: Planned) -> None:
    class Refusing(FolderBackend):
        def problems(self, machines: Any) -> list[str]:
            return ["asking the provider: no token; make one"]

        def get(self, far: str, local: Path) -> None:
            raise RemoteError(f"{far}: no token; make one")

        def listing(self, far: str) -> dict[str, int]:
            raise RemoteError(f"listing {far}: no token; make one")

    planned.backend = Refusing()
    assert planned.problems(PIPELINES["training"]) == ["asking the provider: no token; make one"]


def test_what_the_provider_refuses_stands_among_the_rest(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(FolderBackend):
        def problems(self, machines: Any) -> list[str]:
            return [f"{machine.gpu[0]}: no such GPU" for machine in machines]

        def rates(self) -> Rates | None:
            raise RemoteError("no token")

    planned.backend = Refusing()
    planned.settings["tags"]["gpu"]["gpu"] = "A100-60GB"
    found = planned.problems(PIPELINES["training"])
    assert found == [
        "A100-60GB: no such GPU",
        "train: no price of A100-60GB as of 2026-07; add it to rates.gpu in runner.yml",
    ]
