"""The common sampling rate, the settings of the chain, and what is refused."""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from seizure_pipeline.configuration import Settings

RATE_HZ = 256.0
"""Sampling rate of everything behind this room."""
MIN_RATE_HZ = 100.0
"""Lowest sampling rate that is taken: below it half of the 0.5 to 120 Hz band would be missing."""
INT16_MAX = 32767


class SignalError(ValueError):
    """Raised for a signal that cannot be processed: too low a rate, values that are not finite, a flat channel."""


class SignalSettings(Settings):
    """Pass band, notch and range of the stored signal; `notch_hz` None means no notch.

    A recording of which more than `max_clipped_share` would be clipped is refused."""

    band_low_hz: float = Field(default=0.5, gt=0)
    band_high_hz: float = Field(default=120.0, lt=RATE_HZ / 2)
    filter_order: int = Field(default=4, ge=1, le=8)
    notch_hz: float | None = Field(default=60.0, gt=0, lt=RATE_HZ / 2)
    notch_q: float = Field(default=30.0, gt=0)
    clip_sd: float = Field(default=32.0, gt=0)
    max_clipped_share: float = Field(default=0.02, ge=0, le=1)

    @model_validator(mode="after")
    def _band_is_in_order(self) -> SignalSettings:
        if self.band_low_hz >= self.band_high_hz:
            raise ValueError(f"band_low_hz {self.band_low_hz:g} is not below band_high_hz {self.band_high_hz:g}")
        return self


def check_rate(rate_hz: float) -> None:
    """Raise SignalError for a sampling rate that is not finite or below the lowest that is taken."""
    if not math.isfinite(rate_hz):
        raise SignalError(f"sampling rate {rate_hz} Hz is not a finite number")
    if rate_hz < MIN_RATE_HZ:
        raise SignalError(f"sampling rate {rate_hz:g} Hz is below {MIN_RATE_HZ:g} Hz, the lowest that is taken")
