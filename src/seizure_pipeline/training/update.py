"""The gradient of one update: the batch in parts that fit the device, forward, loss, backward."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from seizure_pipeline.training.batches import Batch
from seizure_pipeline.training.division import Share
from seizure_pipeline.training.loss import token_loss
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.team import ALONE, Team

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def accumulate_gradients(
    network: Callable[[Tensor], Tensor], batch: Batch, settings: TrainingSettings, team: Team = ALONE
) -> Tensor:
    """Add to `.grad` the gradient of the mean loss over the valid tokens of all devices' batches; returns that loss ().

    The parts weigh by their valid tokens, so that the number of parts and devices changes the gradient by rounding alone (and
    by the dropout that each draws)."""
    valid = team.total(batch.valid_BL.sum())
    parts = _parts(batch.window_BCT.shape[0], settings.accumulate_steps)
    losses = [torch.zeros_like(valid)]
    for part in parts[:-1]:
        with team.apart(network):
            losses.append(_add_gradient(network, batch, part, valid, settings, team))
    losses.append(_add_gradient(network, batch, parts[-1], valid, settings, team))
    return team.total(torch.stack(losses).sum())


def _add_gradient(
    network: Callable[[Tensor], Tensor], batch: Batch, part: slice, valid: Tensor, settings: TrainingSettings, team: Team
) -> Tensor:
    """Add the gradient of one part; returns what it adds to the loss."""
    window_BCT, ictal_BL, valid_BL = batch.window_BCT[part], batch.ictal_BL[part], batch.valid_BL[part]
    if not window_BCT.shape[0]:
        return _add_nothing(network, batch)
    with autocast(settings):
        loss = token_loss(network(window_BCT), ictal_BL, valid_BL, settings.loss) * (valid_BL.sum() / valid)
    (loss * team.share.ranks).backward()  # type: ignore[no-untyped-call]  # gradients are averaged over the devices
    return loss.detach()


def _add_nothing(network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
    """Take part in the exchange of gradients with a window of zeros that counts nothing: an epoch's last batch may be so small
    that a device has no window of it."""
    nothing = network(batch.window_BCT.new_zeros(1, *batch.window_BCT.shape[1:])).sum() * 0
    nothing.backward()  # type: ignore[no-untyped-call]
    return nothing.detach()


def autocast(settings: TrainingSettings) -> AbstractContextManager[object]:
    """What forward passes and the loss run in: matrix products in `precision`, parameters and their gradients in float32."""
    dtype = DTYPES[settings.precision]
    return torch.autocast(settings.device, dtype, enabled=dtype != torch.float32)


def _parts(windows: int, parts: int) -> list[slice]:
    """Where the parts of a batch lie; fewer where it has fewer windows, and one that is empty for none."""
    shares = (Share(number, parts).of(0, windows) for number in range(parts))
    return [share for share in shares if share.stop > share.start] or [slice(0, 0)]
