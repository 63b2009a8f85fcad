"""A training step of the small preset on this CPU, as it is and under torch.compile(fullgraph=True): ratio and agreement.

usage: python benchmarks/cpu_step.py [--batch 16] [--tokens 960] [--rounds 7] [--threads N]

Both take the same windows in turn, so that whatever else the machine does hits both. Says what a whole run gains with the
compilation in it, and how far compiled logits and gradients lie from the others, beside how far those move when windows are
scaled by 1 + 1e-6: what rounding alone does (an edge of the graph may change sides). Needs g++.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from seizure_pipeline.model.detector import Detector, parameter_groups
from seizure_pipeline.model.settings import SAMPLES_PER_TOKEN, ModelSettings

PARAMETERS = Path(__file__).parents[1] / "conf" / "base" / "parameters_training.yml"
STEPS_OF_A_RUN = 234  # 6 epochs of 39 steps: `make run`
ROUNDING = 1 + 1e-6
COMPARED_TOKENS = 24


def main() -> None:
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.batch} windows of {arguments.tokens} tokens"
    )
    settings = ModelSettings(**yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))["model"])
    still = settings.model_copy(update={"tcn_dropout": 0.0, "graph_dropout": 0.0})
    _compare(still, argparse.Namespace(batch=2, tokens=COMPARED_TOKENS))
    _time(settings, arguments)


def _compare(settings: ModelSettings, arguments: argparse.Namespace) -> None:
    """Print the largest differences of compiled and of rescaled windows, relative to the largest value of each tensor."""
    model, window_BCT, ictal_BL = _problem(settings, arguments)
    model.head.logit.weight.data.mul_(1000)  # logits as different as those of a trained network

    def results(forward: Callable[[Tensor], Tensor], scale: float = 1.0) -> dict[str, Tensor]:
        model.zero_grad(set_to_none=True)
        logits_BL = forward(window_BCT * scale)
        nn.functional.binary_cross_entropy_with_logits(logits_BL, ictal_BL).backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        return {"logits": logits_BL.detach(), **gradients}

    expected = results(model)
    compared = {"compiled": results(torch.compile(model, fullgraph=True)), "scaled by 1 + 1e-6": results(model, ROUNDING)}
    for label, found in compared.items():
        errors = {name: ((found[name] - truth).abs().max() / truth.abs().max()).item() for name, truth in expected.items()}
        worst = max(errors, key=lambda name: errors[name])
        print(f"{label}: logits off by {errors['logits']:.1e} of the largest, worst gradient {worst} by {errors[worst]:.1e}")


def _time(settings: ModelSettings, arguments: argparse.Namespace) -> None:
    steps = {}
    for name in ("as it is", "compiled"):
        model, window_BCT, ictal_BL = _problem(settings, arguments)
        forward = torch.compile(model, fullgraph=True) if name == "compiled" else model
        steps[name] = _step(model, forward, window_BCT, ictal_BL)
    first_s = {name: _timed_s(step) for name, step in steps.items()}
    times_s: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(arguments.rounds):
        for name, step in steps.items():
            times_s[name].append(_timed_s(step))
    medians = {name: statistics.median(each) for name, each in times_s.items()}
    for name, median in medians.items():
        slowest = max(times_s[name])
        print(
            f"{name:9s}: first step {first_s[name]:6.1f} s, then median {1000 * median:.0f} ms, slowest {1000 * slowest:.0f} ms"
        )
    plain, compiled = medians["as it is"], medians["compiled"]
    whole = STEPS_OF_A_RUN * plain / (first_s["compiled"] + STEPS_OF_A_RUN * compiled)
    print(f"a compiled step is {plain / compiled:.2f} times as fast; {STEPS_OF_A_RUN} steps with compiling {whole:.2f} times")


def _step(model: Detector, forward: Any, window_BCT: Tensor, ictal_BL: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.05), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.binary_cross_entropy_with_logits(forward(window_BCT), ictal_BL).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def _problem(settings: ModelSettings, arguments: argparse.Namespace) -> tuple[Detector, Tensor, Tensor]:
    torch.manual_seed(0)
    model = Detector(settings)
    window_BCT = torch.randn(arguments.batch, settings.electrodes, arguments.tokens * SAMPLES_PER_TOKEN)
    return model, window_BCT, (torch.rand(arguments.batch, arguments.tokens) > 0.8).float()


def _timed_s(run: Callable[[], Any]) -> float:
    began_s = time.perf_counter()
    run()
    return time.perf_counter() - began_s


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=960)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    main()
