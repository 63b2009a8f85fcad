"""What every layout speaks in: settings, an entry per recording, and the error of a corpus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from seizure_pipeline.configuration import Settings
from seizure_pipeline.corpora.folder import FileFacts

SPLITS = ("train", "dev", "eval")


class CorpusError(ValueError):
    """A corpus that cannot be used as it is; the message names the file or patient, the value and the rule."""


class CorpusSettings(Settings):
    """How a corpus is laid out.

    `splits` lists the patients of each split where the layout has no split folders; `patient_pattern` is the regular
    expression whose first group is the patient in a file's relative path; `exclude` are glob patterns of relative
    paths left out on purpose.
    """

    layout: Literal["synthetic", "tusz", "bids"] = "tusz"
    patient_pattern: str = r"(sub-[A-Za-z0-9]+)"
    splits: dict[Literal["train", "dev", "eval"], tuple[str, ...]] = Field(default_factory=dict)
    exclude: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _splits_fit_the_layout(self) -> CorpusSettings:
        if self.layout != "bids" and self.splits:
            raise ValueError(f"corpus.splits is for layouts without split folders; layout {self.layout} has its own")
        return self

    @field_validator("patient_pattern")
    @classmethod
    def _pattern_has_a_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        if not groups:
            raise ValueError(f"{pattern!r} has no group; the first group is the patient")
        return pattern


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording as the layout names it; paths are relative to the root, `annotation` None where there is none."""

    recording_id: str
    patient_id: str
    split: str
    edf: FileFacts
    annotation: FileFacts | None
