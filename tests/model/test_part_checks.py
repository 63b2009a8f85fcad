"""The check of a GPU's convolutions and positions, with kernels that are right, wrong, or do not run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seizure_pipeline.model import part_checks
from seizure_pipeline.model.kernel_check import disagreements
from seizure_pipeline.model.part_checks import PartCheck, check_convolution, check_parts
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.model.tcn import DilatedConvolution


def stand_in(x_BTI: Tensor, weight_JOI: Tensor, dilation: int) -> Tensor:
    padding = dilation * (weight_JOI.shape[0] // 2)
    y_BOT = F.conv1d(x_BTI.float().mT, weight_JOI.permute(1, 2, 0).float(), padding=padding, dilation=dilation)
    return y_BOT.mT.bfloat16()


def lines(*parts: PartCheck) -> list[str]:
    report: dict[str, Any] = {"device": "cuda", "scans": [], "parts": [asdict(part) for part in parts]}
    return disagreements(report)


@pytest.fixture
def layer() -> DilatedConvolution:
    torch.manual_seed(0)
    return DilatedConvolution(19, 64, 7, 4, 1, 0.0)


def test_a_right_convolution_is_within_the_limit(layer: DilatedConvolution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_checks, "dilated_convolution", stand_in)
    found = check_convolution(layer, "cpu")
    assert set(found.errors) == {"y", "gradient of x", "gradient of weight"}
    assert lines(found) == []


def test_a_tap_read_one_sample_too_late_is_said(layer: DilatedConvolution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_checks, "dilated_convolution", lambda x, w, dilation: stand_in(x, w, dilation).roll(1, 1))
    assert all("convolution of 19 to 64 channels, dilation 4: " in line for line in lines(check_convolution(layer, "cpu")))
    assert len(lines(check_convolution(layer, "cpu"))) == 3


def test_a_kernel_that_asks_for_too_much_is_a_line_beside_the_others(
    layer: DilatedConvolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> Tensor:
        raise RuntimeError("out of resource: shared memory, Required: 155648,\n Hardware limit: 101376")

    monkeypatch.setattr(part_checks, "dilated_convolution", refused)
    (line,) = lines(check_convolution(layer, "cpu"))
    assert line.startswith("convolution of 19 to 64 channels, dilation 4: did not run on cuda: out of resource: shared memory")
    assert "\n" not in line


def test_every_convolution_of_the_full_network_is_tried_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        part_checks, "check_convolution", lambda layer, device: PartCheck(str(layer.convolution.weight.shape), {}, 0)
    )
    assert len(check_parts(ModelSettings(), "bfloat16", "cpu")) == 8 + 1
    assert [part.part for part in check_parts(ModelSettings(), "float32", "cpu")] == ["positions of 19 electrodes"]
