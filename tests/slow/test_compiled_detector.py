"""What torch's compiler makes of the detector on a CPU gives the same numbers (up to two minutes of compiling)."""

from __future__ import annotations

import shutil

import pytest
import torch
from presets import BASE, logits_and_gradients, outspoken, windows, without_dropout

TOLERANCE = 1e-3
TIMES_ROUNDING = 30
"""An error may be so many times what a window scaled by 1 + 1e-6 does to the same tensor: gradients of D and dt_bias in the
pair stream are small sums of large terms."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses what torch deprecates
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler for CPUs needs g++")
@pytest.mark.parametrize("tokens", [72, 130])  # the last edge is shared by fewer than 60 tokens
def test_the_compiled_detector_gives_the_same_logits_and_gradients(tokens: int) -> None:
    model, window_BCT = outspoken(without_dropout(BASE)), windows(2, tokens)
    expected = logits_and_gradients(model, model, window_BCT)
    rounded = logits_and_gradients(model, model, window_BCT * (1 + 1e-6))
    torch._dynamo.reset()
    found = logits_and_gradients(torch.compile(model, fullgraph=True), model, window_BCT)
    for name, truth in expected.items():
        scale = truth.abs().max()
        error, rounding = (found[name] - truth).abs().max() / scale, (rounded[name] - truth).abs().max() / scale
        assert error <= max(TOLERANCE, TIMES_ROUNDING * rounding), f"{name}: {error:.1e}, by rounding {rounding:.1e}"
