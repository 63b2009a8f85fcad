"""A node's process takes along all that it began, however it ends: nothing of an attempt lives on beside the next one."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from remote_fixtures import processes_of
from test_remote_supervisor import attempt, odd

from seizure_pipeline.remote.far.supervisor import AttemptFailed

LEAVING = """
import subprocess


def leave_and_die(settings):
    subprocess.Popen(["sleep", "{seconds}"])
    os.kill(os.getpid(), signal.SIGKILL)


def leave_and_finish(settings):
    subprocess.Popen(["sleep", "{seconds}"])


def create_pipeline():
    return Pipeline([Node(node, "params:training", None, name=node.__name__) for node in (leave_and_die, leave_and_finish)])
"""


@pytest.mark.parametrize("node", ["leave_and_die", "leave_and_finish"])
def test_no_process_of_a_node_outlives_its_attempt(odd_project: Path, tmp_path: Path, node: str) -> None:
    project = Path(shutil.copytree(odd_project, tmp_path / "project"))
    seconds = str(600 + os.getpid() / 10**7)  # tells them from those of another test
    package = project / "src/seizure_pipeline/pipelines/odd/__init__.py"
    nodes, _, _ = package.read_text().partition("def create_pipeline")
    package.write_text(nodes + LEAVING.replace("{seconds}", seconds))
    ear = odd(project, tmp_path / "root", node)
    if node == "leave_and_die":
        with pytest.raises(AttemptFailed):
            attempt(project, ear)
    else:
        assert attempt(project, ear).status == "finished"
    end_s = time.monotonic() + 5
    while processes_of(f"sleep {seconds}"):
        assert time.monotonic() < end_s
        time.sleep(0.05)
