"""Whether the kernels of this device are right, and how long a training step of the whole model takes here."""

from __future__ import annotations

import platform
import statistics
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from seizure_pipeline.model.bimamba import BidirectionalLayer
from seizure_pipeline.model.compiling import compiled
from seizure_pipeline.model.cuda.compiler import failures
from seizure_pipeline.model.detector import Detector, parameter_groups
from seizure_pipeline.model.part_checks import PartCheck, check_parts, relative_error
from seizure_pipeline.model.settings import SAMPLES_PER_TOKEN, ModelSettings, StreamSettings
from seizure_pipeline.model.state_space import DECAY_RANGE, STEP_RANGE, scan, scan_reference

SEQUENCES = 4
STEPS = 3  # timed, after one that compiles and allocates
LIMITS = {"cpu": 1e-4, "cuda": 1e-2}
"""Largest error over the largest value of the truth. Both compute in float32; matrix products before and after the scan may be
TF32 on a GPU, and mamba-ssm, where it runs, multiplies in TF32 too (0.0043 on an H100)."""
BFLOAT16_LIMIT = 0.1  # in bfloat16 the gradients of decays, small sums of large numbers, were off by 0.03 (measured: H100)
PACKAGES = ("torch", "triton", "mamba-ssm", "causal-conv1d")
NAMES = ("x", "dt", "A", "B", "C")


@dataclass(frozen=True, slots=True)
class Execution:
    """How training runs the network: on which device, in which precision, compiled or not, and how."""

    device: str
    precision: str = "float32"
    compile: bool = False
    deterministic: bool = True


@dataclass(frozen=True, slots=True)
class ScanCheck:
    """One stream's scan against the recurrence in float64: relative errors of the output and of each gradient, or why it did
    not run."""

    stream: str
    tokens: int
    heads: int
    head_dim: int
    state: int
    errors: dict[str, float]
    limit: float
    failure: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether it ran and every error is a number within the limit."""
        return self.failure is None and all(error <= self.limit for error in self.errors.values())


@dataclass(frozen=True, slots=True)
class StepTime:
    """A training step of the configured model on random windows: the first with all that is compiled then, and later ones."""

    batch_size: int
    tokens: int
    first_s: float
    median_s: float
    first_loss: float
    peak_memory_mib: float | None


def kernel_report(model: ModelSettings, execution: Execution, batch_size: int, tokens: int, seed: int) -> dict[str, Any]:
    """Kernels checked, a step timed, versions; plain values for JSON. KernelMissing on CUDA for sizes without a kernel.

    No step where a kernel did not run: it would end in the same way. RuntimeError if memory does not hold one."""
    device = execution.device
    torch.manual_seed(seed)
    streams = {"electrode_stream": model.electrode_stream, "pair_stream": model.pair_stream}
    if device == "cuda":
        precisions = dict.fromkeys(("float32", execution.precision))
        checks = [_ran_or_not(*each, tokens, device, precision) for each in streams.items() for precision in precisions]
        parts = check_parts(model, execution.precision, device)
    else:
        checks = [check_scan(name, stream, tokens, device) for name, stream in streams.items()]
        parts = list[PartCheck]()
    failed = any(check.failure for check in checks) or any(part.failure for part in parts)
    return {
        "device": device,
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "versions": versions(),
        "scans": [{**asdict(check), "agrees": check.agrees} for check in checks],
        "parts": [asdict(part) for part in parts],
        "step": None if failed else _step_or_way_out(model, execution, batch_size, tokens),
    }


def check_scan(name: str, stream: StreamSettings, tokens: int, device: str) -> ScanCheck:
    """The scan of a device on random inputs, in the range that training starts in, against the recurrence on the CPU."""
    heads = stream.expand * stream.features // stream.head_dim
    inputs = _scan_inputs(tokens, heads, stream.head_dim, stream.state)
    weights = torch.randn(SEQUENCES, tokens, heads, stream.head_dim)
    truth = _with_gradients(scan_reference, [each.double() for each in inputs], weights.double())
    found = _with_gradients(scan, [each.to(device) for each in inputs], weights.to(device))
    named = zip(("y", *(f"gradient of {name}" for name in NAMES)), found, truth, strict=True)
    errors = {label: relative_error(ours, theirs) for label, ours, theirs in named}
    return ScanCheck(name, tokens, heads, stream.head_dim, stream.state, errors, LIMITS[device])


def check_layer(name: str, stream: StreamSettings, tokens: int, device: str, precision: str = "float32") -> ScanCheck:
    """A bidirectional layer as training runs it on a device against the same layer on the CPU in float64."""
    layer = BidirectionalLayer(stream).double()
    x_SLD, weights_SLD = torch.randn(2, SEQUENCES, tokens, stream.features, dtype=torch.float64).unbind()
    truth = _layer_with_gradients(layer, x_SLD, weights_SLD)
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
        found = _layer_with_gradients(layer.float().to(device), x_SLD.float().to(device), weights_SLD.float().to(device))
    labels = ["y", *(f"gradient of {each}" for each in ("x", *(name for name, _ in layer.named_parameters())))]
    errors = {label: relative_error(ours, theirs) for label, ours, theirs in zip(labels, found, truth, strict=True)}
    heads = stream.expand * stream.features // stream.head_dim
    limit = BFLOAT16_LIMIT if precision == "bfloat16" else LIMITS[device]
    return ScanCheck(f"{name}, {precision}", tokens, heads, stream.head_dim, stream.state, errors, limit)


def _ran_or_not(name: str, stream: StreamSettings, tokens: int, device: str, precision: str) -> ScanCheck:
    """`check_layer`, or why it did not run: a finding beside the others."""
    try:
        return check_layer(name, stream, tokens, device, precision)
    except failures() as error:
        heads, why = stream.expand * stream.features // stream.head_dim, " ".join(str(error).split())
        return ScanCheck(f"{name}, {precision}", tokens, heads, stream.head_dim, stream.state, {}, LIMITS[device], why)


def _layer_with_gradients(layer: BidirectionalLayer, x_SLD: Tensor, weights_SLD: Tensor) -> tuple[Tensor, ...]:
    x_SLD = x_SLD.requires_grad_()
    y_SLD = layer(x_SLD)
    gradients = torch.autograd.grad((y_SLD * weights_SLD).sum(), [x_SLD, *layer.parameters()])
    return tuple(tensor.detach().cpu() for tensor in (y_SLD, *gradients))


def _step_or_way_out(model: ModelSettings, execution: Execution, batch_size: int, tokens: int) -> dict[str, Any]:
    try:
        return asdict(time_step(model, execution, batch_size, tokens))
    except torch.OutOfMemoryError as error:
        room = torch.cuda.get_device_properties().total_memory / 2**30
        raise RuntimeError(
            f"a step of {batch_size} windows at once does not fit the GPU's {room:.0f} GiB; set a larger "
            f"training.accumulate_steps or a smaller training.batch_size"
        ) from error


def time_step(settings: ModelSettings, execution: Execution, batch_size: int, tokens: int) -> StepTime:
    """Forward, loss, backward and update of the model on random windows, as training does them."""
    device = execution.device
    model = Detector(settings).to(device)
    network = compiled(model, batch_size, execution.deterministic) if execution.compile else model
    autocast = torch.autocast(device, torch.bfloat16, enabled=execution.precision == "bfloat16")
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.05), lr=1e-4)
    window_BCT = torch.randn(batch_size, settings.electrodes, tokens * SAMPLES_PER_TOKEN, device=device)
    ictal_BL = (torch.rand(batch_size, tokens, device=device) > 0.9).float()
    times_s, losses = [], []
    for _ in range(1 + STEPS):
        began_s = time.perf_counter()
        with autocast:
            loss = nn.functional.binary_cross_entropy_with_logits(network(window_BCT), ictal_BL)
        losses.append(_update(model, optimizer, loss))  # reading the loss waits for a GPU
        times_s.append(time.perf_counter() - began_s)
    peak_mib = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    return StepTime(batch_size, tokens, times_s[0], statistics.median(times_s[1:]), losses[0], peak_mib)


def versions() -> dict[str, str | None]:
    """Versions of what a step runs on, None where it is not installed."""
    return {"python": platform.python_version(), "cuda": torch.version.cuda} | {name: _version(name) for name in PACKAGES}


def disagreements(report: dict[str, Any]) -> list[str]:
    """What of a report's kernels did not run or is beyond its limit, a line each."""
    named = [(scan["stream"], scan) for scan in report["scans"]] + [(part["part"], part) for part in report["parts"]]
    failed = [f"{name}: did not run on {report['device']}: {check['failure']}" for name, check in named if check["failure"]]
    return failed + [
        f"{name}: {value} is off by {error:.2g} of its scale on {report['device']}; the limit is {check['limit']:g}"
        for name, check in named
        for value, error in check["errors"].items()
        if not error <= check["limit"]
    ]


def _scan_inputs(tokens: int, heads: int, head_dim: int, state: int) -> list[Tensor]:
    x_SLHP = torch.randn(SEQUENCES, tokens, heads, head_dim)
    dt_SLH = torch.empty(SEQUENCES, tokens, heads).uniform_(*STEP_RANGE)
    A_H = -torch.empty(heads).uniform_(*DECAY_RANGE)
    B_SLGN, C_SLGN = torch.randn(2, SEQUENCES, tokens, 1, state).unbind()
    return [x_SLHP, dt_SLH, A_H, B_SLGN, C_SLGN]


def _with_gradients(run: Any, inputs: list[Tensor], weights: Tensor) -> tuple[Tensor, ...]:
    leaves = [each.requires_grad_() for each in inputs]
    y_SLHP = run(*leaves)
    return (y_SLHP.detach(), *torch.autograd.grad((y_SLHP * weights).sum(), leaves))


def _update(model: Detector, optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
