"""Settings of evaluation."""

from __future__ import annotations

from pydantic import Field

from seizure_pipeline.configuration import Settings


class EvaluationSettings(Settings):
    """What is scored and shown.

    `operating_budget_per_24h` is the false-alarm budget whose threshold on dev is kept for eval and detection; `tune`
    searches dev for the post-processing too; `allow_refused` scores splits that lost recordings; `pages` is how many
    recordings get a picture.
    """

    allow_refused: bool = False
    operating_budget_per_24h: float = Field(10.0, gt=0)
    tune: bool = False
    pages: int = Field(8, ge=0)
