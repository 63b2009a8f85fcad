"""The exponential moving average of a model's weights."""

from __future__ import annotations

from copy import deepcopy

import torch

from seizure_pipeline.model.detector import Detector


class Average:
    """Average of the weights after every step: a <- decay a + (1 - decay) w, from the first weights on.

    `model` holds it, a second copy of the network in the precision and on the device of the first."""

    def __init__(self, model: Detector, decay: float) -> None:
        self.model, self._decay = deepcopy(model).requires_grad_(False), decay

    @torch.no_grad()
    def add(self, model: Detector) -> None:
        """Take in the weights of now."""
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - self._decay)
