"""Corpora that several tests read: generated once, minutes long, never changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bucket_fixtures import client, proxy, server
from remote_fixtures import far_project, longer_undisturbed, odd_project, undisturbed

from seizure_pipeline.cache import build as building
from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings

__all__ = ["client", "far_project", "longer_undisturbed", "odd_project", "proxy", "server", "undisturbed"]
REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two train patients and two dev patients, two recordings of 70 to 90 s each."""
    root = tmp_path_factory.mktemp("corpus")
    settings = SyntheticSettings(
        train_patients=2,
        dev_patients=2,
        eval_patients=0,
        recordings_per_patient=2,
        shortest_recording_min=1.2,
        longest_recording_min=1.5,
    )
    generate_corpus(root, settings)
    return root


@pytest.fixture(scope="session")
def real_recordings() -> Path:
    """The folder of real clips beside the project."""
    if not (SHARED / "real").is_dir():
        pytest.skip("../shared/real is missing")
    return SHARED / "real"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's configuration, to run in without touching the checkout."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(REPOSITORY / "conf", root / "conf")
    shutil.copytree(REPOSITORY / "src", root / "src")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, root / name)
    return root


@pytest.fixture
def chains(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The recordings that went through the chain, in order."""
    ran: list[str] = []
    fill = building.fill

    def counted(job: building.Job) -> object:
        ran.append(job.origin.recording_id)
        return fill(job)

    monkeypatch.setattr(building, "fill", counted)
    return ran
