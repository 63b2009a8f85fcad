"""Nodes of kernel_check; torch is imported when a node runs, so that start-up stays quick."""

from __future__ import annotations

import logging
from typing import Any

from seizure_pipeline.cache import PreparationSettings
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.training.settings import TrainingSettings

log = logging.getLogger(__name__)


class KernelWrong(RuntimeError):
    """A kernel that does not run, or whose results are not those of its law; nothing that it trains could be trusted."""


def check_kernels(model: ModelSettings, training: TrainingSettings, windowing: PreparationSettings) -> dict[str, Any]:
    """Model, device and window -> errors of the device's kernels, the time of a training step, versions."""
    from seizure_pipeline.inference.traces import check_device
    from seizure_pipeline.model.kernel_check import Execution, kernel_report

    check_device(training.device, model=model)
    execution = Execution(training.device, training.precision, training.compile, training.deterministic)
    at_once = training.windows_at_once
    return kernel_report(model, execution, at_once, windowing.windows.window_tokens, training.seed)


def refuse_wrong_kernel(kernel_report: dict[str, Any]) -> None:
    """Say what was found; raises KernelWrong, a line for each kernel that did not run or is not what it must be."""
    from seizure_pipeline.model.kernel_check import disagreements

    known = ", ".join(f"{name} {version}" for name, version in kernel_report["versions"].items() if version is not None)
    log.info("device %s: %s; %s", kernel_report["device"], kernel_report["gpu"] or "no GPU", known)
    tried = [(f"{scan['stream']} over {scan['tokens']} tokens", scan) for scan in kernel_report["scans"]]
    for name, check in tried + [(part["part"], part) for part in kernel_report["parts"]]:
        if check["errors"]:
            worst = max(check["errors"], key=check["errors"].__getitem__)
            log.info("%s: largest error %s, %.2g of its scale (limit %g)", name, worst, check["errors"][worst], check["limit"])
    if step := kernel_report["step"]:
        _say_step(step)
    if wrong := disagreements(kernel_report):
        raise KernelWrong("\n".join(wrong))


def _say_step(step: dict[str, Any]) -> None:
    memory = "" if step["peak_memory_mib"] is None else f", {step['peak_memory_mib'] / 1024:.1f} GiB at most"
    log.info(
        "a training step of %d windows of %d tokens: %.3f s (the first %.1f s)%s, loss %.4f",
        step["batch_size"], step["tokens"], step["median_s"], step["first_s"], memory, step["first_loss"],
    )  # fmt: skip
