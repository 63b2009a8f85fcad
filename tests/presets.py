"""The two sizes of the network that the project trains, and windows of noise for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch import Tensor

from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import ModelSettings

PARAMETERS = Path(__file__).parents[1] / "conf" / "base" / "parameters_training.yml"
BASE = ModelSettings(**yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))["model"])
FULL = ModelSettings()


def windows(count: int, tokens: int) -> Tensor:
    """White noise, (count, 19, 16 * tokens)."""
    return torch.randn(count, 19, 16 * tokens, generator=torch.Generator().manual_seed(1))


def without_dropout(settings: ModelSettings) -> ModelSettings:
    """The same network, deterministic while it trains."""
    return settings.model_copy(update={"tcn_dropout": 0.0, "graph_dropout": 0.0})


def outspoken(settings: ModelSettings) -> Detector:
    """A detector whose logits differ from token to token as much as those of a trained one."""
    torch.manual_seed(0)
    model = Detector(settings)
    model.head.logit.weight.data.mul_(1000)
    return model


def logits_and_gradients(forward: Callable[[Tensor], Tensor], model: Detector, window_BCT: Tensor) -> dict[str, Tensor]:
    """Logits by `forward`, which runs `model`, and the gradient of their squares with respect to each parameter by its name."""
    model.zero_grad(set_to_none=True)
    logits_BL = forward(window_BCT)
    logits_BL.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    return {"logits": logits_BL.detach()} | {name: gradient for name, gradient in gradients.items() if gradient is not None}
