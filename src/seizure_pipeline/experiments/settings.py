"""The table of experiments: presets, and what each run overrides of the environment's parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from seizure_pipeline.configuration import Settings

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
OF_THE_CACHE = frozenset({"corpus", "montage", "windowing", "synthetic", "populate", "verify", "experiments"})
SAMPLE = "corpus.max_recordings"


class ExperimentSettings(Settings):
    """One experiment: the parameters of its preset, and over them its own, by dotted name."""

    preset: str
    overrides: dict[str, Any] = Field(default_factory=dict)


class ExperimentsSettings(Settings):
    """Which experiments are run, how many of them at once, and what all together may cost (null: no limit).

    `at_once` null is one after the other where trainings run on this machine, and all side by side where a provider has
    a machine for each. A run that is null takes out one of the same name of conf/base. Raises ValueError for what an
    experiment cannot change: all read one cache, of which SAMPLE may take a part."""

    at_once: int | None = Field(None, ge=1)
    budget_usd: float | None = Field(None, gt=0)
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    runs: dict[str, ExperimentSettings | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> ExperimentsSettings:
        for name, run in self.runs.items():
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} names a folder and is made of letters, digits, '_', '-' and '.'")
            if run is not None and run.preset not in self.presets:
                raise ValueError(f"{name}: no preset {run.preset!r}; there are {', '.join(sorted(self.presets)) or 'none'}")
        for name, overrides in self.chosen().items():
            _refuse_what_the_cache_is_made_from(name, overrides)
        return self

    def preset_of(self, name: str) -> str:
        """The preset of an experiment that is `chosen`."""
        run = self.runs[name]
        if run is None:
            raise KeyError(name)
        return run.preset

    def chosen(self) -> dict[str, dict[str, Any]]:
        """Experiment -> its parameters by dotted name, those of its preset included."""
        runs = {name: run for name, run in self.runs.items() if run is not None}
        return {name: {**self.presets[run.preset], **run.overrides} for name, run in runs.items()}


def _refuse_what_the_cache_is_made_from(name: str, overrides: Mapping[str, Any]) -> None:
    for parameter in overrides:
        if parameter.partition(".")[0] in OF_THE_CACHE and parameter != SAMPLE:
            raise ValueError(
                f"{name}: {parameter} cannot be overridden: experiments share one cache, and of its rooms {SAMPLE} alone "
                f"can differ; set it for all, with a data_root of its own"
            )


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`; ValueError where one name lies within the value of another."""
    found: dict[str, Any] = {}
    for name, value in dotted.items():
        *rooms, last = name.split(".")
        inner = found
        for room in rooms:
            inner = inner.setdefault(room, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{name}: {room} has a value already")
        inner[last] = value
    return found


def merged(parameters: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters` with the leaves of `changes` in their places."""
    both = dict(parameters)
    for name, value in changes.items():
        before = both.get(name)
        both[name] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return both
