"""The check that goes before a long run: right scans pass with their figures, a wrong one ends the run by name."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from made_models import SMALL, STREAM
from test_command_line import kedro

from seizure_pipeline.cache import PreparationSettings
from seizure_pipeline.model import kernel_check
from seizure_pipeline.model.kernel_check import check_scan, disagreements
from seizure_pipeline.model.state_space import scan_chunked
from seizure_pipeline.pipelines.kernel_check.nodes import KernelWrong, check_kernels, refuse_wrong_kernel
from seizure_pipeline.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    windowing = PreparationSettings.model_validate({"windows": {"window_s": 4.0, "stride_s": 2.0}})
    return check_kernels(SMALL, TrainingSettings(batch_size=2), windowing)


def test_the_report_is_plain_and_says_device_versions_errors_and_time(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert report["device"] == "cpu"
    assert report["versions"]["torch"] in (torch.__version__, torch.__version__.partition("+")[0])  # its wheel may lack +cu130
    assert {scan["stream"]: scan["tokens"] for scan in report["scans"]} == {"electrode_stream": 64, "pair_stream": 64}
    assert all(0 < error < 1e-4 for scan in report["scans"] for error in scan["errors"].values())
    assert 0 < report["step"]["median_s"] < 10
    assert 0.1 < report["step"]["first_loss"] < 1


def test_a_right_scan_is_said_and_does_not_stop_the_run(report: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        refuse_wrong_kernel(report)
    assert "device cpu: no GPU; python 3." in caplog.messages[0]
    assert "a training step of 2 windows of 64 tokens" in caplog.messages[-1]


@pytest.mark.parametrize("lost", ["output", "gradient", "number"])
def test_a_wrong_scan_ends_the_run_by_name(monkeypatch: pytest.MonkeyPatch, report: dict[str, Any], lost: str) -> None:
    def wrong(*inputs: torch.Tensor) -> torch.Tensor:
        y = scan_chunked(*inputs)
        if lost == "number":
            return y * torch.nan
        return y * 1.001 if lost == "output" else y - 0.01 * (inputs[1] - inputs[1].detach())[..., None]

    monkeypatch.setattr(kernel_check, "scan", wrong)
    check = check_scan("pair_stream", STREAM, 32, "cpu")
    assert not check.agrees
    found = {**report, "scans": [{**report["scans"][0], "errors": check.errors, "stream": "pair_stream"}]}
    with pytest.raises(KernelWrong, match=r"pair_stream: .* is off by .* of its scale on cpu; the limit is 0.0001"):
        refuse_wrong_kernel(found)
    assert any("gradient of dt" in line for line in disagreements(found))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_here_is_said() -> None:
    with pytest.raises(RuntimeError, match="this machine has no CUDA device"):
        check_kernels(SMALL, TrainingSettings(device="cuda"), PreparationSettings())


def test_the_pipeline_leaves_its_report_where_reports_lie(tmp_path: Path) -> None:
    chosen = f"data_root={tmp_path},training.batch_size=1,windowing.windows.window_s=4.0,windowing.windows.stride_s=2.0"
    done = kedro("run", "--pipelines", "kernel_check", "--env", "smoke", f"--params={chosen}")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "08_reporting/kernel_report.json").read_text())
    assert [scan["agrees"] for scan in written["scans"]] == [True, True]
    assert "largest error" in done.stdout + done.stderr
