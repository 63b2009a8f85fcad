"""Windows through the network, stitched per recording."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from seizure_pipeline.cache import CachedSignal
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.model.bimamba import check_kernels
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.scoring import resolve
from seizure_pipeline.windows import WindowSettings, lay_windows, stitch


def check_device(device: str, parameter: str = "device", model: ModelSettings | None = None) -> None:
    """Raise RuntimeError if `device` is not on this machine, or KernelMissing if `model` needs a kernel that it lacks there."""
    if device != "cuda":
        return
    if not torch.cuda.is_available():
        raise RuntimeError(f"{parameter} is 'cuda', but this machine has no CUDA device; set it to 'cpu' or go to one that has")
    if model is not None:
        check_kernels(model)


@torch.inference_mode()
def probability_trace(
    model: Detector, signal: CachedSignal, windows: WindowSettings, settings: InferenceSettings
) -> NDArray[np.float32]:
    """Seizure probability (tokens,) at 16 Hz: the mean over windows of each window's log odds, as a probability."""
    model.eval()
    laid = lay_windows(signal.layout, windows, settings.stride_tokens)
    logits = np.empty((len(laid), windows.window_tokens), dtype=np.float32)
    for first in range(0, len(laid), settings.batch_size):
        chosen = laid[first : first + settings.batch_size]
        window_BCT = torch.from_numpy(np.stack([signal.window(window, windows) for window in chosen]))
        logits[first : first + len(chosen)] = model(window_BCT.to(settings.device)).float().cpu().numpy()
    log_odds = stitch(signal.layout, laid, logits)
    return as_probability(log_odds)


def as_probability(log_odds_L: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities on the grid of `resolve`."""
    return resolve(1 / (1 + np.exp(-log_odds_L.astype(np.float64))))
