"""What every layout speaks in: settings, an entry per recording, and the error of a corpus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from seizure_pipeline.configuration import Settings
from seizure_pipeline.corpora.errors import CorpusError
from seizure_pipeline.corpora.folder import FileFacts

__all__ = ["SPLITS", "AnnotationForm", "CorpusError", "CorpusSettings", "Entry"]
SPLITS = ("train", "dev", "eval")
UNDECIDED = ""  # the split of a recording until its seizures are known
WITH_SPLIT_FOLDERS = ("synthetic", "tusz")
AnnotationForm = Literal["csv_bi", "csv", "events_tsv", "chb_mit", "siena"]


class CorpusSettings(Settings):
    """How a corpus is laid out, and how its patients are divided where the layout has no split folders.

    `splits` lists the patients of each split; or `split_fractions` gives the shares of patients in dev and eval, the
    others being train, drawn by `split_seed`. `annotations` says which of TUSZ's files to read: csv_bi (over all
    channels) or csv (channel by channel, all classes). `patient_pattern` is the regular expression whose first group is
    the patient in a file's relative path (layout bids); `exclude` are glob patterns of relative paths left out on
    purpose. `max_recordings` takes a sample, drawn by `split_seed`.
    """

    layout: Literal["synthetic", "tusz", "chb_mit", "siena", "bids"] = "tusz"
    annotations: Literal["csv_bi", "csv"] = "csv_bi"
    patient_pattern: str = r"(sub-[A-Za-z0-9]+)"
    splits: dict[Literal["train", "dev", "eval"], tuple[str, ...]] = Field(default_factory=dict)
    split_fractions: dict[Literal["dev", "eval"], float] = Field(default_factory=dict)
    split_seed: int = Field(42, ge=0)
    exclude: tuple[str, ...] = ()
    max_recordings: int | None = Field(None, ge=len(SPLITS))

    @model_validator(mode="after")
    def _splits_fit_the_layout(self) -> CorpusSettings:
        given = [name for name in ("splits", "split_fractions") if getattr(self, name)]
        if self.layout in WITH_SPLIT_FOLDERS and given:
            raise ValueError(f"corpus.{given[0]} is for layouts without split folders; layout {self.layout} has its own")
        if len(given) > 1:
            raise ValueError("corpus.splits and corpus.split_fractions are both given; patients are divided in one way")
        if self.layout != "tusz" and self.annotations != "csv_bi":
            raise ValueError(f"corpus.annotations is {self.annotations!r}; only layout tusz has more than one kind of file")
        return self

    @field_validator("split_fractions")
    @classmethod
    def _fractions_leave_some_to_train(cls, fractions: dict[str, float]) -> dict[str, float]:
        if fractions and not (all(share > 0 for share in fractions.values()) and sum(fractions.values()) < 1):
            raise ValueError(f"{fractions}: shares of patients lie above 0 and leave some to train, below 1 together")
        return fractions

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
    """One recording as the layout names it; paths are relative to the root, `annotation` None where there is none.

    `form` is the annotation file's; `names` are the names by which a file about several recordings may call this one.
    `problem`, where it is not empty, refuses the recording before it is opened.
    """

    recording_id: str
    patient_id: str
    split: str
    edf: FileFacts
    annotation: FileFacts | None
    form: AnnotationForm
    names: tuple[str, ...] = ()
    problem: str = ""
