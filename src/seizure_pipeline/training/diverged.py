"""What training says where its numbers break: at which step, at which learning rate, and what can be done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

NUMERIC_ERRORS = (torch.linalg.LinAlgError, FloatingPointError)  # type: ignore[attr-defined]  # public, but not in __all__


class TrainingDiverged(RuntimeError):
    """Loss, gradient or probabilities are no longer numbers; no weights that give such numbers were saved after it."""


def diverged(what: str, step: int, rate: float, also: str = "") -> TrainingDiverged:
    """The error for `what` was seen at optimizer step `step` (from 0), whose learning rate is `rate`; `also` ends it."""
    return TrainingDiverged(
        f"{what} at step {step}, learning rate {rate:.3g}. Nothing after it is saved, and the same command would come here "
        f"again: set a smaller training.optimizer.learning_rate, or a smaller gradient_norm or larger warmup_fraction beside "
        f"it, which makes it another run from its first step on{also}"
    )


@contextmanager
def told_where_it_diverges(what: str, step: int, rate: float) -> Iterator[None]:
    """Raise TrainingDiverged where an eigendecomposition fails or FloatingPointError says that a result is no number."""
    try:
        yield
    except NUMERIC_ERRORS as error:
        reason = str(error).partition("\n")[0]
        raise diverged(f"{what} ({reason})", step, rate) from error
