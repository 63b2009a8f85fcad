"""Mamba-2 state-space layer (Dao & Gu 2024): one law, three executions.

    h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t        h is (N, P) per head, A < 0 a scalar per head
    y_t = C_t h_t + D x_t

`scan_reference` follows the law step by step, `scan_chunked` does the same by matrix products over chunks, `scan_cuda`
is mamba-ssm's kernel, and `cuda.scan` runs both directions of a whole bidirectional layer at once (bimamba.py).
`auto` takes chunks on a CPU, and on a GPU the fused kernels where their sizes fit, else mamba-ssm.
"""

from __future__ import annotations

from math import log
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seizure_pipeline.model.settings import StreamSettings

ScanForm = Literal["auto", "fused", "mamba_ssm", "chunked"]
CHUNK = 8  # the cost per step is about Q + N P / Q, lowest at Q = sqrt(N P), which is 8 to 11 in the presets
CUDA_CHUNK = 128
CUDA_INDEX_LIMIT = 2**31  # elements of one (S, K, Q, Q) product, which mamba-ssm's kernels index in 32 bits
CUDA_GRID_LIMIT = 65535  # sequences times chunks of one launch: the kernels put both on the grid's second axis
STEP_RANGE = (1e-3, 0.1)  # dt at the start, as in Mamba-2
DECAY_RANGE = (1.0, 16.0)  # -A at the start, as in Mamba-2
NORM_EPSILON = 1e-5  # a token whose gate is shut everywhere stays zero


class KernelMissing(RuntimeError):
    """A CUDA device without mamba-ssm: nothing else is run in its place."""


def scan_reference(x_SLHP: Tensor, dt_SLH: Tensor, A_H: Tensor, B_SLGN: Tensor, C_SLGN: Tensor) -> Tensor:
    """The recurrence step by step: y_t = C_t h_t, shape (S, L, H, P)."""
    repeats = x_SLHP.shape[2] // B_SLGN.shape[2]
    B_SLHN, C_SLHN = B_SLGN.repeat_interleave(repeats, 2), C_SLGN.repeat_interleave(repeats, 2)
    h_SHNP = x_SLHP.new_zeros(x_SLHP.shape[0], x_SLHP.shape[2], B_SLGN.shape[3], x_SLHP.shape[3])
    outputs = []
    for t in range(x_SLHP.shape[1]):
        decay_SH = torch.exp(dt_SLH[:, t] * A_H)
        drive_SHNP = torch.einsum("sh,shn,shp->shnp", dt_SLH[:, t], B_SLHN[:, t], x_SLHP[:, t])
        h_SHNP = decay_SH[:, :, None, None] * h_SHNP + drive_SHNP
        outputs.append(torch.einsum("shn,shnp->shp", C_SLHN[:, t], h_SHNP))
    return torch.stack(outputs, 1)


def scan_chunked(x_SLHP: Tensor, dt_SLH: Tensor, A_H: Tensor, B_SLGN: Tensor, C_SLGN: Tensor, chunk: int = CHUNK) -> Tensor:
    """The recurrence as matrix products within and between chunks (Dao & Gu 2024, section 6), shape (S, L, H, P).

    A length that is no multiple of `chunk` is padded with dt = 0: such steps neither decay nor drive the state.
    Exponents are at most 0 everywhere, so that nothing overflows. Runs in the type of `dt_SLH`, also under autocast.
    """
    length, groups = x_SLHP.shape[1], B_SLGN.shape[2]
    with torch.autocast(x_SLHP.device.type, enabled=False):
        dt_SKHQ = _chunks(dt_SLH, chunk).transpose(2, 3)
        total_SKHQ = torch.cumsum(dt_SKHQ * A_H[:, None], -1)
        drive_SKHQP = _chunks(x_SLHP * dt_SLH[..., None], chunk).transpose(2, 3)
        drive_SKGHQP = torch.unflatten(drive_SKHQP, 2, (groups, -1))
        B_SKGQN = _chunks(B_SLGN.to(dt_SLH.dtype), chunk).transpose(2, 3).unsqueeze(3)
        C_SKGQN = _chunks(C_SLGN.to(dt_SLH.dtype), chunk).transpose(2, 3).unsqueeze(3)
        total_SKGHQ = torch.unflatten(total_SKHQ, 2, (groups, -1))
        within = (C_SKGQN @ B_SKGQN.mT * _decay(total_SKGHQ)) @ drive_SKGHQP
        to_end = torch.exp(total_SKGHQ[..., -1:] - total_SKGHQ)
        states = (B_SKGQN * to_end[..., None]).mT @ drive_SKGHQP
        before = _states_before(states, torch.exp(total_SKGHQ[..., -1]))
        from_start = torch.exp(total_SKGHQ)
        y_SKHQP = (within + (C_SKGQN @ before) * from_start[..., None]).flatten(2, 3)
    return y_SKHQP.transpose(2, 3).flatten(1, 2)[:, :length]


def _chunks(x_SL: Tensor, chunk: int) -> Tensor:
    """(S, L, ...) to (S, K, Q, ...), the last chunk filled with zeros."""
    missing = -x_SL.shape[1] % chunk
    if missing:
        x_SL = torch.cat([x_SL, x_SL.new_zeros(x_SL.shape[0], missing, *x_SL.shape[2:])], 1)
    return torch.unflatten(x_SL, 1, (-1, chunk))


def _decay(total_Q: Tensor) -> Tensor:
    """Decay from step s to step q, exp(total_q - total_s) for s <= q, else 0; what is left out is never exponentiated."""
    steps = total_Q.shape[-1]
    future_QQ = torch.full((steps, steps), -torch.inf, device=total_Q.device, dtype=total_Q.dtype).triu(1)
    return torch.exp((total_Q[..., :, None] + (-total_Q)[..., None, :]).add_(future_QQ))


def _states_before(states_SKGHNP: Tensor, decay_SKGH: Tensor) -> Tensor:
    """State with which each chunk starts: the recurrence itself, one chunk at a time."""
    h_SGHNP = torch.zeros_like(states_SKGHNP[:, 0])
    before = [h_SGHNP]
    for state_SGHNP, decay_SGH in zip(states_SKGHNP.unbind(1), decay_SKGH[..., None, None].unbind(1), strict=True):
        h_SGHNP = torch.addcmul(state_SGHNP, decay_SGH, h_SGHNP)
        before.append(h_SGHNP)
    return torch.stack(before[:-1], 1)


def check_kernel() -> None:
    """Raise KernelMissing if mamba-ssm's scan is not installed."""
    try:
        import mamba_ssm.ops.triton.ssd_combined  # noqa: F401
    except ImportError as error:
        raise KernelMissing("a scan on CUDA needs mamba-ssm: install the extra seizure-pipeline[gpu]") from error


def scan_cuda(x_SLHP: Tensor, dt_SLH: Tensor, A_H: Tensor, B_SLGN: Tensor, C_SLGN: Tensor) -> Tensor:
    """The recurrence by mamba-ssm's Triton kernel, shape (S, L, H, P); raises KernelMissing if it is not installed.

    Sequences run in slices, so that no product within the kernels reaches CUDA_INDEX_LIMIT elements and no launch
    exceeds CUDA_GRID_LIMIT (measured on an H100: "invalid argument" beyond it).
    """
    try:
        from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined
    except ImportError as error:
        raise KernelMissing("a scan on CUDA needs mamba-ssm: install the extra seizure-pipeline[gpu]") from error
    sequences, length, heads, width = x_SLHP.shape
    padded = length + -length % CUDA_CHUNK
    per_sequence = padded * max(CUDA_CHUNK * B_SLGN.shape[2], heads * max(width, B_SLGN.shape[3]))
    size = max(1, min((CUDA_INDEX_LIMIT - 1) // per_sequence, CUDA_GRID_LIMIT // (padded // CUDA_CHUNK)))
    slices = (torch.split(tensor, size) for tensor in (x_SLHP, dt_SLH, B_SLGN, C_SLGN))
    outputs = [mamba_chunk_scan_combined(x, dt, A_H, B, C, CUDA_CHUNK) for x, dt, B, C in zip(*slices, strict=True)]
    return outputs[0] if sequences <= size else torch.cat(outputs)


def scan(x_SLHP: Tensor, dt_SLH: Tensor, A_H: Tensor, B_SLGN: Tensor, C_SLGN: Tensor, form: ScanForm = "auto") -> Tensor:
    """The recurrence of one direction, shape (S, L, H, P): by `form`, or by mamba-ssm on CUDA and chunks elsewhere."""
    run = scan_cuda if form == "mamba_ssm" or (form == "auto" and x_SLHP.is_cuda) else scan_chunked
    return run(x_SLHP, dt_SLH, A_H, B_SLGN, C_SLGN)


def causal_convolution(x_SLD: Tensor, weight_D1J: Tensor, bias_D: Tensor | None) -> Tensor:
    """Depthwise convolution of `x_SLD` over time; step t sees the J steps up to t.

    As a channels-last image of height 1, which keeps the features innermost: measured on a CPU six times faster,
    forward and backward, than the same convolution on transposed sequences.
    """
    features, _, taps = weight_D1J.shape
    image_SD1L = F.pad(x_SLD, (0, 0, taps - 1, 0)).transpose(1, 2).unsqueeze(2)
    return F.conv2d(image_SD1L, weight_D1J.unsqueeze(2), bias_D, groups=features).squeeze(2).transpose(1, 2)


class GatedNorm(nn.Module):
    """y * silu(z), brought to root mean square 1 over the features and scaled."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))

    def forward(self, y_SLD: Tensor, z_SLD: Tensor) -> Tensor:
        """Gated and normalised (S, L, D)."""
        gated_SLD = y_SLD * F.silu(z_SLD)
        return gated_SLD * torch.rsqrt(gated_SLD.square().mean(-1, keepdim=True) + NORM_EPSILON) * self.weight


class Mamba2(nn.Module):
    """Causal Mamba-2 block, one group; parameters have the names and shapes of mamba-ssm's `Mamba2`."""

    def __init__(self, settings: StreamSettings) -> None:
        super().__init__()
        self.inner, self.state, self.head_dim = settings.expand * settings.features, settings.state, settings.head_dim
        heads, mixed = self.inner // self.head_dim, self.inner + 2 * self.state
        self.in_proj = nn.Linear(settings.features, self.inner + mixed + heads, bias=False)
        self.conv1d = nn.Conv1d(mixed, mixed, settings.kernel, groups=mixed, padding=settings.kernel - 1)
        low, high = STEP_RANGE
        step_H = torch.exp(torch.rand(heads) * (log(high) - log(low)) + log(low))
        self.dt_bias = nn.Parameter(step_H + torch.log(-torch.expm1(-step_H)))  # softplus(dt_bias) = step
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(*DECAY_RANGE).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = GatedNorm(self.inner)
        self.out_proj = nn.Linear(self.inner, settings.features, bias=False)
        self.scan_form: ScanForm = "auto"

    @property
    def convolution_bias(self) -> Tensor:
        """Bias of the convolution, (inner + 2 state,)."""
        assert self.conv1d.bias is not None
        return self.conv1d.bias

    def forward(self, x_SLD: Tensor) -> Tensor:
        """(S, L, D) to (S, L, D); token t sees tokens 0 to t."""
        widths = [self.inner, self.inner + 2 * self.state, self.dt_bias.shape[0]]
        # three products instead of the split of one: the split's gradient would copy the widest tensor of the layer
        z_SLD, mixed_SLD, step_SLH = (F.linear(x_SLD, rows) for rows in torch.split(self.in_proj.weight, widths))
        convolved_SLD = F.silu(causal_convolution(mixed_SLD, self.conv1d.weight, self.conv1d.bias))
        u_SLD, B_SLN, C_SLN = torch.split(convolved_SLD, [self.inner, self.state, self.state], -1)
        u_SLHP = torch.unflatten(u_SLD, -1, (-1, self.head_dim))
        dt_SLH = F.softplus(step_SLH.to(self.dt_bias.dtype) + self.dt_bias)  # float32: its sum over a window reaches hundreds
        y_SLHP = scan(u_SLHP, dt_SLH, -self.A_log.exp(), B_SLN.unsqueeze(2), C_SLN.unsqueeze(2), self.scan_form)
        y_SLHP = y_SLHP + self.D[:, None] * u_SLHP
        out_SLD: Tensor = self.out_proj(self.norm(y_SLHP.flatten(-2), z_SLD))
        return out_SLD
