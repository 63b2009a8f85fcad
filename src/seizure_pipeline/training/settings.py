"""Settings of a training run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seizure_pipeline.configuration import Settings


class SamplingSettings(Settings):
    """Windows of an epoch: all partly ictal ones, and of the others so many for each of those."""

    full_per_partial: float = Field(0.3, ge=0)
    background_per_partial: float = Field(2.5, gt=0)
    max_partial: int | None = Field(None, ge=1)


class LossSettings(Settings):
    """Binary cross-entropy per token, or its focal form (Lin et al. 2017) with exponent `focal_gamma`."""

    kind: Literal["bce", "focal"] = "bce"
    focal_gamma: float = Field(2.0, ge=0)


class OptimizerSettings(Settings):
    """AdamW with warm-up and a cosine to zero; decay on matrices and kernels only."""

    learning_rate: float = Field(3e-4, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup_fraction: float = Field(0.05, ge=0, lt=1)
    gradient_norm: float = Field(1.0, gt=0)


class FeedingSettings(Settings):
    """Where windows come from: speed and memory change with it, never a result.

    `resident` keeps all signals on the device, `ring` copies from files held in memory, `disk` reads each window from there;
    `auto` takes the first that fits. A ring has `threads` (2 from memory, 8 from the disk unless given) and `ahead`
    batches; signals may take `device_share` of the free memory on the device (training takes the rest: measured, 54 of
    80 GB for batches of 16), or `memory_share` of that beside it."""

    kind: Literal["auto", "resident", "ring", "disk"] = "auto"
    threads: int | None = Field(None, ge=1)
    ahead: int = Field(3, ge=2)
    device_share: float = Field(0.25, gt=0, le=1)
    memory_share: float = Field(0.5, gt=0, le=1)


class TrainingSettings(Settings):
    """One training run; a kill loses `checkpoint_steps` steps at most, live numbers come every `log_every_steps` steps."""

    seed: int = 42
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int | None = Field(None, ge=1)
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(64, ge=1)
    patience_epochs: int = Field(5, ge=1)
    checkpoint_steps: int = Field(50, ge=1)
    log_every_steps: int = Field(20, ge=1)
    validation_stride_s: float = Field(30.0, gt=0)
    shuffled_labels: bool = False
    feeding: FeedingSettings = FeedingSettings()
    sampling: SamplingSettings = SamplingSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
