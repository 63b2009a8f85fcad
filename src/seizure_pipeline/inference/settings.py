"""Settings of inference."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from seizure_pipeline.configuration import Settings
from seizure_pipeline.windows import TOKEN_RATE_HZ


class InferenceSettings(Settings):
    """How a recording is run through the network; `stride_s` is the spacing of the windows that are averaged."""

    device: Literal["cpu", "cuda"] = "cpu"
    batch_size: int = Field(16, ge=1)
    stride_s: float = Field(10.0, gt=0)

    @field_validator("stride_s")
    @classmethod
    def _whole_tokens(cls, stride_s: float) -> float:
        if (stride_s * TOKEN_RATE_HZ) % 1:
            raise ValueError(f"stride_s is {stride_s} s; it must be a multiple of 1/16 s")
        return stride_s

    @property
    def stride_tokens(self) -> int:
        """Tokens between the starts of neighbouring windows."""
        return round(self.stride_s * TOKEN_RATE_HZ)
