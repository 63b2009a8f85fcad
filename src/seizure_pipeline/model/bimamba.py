"""Bidirectional Mamba-2: one scan ahead, one back in time, mixed by a linear layer beside a residual path."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seizure_pipeline.model.cuda import scan as cuda_scan
from seizure_pipeline.model.cuda.compiler import LEAST_CAPABILITY
from seizure_pipeline.model.settings import ModelSettings, StreamSettings
from seizure_pipeline.model.state_space import KernelMissing, Mamba2, ScanForm, check_kernel


class BidirectionalLayer(nn.Module):
    """x + mix(ahead(norm x), back(norm x)); `back` runs on the reversed sequence."""

    def __init__(self, settings: StreamSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.features)
        self.ahead = Mamba2(settings)
        self.back = Mamba2(settings)
        self.mix = nn.Linear(2 * settings.features, settings.features)
        self.scan_form: ScanForm = "auto"
        self._fits = cuda_scan.fits(self.ahead.inner, settings.state, settings.head_dim, settings.kernel)

    def forward(self, x_SLD: Tensor) -> Tensor:
        """(S, L, D) to (S, L, D)."""
        normed_SLD = self.norm(x_SLD)
        if self.scan_form == "fused" or (self.scan_form == "auto" and self._fits and x_SLD.is_cuda):
            return x_SLD + self._fused(normed_SLD)
        back_SLD = self.back(normed_SLD.flip(1)).flip(1)
        mixed_SLD: Tensor = self.mix(torch.cat([self.ahead(normed_SLD), back_SLD], -1))
        return x_SLD + mixed_SLD

    def _fused(self, normed_SLD: Tensor) -> Tensor:
        """The same in one projection, one scan of both directions and one product for the ways out and the mixing."""
        ways, width = (self.ahead, self.back), self.mix.out_features
        projected_SLW = F.linear(normed_SLD, torch.cat([way.in_proj.weight for way in ways]))
        scanned_SLD, *_ = cuda_scan.scan_both_ways(
            projected_SLW,
            torch.stack([way.conv1d.weight.squeeze(1) for way in ways]),
            torch.stack([way.convolution_bias for way in ways]),
            torch.stack([way.dt_bias for way in ways]),
            -torch.stack([way.A_log for way in ways]).exp(),
            torch.stack([way.D for way in ways]),
            torch.stack([way.norm.weight for way in ways]),
            torch.is_grad_enabled(),
        )
        with torch.autocast(normed_SLD.device.type, enabled=False):
            mixing = torch.split(self.mix.weight, width, 1)
            way_out = torch.cat([mix @ way.out_proj.weight for mix, way in zip(mixing, ways, strict=True)], 1)
        mixed_SLD: Tensor = F.linear(scanned_SLD, way_out, self.mix.bias)
        return mixed_SLD


def check_kernels(settings: ModelSettings) -> None:
    """Raise KernelMissing if the GPU is older than the kernels ask for, or a stack has sizes that they are not written for and
    mamba-ssm is not installed."""
    capability = torch.cuda.get_device_capability()
    if capability < LEAST_CAPABILITY:
        name, found, least = torch.cuda.get_device_name(), "{}.{}".format(*capability), "{}.{}".format(*LEAST_CAPABILITY)
        raise KernelMissing(f"{name} has compute capability {found}: the kernels are written for {least} and later")
    for stream in (settings.electrode_stream, settings.pair_stream):
        if not cuda_scan.fits(stream.expand * stream.features, stream.state, stream.head_dim, stream.kernel):
            check_kernel()


class BidirectionalMamba(nn.Module):
    """A stack of bidirectional layers and a last norm; every token sees the whole sequence."""

    def __init__(self, settings: StreamSettings) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(BidirectionalLayer(settings) for _ in range(settings.layers)))
        self.norm = nn.LayerNorm(settings.features)

    def forward(self, x_SLD: Tensor) -> Tensor:
        """(S, L, D) to (S, L, D)."""
        out_SLD: Tensor = self.norm(self.layers(x_SLD))
        return out_SLD
