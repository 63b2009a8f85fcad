"""The process of a far node: what it says through its pipe, how it ends, and what it never says."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from remote_fixtures import request_for

from seizure_pipeline.remote.far.machine import Gauge, Mismatch, check_same, facts, oom_kills
from seizure_pipeline.remote.far.node import Pace
from seizure_pipeline.remote.records import LONGEST_TEXT
from seizure_pipeline.remote.redaction import STRUCK, Redactor, cut

Word = dict[str, Any]
LONGEST_S = 120.0


class Far:
    """A far process, and the near ends of what it talks through."""

    def __init__(self, process: subprocess.Popen[bytes], events: IO[bytes]) -> None:
        self.process, self.events = process, events

    def word(self, kind: str) -> Word:
        """The next word of a kind."""
        for line in self.events:
            word: Word = json.loads(line)
            if word["kind"] == kind:
                return word
        raise AssertionError(f"it ended without a word of kind {kind}")

    def status(self) -> int:
        return self.process.wait(LONGEST_S)


@contextmanager
def far(project: Path, root: Path, node: str, **changes: object) -> Iterator[Far]:
    request = request_for(project, root, node=node, pipelines=("odd",), **changes)
    path = root / "request.json"
    path.write_text(request.to_json())
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "seizure_pipeline.remote.far.node", str(path), "--project", str(project)]
    process = subprocess.Popen(
        [*command, "--events-fd", str(writing)],
        cwd=project / "src",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(writing,),
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as events, process:
        try:
            yield Far(process, events)
        finally:
            process.kill()


def test_reports_announcements_and_log_lines_leave_in_their_order_and_the_end_comes_last(
    odd_project: Path, tmp_path: Path
) -> None:
    with far(odd_project, tmp_path, "say") as process:
        words = [json.loads(line) for line in process.events]
        assert process.status() == 0
    said = [(word["kind"], word["facts"]) for word in words]
    node = "seizure_pipeline.pipelines.odd"
    assert said == [
        ("log", {"level": "INFO", "logger": node, "message": "it says"}),
        ("log", {"level": "WARNING", "logger": "elsewhere", "message": "of interest"}),
        ("checkpoint", {"path": "somewhere", "step": 7}),
        ("epoch", {"epoch": 1, "metrics": {"loss": 0.5}}),
        ("epoch", {"epoch": 2, "metrics": {"loss": 0.25}}),
        ("end", {"status": "finished"}),
    ]
    assert all(abs(word["at_s"] - time.time()) < LONGEST_S for word in words)
    assert json.loads((tmp_path / "07_model_output/operating_point.json").read_text()) == {"threads": 1}
    assert not (odd_project / "mlflow.db").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_the_node_to_stop(number: signal.Signals, odd_project: Path, tmp_path: Path) -> None:
    with far(odd_project, tmp_path, "wait") as process:
        process.word("checkpoint")
        process.process.send_signal(number)
        end = process.word("end")["facts"]
        assert process.status() == 0
    assert end["status"] == "stopped"
    assert number.name in end["why"]


def test_a_node_whose_watcher_is_gone_stops_and_one_that_does_not_is_ended(odd_project: Path, tmp_path: Path) -> None:
    with far(odd_project, tmp_path, "wait") as waiting:
        waiting.word("checkpoint")
        waiting.process.stdin.close()  # type: ignore[union-attr]
        assert "is gone" in waiting.word("end")["facts"]["why"]
        assert waiting.status() == 0
    with far(odd_project, tmp_path, "hang", grace_s=0.5) as hanging:
        hanging.word("checkpoint")
        hanging.process.stdin.close()  # type: ignore[union-attr]
        assert hanging.status() == 1


def test_what_a_node_raises_is_its_last_word_and_the_status_is_not_0(odd_project: Path, tmp_path: Path) -> None:
    with far(odd_project, tmp_path, "refuse") as process:
        end = process.word("end")["facts"]
        assert process.status() == 1
    assert end["status"] == "failed"
    assert end["failure"]["message"] == "recording 7 is refused"
    assert end["failure"]["kind"].startswith("seizure_pipeline.corpora.")


def test_a_secret_never_enters_the_pipe(odd_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "hidden-value")
    with far(odd_project, tmp_path, "leak", secret_keys=("PLANTED",)) as process:
        said = process.events.read().decode()
    assert "hidden-value" not in said
    assert f"s3://{STRUCK}@bucket" in said
    assert len(said) < 5 * LONGEST_TEXT


def test_other_code_another_python_and_another_folder_are_refused(odd_project: Path, far_project: Path, tmp_path: Path) -> None:
    request = request_for(far_project, tmp_path)
    with pytest.raises(Mismatch, match=r"the code that runs is .*, not that of"):
        check_same(request, odd_project)
    for changes, message in (({"python": "2.7"}, "Python 2.7"), ({"code": "0"}, "source and configuration 0")):
        with far(odd_project, tmp_path, "say", **changes) as process:
            failure = process.word("end")["facts"]["failure"]
        assert failure["kind"] == "seizure_pipeline.remote.far.machine.Mismatch"
        assert message in failure["message"]
        assert not (tmp_path / "07_model_output").exists()


def test_progress_is_told_first_and_last_and_seldomer_the_longer_it_takes() -> None:
    pace = Pace()
    told = [second for second in range(3601) if pace.is_due("an hour", second == 3600, float(second))]
    assert told[:20] == list(range(20))
    assert told[-1] == 3600
    assert 200 < len(told) < 350
    assert max(later - earlier for earlier, later in pairwise(told)) <= 31
    assert pace.is_due("another", False, 3600.0)
    assert not pace.is_due("another", False, 3600.9)
    assert pace.is_due("another", True, 3600.9)


SECRETS = st.text(min_size=4).filter(lambda text: text.strip() == text and "*" not in text)


@given(SECRETS, st.text(), st.text(), st.sampled_from([str, json.dumps, repr, quote, quote_plus]))
def test_a_secret_is_struck_out_wherever_it_stands_and_however_it_is_quoted(
    secret: str, before: str, after: str, quoted: Callable[[str], str]
) -> None:
    text = f"{before}{quoted(secret)}{after}"
    told = Redactor([secret]).plain({"a": [text], secret: 1.5})
    assert secret not in told["a"][0]
    assert quoted(secret) not in told["a"][0]
    assert STRUCK in told["a"][0]
    assert told[STRUCK] == 1.5


def test_every_line_of_a_key_is_a_secret_and_short_values_are_none() -> None:
    lines = [base64.b64encode(bytes([number]) * 30).decode() for number in range(3)]
    key = "\n".join(["-----BEGIN KEY-----", *lines, "-----END KEY-----"])
    redactor = Redactor([key, "", "abc"])
    assert redactor.text(f"abc {lines[1]} abc") == f"abc {STRUCK} abc"
    assert redactor.text(key) == STRUCK


@given(st.integers(0, 3 * LONGEST_TEXT))
def test_a_text_is_cut_to_its_beginning_and_its_end(size: int) -> None:
    text = "".join(chr(97 + number % 26) for number in range(size))
    short = cut(text)
    assert len(short) <= LONGEST_TEXT
    if size <= LONGEST_TEXT:
        assert short == text
    else:
        assert short.startswith(text[:9000])
        assert short.endswith(text[-9000:])


def test_a_secret_at_a_cut_is_struck_out_before_it_is_cut() -> None:
    secret = "0123456789abcdef"
    for shift in range(0, 40):
        text = "x" * (LONGEST_TEXT // 2 - 40 + shift) + secret + "y" * LONGEST_TEXT
        assert "0123" not in Redactor([secret]).text(text)


def test_the_facts_of_a_machine_are_those_of_this_process_and_its_load_is_within_bounds() -> None:
    import socket

    import torch

    known = facts()
    assert known["host"] == socket.gethostname()
    assert known["torch"] in (torch.__version__, torch.__version__.partition("+")[0])  # its wheel may lack +cu130
    assert known["python"] == ".".join(map(str, sys.version_info[:3]))
    gauge = Gauge()
    until_s = time.monotonic() + 0.3
    while time.monotonic() < until_s:
        pass
    load = gauge.read()
    cores = os.cpu_count() or 1
    assert 50 / cores <= load["cpu_utilization_percentage"] <= 100
    assert 0 < load["system_memory_usage_percentage"] < 100
    assert oom_kills() >= 0


GPU = """#!/bin/sh
case "$1" in
  *name*) echo "NVIDIA A100-SXM4-80GB, 550.54.15" ;;
  *) echo "37, 1024, 81920, 212.50" ; echo "0, 0, 81920, [N/A]" ;;
esac
"""


def test_what_a_driver_says_of_its_gpus_is_told_under_the_names_of_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(GPU)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert facts()["gpu"] == "NVIDIA A100-SXM4-80GB, driver 550.54.15"
    load = {name: value for name, value in Gauge().read().items() if name.startswith("gpu")}
    assert load == {
        "gpu_0_utilization_percentage": 37.0,
        "gpu_0_memory_usage_megabytes": pytest.approx(1073.741824),
        "gpu_0_memory_usage_percentage": 1.25,
        "gpu_0_power_usage_watts": 212.5,
        "gpu_1_utilization_percentage": 0.0,
        "gpu_1_memory_usage_megabytes": 0.0,
        "gpu_1_memory_usage_percentage": 0.0,
    }
    program.write_text("#!/bin/sh\nexit 9\n")
    assert facts()["gpu"] == ""
