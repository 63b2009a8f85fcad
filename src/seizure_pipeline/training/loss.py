"""Loss per token, padding left out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from seizure_pipeline.training.settings import LossSettings


def token_loss(logits_BL: Tensor, ictal_BL: Tensor, valid_BL: Tensor, settings: LossSettings) -> Tensor:
    """Mean over valid tokens of the binary cross-entropy, or of (1 - p_t)^gamma times it (Lin et al. 2017, eq. 4)."""
    entropy_BL = functional.binary_cross_entropy_with_logits(logits_BL, ictal_BL, reduction="none")
    if settings.kind == "focal":
        entropy_BL = entropy_BL * (1 - torch.exp(-entropy_BL)) ** settings.focal_gamma
    return (entropy_BL * valid_BL).sum() / valid_BL.sum()
