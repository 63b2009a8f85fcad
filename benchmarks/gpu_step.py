"""A training step of the full network on one CUDA device: float32, forward, backward and update.

usage: python benchmarks/gpu_step.py      (needs CUDA and mamba-ssm; prints the device, ms per step and peak memory)
"""

from __future__ import annotations

import time

import torch

from seizure_pipeline.model.detector import Detector, parameter_groups
from seizure_pipeline.model.settings import ModelSettings

STEPS = 5


def main() -> None:
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    for batch_size in (4, 16, 64):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        torch.manual_seed(0)
        model = Detector(ModelSettings()).cuda()
        optimizer = torch.optim.AdamW(parameter_groups(model, 0.05), lr=1e-4)
        window_BCT = torch.randn(batch_size, 19, 15360, device="cuda")
        ictal_BL = (torch.rand(batch_size, 960, device="cuda") > 0.9).float()
        times_s, losses = [], []
        try:
            for _ in range(STEPS):
                torch.cuda.synchronize()
                began = time.perf_counter()
                optimizer.zero_grad(set_to_none=True)
                loss = torch.nn.functional.binary_cross_entropy_with_logits(model(window_BCT), ictal_BL)
                loss.backward()
                optimizer.step()
                torch.cuda.synchronize()
                times_s.append(time.perf_counter() - began)
                losses.append(loss.item())
        except torch.cuda.OutOfMemoryError:
            print(f"batch {batch_size:3d}: out of memory")
            continue
        peak_gb = torch.cuda.max_memory_allocated() / 1e9
        print(
            f"batch {batch_size:3d}: first step {times_s[0]:.1f} s, then {1000 * min(times_s[1:]):.0f} ms a step, "
            f"peak {peak_gb:.1f} GB, loss {losses[0]:.4f} -> {losses[-1]:.4f}"
        )


if __name__ == "__main__":
    main()
