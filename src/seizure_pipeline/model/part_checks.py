"""The encoder's convolutions and the positions, as a GPU runs them, against the plain forms in float64 on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from seizure_pipeline.model.cuda.compiler import failures
from seizure_pipeline.model.cuda.convolution import MULTIPLE, dilated_convolution
from seizure_pipeline.model.electrode_graph import keep_strongest, laplacian_positions, normalised
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.model.tcn import DilatedConvolution, TemporalEncoder

SAMPLES = 600  # no whole number of tiles, and fewer than the widest layers' taps span
MATRICES = 50
CONVOLUTION_LIMIT = 1e-2  # of the largest value: its inputs are the same bfloat16, its output is rounded to it
POSITIONS_LIMIT = 1e-4  # measured: 1e-5


@dataclass(frozen=True, slots=True)
class PartCheck:
    """One kernel on one size: relative errors by name, or why it did not run."""

    part: str
    errors: dict[str, float]
    limit: float
    failure: str | None = None


def check_parts(settings: ModelSettings, precision: str, device: str) -> list[PartCheck]:
    """Positions, and in bfloat16 every convolution that the GPU's kernels are written for."""
    encoder = TemporalEncoder(settings)
    layers = [layer for layer in encoder.modules() if isinstance(layer, DilatedConvolution)]
    ours = layers if precision == "bfloat16" and encoder.fits_gpu else []
    return [*(check_convolution(layer, device) for layer in ours), check_positions(settings, device)]


def check_convolution(layer: DilatedConvolution, device: str) -> PartCheck:
    """Output, gradient of the input and of the weights of one dilated convolution."""
    dilation, (outputs, inputs, taps) = layer.convolution.dilation[0], layer.convolution.weight.shape
    filled = (0, -inputs % MULTIPLE)
    x_BTI = F.pad(torch.randn(1, SAMPLES, inputs), filled).bfloat16()
    weight_JOI = F.pad(layer.convolution.weight.detach().permute(2, 0, 1), filled).bfloat16()
    gradient_BTO = torch.randn(1, SAMPLES, outputs).bfloat16()

    def plain(x_BTI: Tensor, weight_JOI: Tensor, dilation: int) -> Tensor:
        padding = dilation * (taps // 2)
        return F.conv1d(x_BTI.mT, weight_JOI.permute(1, 2, 0), padding=padding, dilation=dilation).mT

    def found() -> dict[str, float]:
        truth = _gradients(plain, x_BTI.double(), weight_JOI.double(), gradient_BTO.double(), dilation)
        moved = (x_BTI.to(device), weight_JOI.float().to(device), gradient_BTO.to(device))
        ours = _gradients(dilated_convolution, *moved, dilation)
        names = ("y", "gradient of x", "gradient of weight")
        return {name: relative_error(one, other) for name, one, other in zip(names, ours, truth, strict=True)}

    return _checked(f"convolution of {inputs} to {outputs} channels, dilation {dilation}", found, CONVOLUTION_LIMIT)


def check_positions(settings: ModelSettings, device: str) -> PartCheck:
    """Positions of random graphs of as many electrodes."""
    weights_MCC = torch.rand(MATRICES, settings.electrodes, settings.electrodes, dtype=torch.float64).triu(1)
    adjacency_MCC = normalised(keep_strongest(weights_MCC + weights_MCC.mT, settings.graph_neighbours))

    def found() -> dict[str, float]:
        ours = laplacian_positions(adjacency_MCC.float().to(device), settings.positions)
        return {"positions": relative_error(ours, laplacian_positions(adjacency_MCC, settings.positions))}

    return _checked(f"positions of {settings.electrodes} electrodes", found, POSITIONS_LIMIT)


def relative_error(found: Tensor, truth: Tensor) -> float:
    """Largest error over the largest value of the truth."""
    return ((found.cpu().double() - truth).abs().max() / truth.abs().max()).item()


def _checked(part: str, found: Callable[[], dict[str, float]], limit: float) -> PartCheck:
    """A kernel that does not run is a finding beside the others, so that one run of the check names all of them."""
    try:
        return PartCheck(part, found(), limit)
    except failures() as error:
        return PartCheck(part, {}, limit, " ".join(str(error).split()))


def _gradients(
    run: Callable[[Tensor, Tensor, int], Tensor], x_BTI: Tensor, weight_JOI: Tensor, gradient_BTO: Tensor, dilation: int
) -> list[Tensor]:
    leaves = x_BTI.requires_grad_(), weight_JOI.requires_grad_()
    y_BTO = run(*leaves, dilation)
    return [y_BTO.detach(), *torch.autograd.grad(y_BTO, leaves, gradient_BTO)]
