"""Settings of a training run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

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
    """AdamW with warm-up, then a cosine to zero or a plateau; decay on matrices and kernels only.

    `plateau` multiplies the learning rate by `plateau_factor` after more than `plateau_epochs` epochs without a better
    validation."""

    learning_rate: float = Field(3e-4, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup_fraction: float = Field(0.05, ge=0, lt=1)
    gradient_norm: float = Field(1.0, gt=0)
    schedule: Literal["cosine", "plateau"] = "cosine"
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    plateau_epochs: int = Field(5, ge=0)


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
    """One training run.

    `batch_size` windows make an update, on however many devices and in however many parts (`accumulate_steps`) they are
    computed. `compile` compiles the network whole, for one device, and `deterministic` makes every compilation give the
    same bits. `activation_checkpointing` computes the activations of every layer again in the backward pass instead of
    keeping them. `ema_decay` keeps a moving average of the weights, which is then what is validated and kept. A kill loses
    `checkpoint_steps` steps or `checkpoint_minutes` minutes at most; live numbers come every `log_every_steps` steps. Of the
    checkpoints of every `checkpoint_epochs`th epoch the last `checkpoints_kept` stay. `resume_from` names another run, from
    whose state this one goes on; the settings of both agree but for those in `may_differ` (dotted names). After
    `collapse_patience` epochs in a row that collapsed (see `collapse`) training stops. An update whose loss or gradient is
    not finite stops it, too, or is left out (`on_nonfinite: skip`), `nonfinite_skips_max` times at most."""

    seed: int = 42
    device: Literal["cpu", "cuda"] = "cpu"
    devices: int = Field(1, ge=1)
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
    deterministic: bool = True
    threads: int | None = Field(None, ge=1)
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(64, ge=1)
    accumulate_steps: int = Field(1, ge=1)
    activation_checkpointing: bool = False
    ema_decay: float | None = Field(None, gt=0, lt=1)
    patience_epochs: int = Field(20, ge=1)
    collapse_patience: int = Field(5, ge=1)
    on_nonfinite: Literal["stop", "skip"] = "stop"
    nonfinite_skips_max: int = Field(10, ge=0)
    checkpoint_steps: int = Field(50, ge=1)
    checkpoint_minutes: float | None = Field(10.0, gt=0)
    checkpoint_epochs: int | None = Field(None, ge=1)
    checkpoints_kept: int = Field(3, ge=1)
    resume_from: str | None = Field(None, pattern=r"^[0-9a-f]{16}$")
    may_differ: tuple[str, ...] = ()
    log_every_steps: int = Field(20, ge=1)
    validation_stride_s: float = Field(30.0, gt=0)
    shuffled_labels: bool = False
    feeding: FeedingSettings = FeedingSettings()
    sampling: SamplingSettings = SamplingSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()

    @property
    def windows_at_once(self) -> int:
        """Windows that a device's memory is asked to hold: those of one part of an update, in validation too."""
        return -(-self.batch_size // self.accumulate_steps)

    @model_validator(mode="after")
    def _what_is_compiled_is_on_one_device(self) -> TrainingSettings:
        if self.compile and self.devices > 1:
            raise ValueError(f"compile is for one device, and devices is {self.devices}: set training.compile: false")
        return self
