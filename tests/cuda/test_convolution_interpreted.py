"""Both forms of the convolutions' kernels by Triton's interpreter, on a CPU, against torch's convolution."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import numpy as np
import torch
import torch.nn.functional as F
from triton.runtime import interpreter
from seizure_pipeline.model.cuda import convolution_kernels as kernels

def widened(tile):  # the interpreter's own product takes the bits of bfloat16 for integers
    return interpreter.TensorHandle((tile.data.astype(np.uint32) << 16).view(np.float32), interpreter.tl.float32)

multiply = interpreter.InterpreterBuilder.create_dot
interpreter.InterpreterBuilder.create_dot = lambda self, a, b, *more: multiply(self, widened(a), widened(b), *more)
form, inputs, outputs, samples, dilation = sys.argv[1], *map(int, sys.argv[2:])
kernels._device = lambda device: (form == "bulk copies", 3)
torch.manual_seed(0)
x = torch.randn(2, samples, inputs).bfloat16()
weight = ((7 * inputs) ** -0.5 * torch.randn(7, outputs, inputs)).bfloat16()
gradient = torch.randn(2, samples, outputs).bfloat16()
y = torch.full((2, samples, outputs), torch.nan).bfloat16()
kernels.convolve(x, weight, y, dilation)
dweight = kernels.convolve_weight(x, gradient, 7, dilation)
leaves = [tensor.double().requires_grad_() for tensor in (x, weight)]
truth = F.conv1d(leaves[0].transpose(1, 2), leaves[1].permute(1, 2, 0), padding=3 * dilation, dilation=dilation)
truth.transpose(1, 2).backward(gradient.double())
# the interpreter cuts digits off where a GPU rounds to bfloat16: up to 2^-8 of y
for found, exact, limit in ((y, truth.transpose(1, 2), 4e-3), (dweight, leaves[1].grad, 1e-6)):
    error = ((found.double() - exact).norm() / exact.norm()).item()
    assert error < limit, error
"""


@pytest.mark.parametrize("form", ["pointers", "bulk copies"])
@pytest.mark.parametrize(("inputs", "outputs"), [(32, 64), (128, 64)])
@pytest.mark.parametrize(("samples", "dilation"), [(300, 1), (100, 16)])
def test_interpreted_convolution_and_its_weights_gradient_equal_those_of_torch(
    form: str, inputs: int, outputs: int, samples: int, dilation: int
) -> None:
    """Samples that fill no whole tile, and taps beyond both ends of a window."""
    pytest.importorskip("triton", reason="torch is built for CPUs: Triton comes with torch for GPUs")
    sizes = map(str, (inputs, outputs, samples, dilation))
    command = ["env", "TRITON_INTERPRET=1", sys.executable, "-W", "ignore", "-c", PROGRAM, form, *sizes]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
