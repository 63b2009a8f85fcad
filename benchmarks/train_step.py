"""A training step of the full network on one GPU: the whole and its parts, forward and backward, ms and GiB.

usage: python benchmarks/train_step.py [--batch 64] [--precision bfloat16] [--scan auto] [--compile] [--parts] [--steps 10]
       [--profile FILE]                        (needs CUDA; prints the GPU, the first step, the median step, peak memory)
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seizure_pipeline.model.detector import Detector, count_parameters, parameter_groups
from seizure_pipeline.model.settings import SAMPLES_PER_TOKEN, ModelSettings

TOKENS = 960


def main() -> None:
    arguments = _arguments()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {arguments}")
    torch.manual_seed(0)
    model = Detector(ModelSettings()).cuda()
    model.choose_scan(arguments.scan)
    print(count_parameters(model))
    step = training_step(model, arguments)
    times_s = [_timed_s(step) for _ in range(arguments.steps + 1)]
    print(
        f"step of {arguments.batch} windows: first {times_s[0]:.1f} s, median {1000 * statistics.median(times_s[1:]):.1f} ms "
        f"(fastest {1000 * min(times_s[1:]):.1f}), peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    )
    if arguments.profile:
        _profile(step, arguments.profile)
    if arguments.parts:
        _parts(model, arguments)


def training_step(model: Detector, arguments: argparse.Namespace) -> Callable[[], Any]:
    """Forward, loss, backward, clipping and update on windows that lie on the GPU."""
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.05), lr=1e-4, fused=True)
    window_BCT = torch.randn(arguments.batch, 19, TOKENS * SAMPLES_PER_TOKEN, device="cuda")
    ictal_BL = (torch.rand(arguments.batch, TOKENS, device="cuda") > 0.9).float()
    options = {"triton.cudagraphs": arguments.graphs, "deterministic": arguments.deterministic}
    forward = torch.compile(model, fullgraph=True, options=options) if arguments.compile else model

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with _autocast(arguments):
            logits_BL = forward(window_BCT)
        loss = nn.functional.binary_cross_entropy_with_logits(logits_BL, ictal_BL)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if arguments.wait:
            torch.stack([loss.detach(), norm]).tolist()
        optimizer.step()

    return step


def _parts(model: Detector, arguments: argparse.Namespace) -> None:
    """Each part alone, forward and backward, on random inputs of its own shape."""
    batch, device = arguments.batch, "cuda"
    dtype = torch.bfloat16 if arguments.precision == "bfloat16" else torch.float32
    tokens = torch.randn(batch * 19, TOKENS, 64, device=device, dtype=dtype)
    pairs = torch.randn(batch * 171, TOKENS, 16, device=device, dtype=dtype)
    inputs: dict[str, tuple[nn.Module, list[Tensor]]] = {
        "encoder": (model.encoder, [torch.randn(batch, 19, TOKENS * SAMPLES_PER_TOKEN, device=device)]),
        "one electrode layer": (model.electrode_stream.layers[0], [tokens]),
        "electrode stream": (model.electrode_stream, [tokens]),
        "one pair layer": (model.pair_stream.scan.layers[0], [pairs]),
        "pair stream": (model.pair_stream, [torch.randn(batch, TOKENS, 19, 64, device=device, dtype=dtype)]),
    }
    for name, (part, tensors) in inputs.items():
        options = {"deterministic": arguments.deterministic}
        forward = torch.compile(part, fullgraph=True, options=options) if arguments.compile else part
        for tensor in tensors:
            tensor.requires_grad_(name != "encoder")

        def ahead(forward: Any = forward, tensors: list[Tensor] = tensors) -> Tensor:
            with _autocast(arguments):
                return forward(*tensors)  # type: ignore[no-any-return]

        def both(ahead: Callable[[], Tensor] = ahead) -> None:
            out = ahead()
            out.backward(torch.ones_like(out))

        both()
        print(f"{name:20s} forward {_median_ms(ahead):7.2f} ms, forward and backward {_median_ms(both):7.2f} ms", flush=True)


def _autocast(arguments: argparse.Namespace) -> Any:
    return torch.autocast("cuda", torch.bfloat16, enabled=arguments.precision == "bfloat16")


def _median_ms(run: Callable[[], Any]) -> float:
    return 1000 * statistics.median(_timed_s(run) for _ in range(5))


def _timed_s(run: Callable[[], Any]) -> float:
    torch.cuda.synchronize()
    began_s = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - began_s


def _profile(step: Callable[[], Any], path: Path) -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
        torch.cuda.synchronize()
    path.write_text(profile.key_averages().table(sort_by="cuda_time_total", row_limit=60, max_name_column_width=90))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--scan", choices=["auto", "fused", "mamba_ssm", "chunked"], default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--deterministic", action="store_true", help="as training.deterministic: kernels by rule")
    parser.add_argument("--graphs", action="store_true", help="replay the compiled step as a CUDA graph")
    parser.add_argument("--wait", action=argparse.BooleanOptionalAction, default=True, help="read loss and norm in each step")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--profile", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
