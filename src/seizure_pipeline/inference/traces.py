"""Windows through the network, stitched per recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seizure_pipeline.cache import CachedSignal
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.model.bimamba import check_kernels
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.scoring import resolve
from seizure_pipeline.windows import Window, WindowSettings, lay_windows, stitch


def check_device(device: str, parameter: str = "device", model: ModelSettings | None = None) -> None:
    """Raise RuntimeError if `device` is not on this machine, or KernelMissing if `model` needs a kernel that it lacks there."""
    if device != "cuda":
        return
    if not torch.cuda.is_available():
        raise RuntimeError(f"{parameter} is 'cuda', but this machine has no CUDA device; set it to 'cpu' or go to one that has")
    if model is not None:
        check_kernels(model)


def probability_trace(
    model: Detector, signal: CachedSignal, windows: WindowSettings, settings: InferenceSettings
) -> NDArray[np.float32]:
    """Seizure probability (tokens,) at 16 Hz: the mean over windows of each window's log odds, as a probability."""
    return as_probability(log_odds_trace(model, signal, windows, settings))


def log_odds_trace(
    model: Detector, signal: CachedSignal, windows: WindowSettings, settings: InferenceSettings
) -> NDArray[np.float32]:
    """Log odds of "ictal" (tokens,) at 16 Hz: the mean over windows of what the network says of each token."""
    model.eval()
    laid = lay_windows(signal.layout, windows, settings.stride_tokens)
    logits_NL = np.concatenate(list(outputs(model, signal, laid, windows, settings)))
    return stitch(signal.layout, laid, logits_NL)


@torch.inference_mode()
def outputs(
    function: Callable[[Tensor], Tensor],
    signal: CachedSignal,
    laid: Sequence[Window],
    windows: WindowSettings,
    settings: InferenceSettings,
) -> Iterator[NDArray[np.float32]]:
    """A function of the network on `settings.device` for the windows `laid` over a recording, batch by batch, in float32."""
    for first in range(0, len(laid), settings.batch_size):
        chosen = laid[first : first + settings.batch_size]
        window_BCT = torch.from_numpy(np.stack([signal.window(window, windows) for window in chosen]))
        yield function(window_BCT.to(settings.device)).float().cpu().numpy()


def as_probability(log_odds_L: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities on the grid of `resolve`."""
    return resolve(1 / (1 + np.exp(-log_odds_L.astype(np.float64))))
