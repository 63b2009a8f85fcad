"""What `kedro doctor` looks for: one thing and its state, and what is asked of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seizure_pipeline.corpora.places import local_path_of, protocol_of


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked for. `absent`: not here, and this environment does without; `missing`: its runs fail or stop."""

    subject: str
    state: Literal["ok", "absent", "missing"]
    found: str
    cost: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked of this machine: an environment's configuration by sections, and the folders that it names."""

    configuration: Mapping[str, Any]
    project: Path
    data_root: Path

    @property
    def sends_to_modal(self) -> bool:
        """Whether nodes that want a GPU run on Modal."""
        return bool(self.configuration["runner"].get("backend") == "modal")

    @property
    def cuda_by(self) -> tuple[str, ...]:
        """The parameters that ask for a GPU in this machine."""
        parameters = self.configuration["parameters"]
        asking = tuple(f"{room}.device" for room in ("training", "inference") if parameters[room].get("device") == "cuda")
        return () if self.sends_to_modal else asking

    @property
    def unasked(self) -> tuple[str, ...]:
        """What no run of the environment uses, and others do."""
        on_gpu = () if self.cuda_by else ("GPU", "CUDA", "scan kernel")
        return on_gpu if self.sends_to_modal else (*on_gpu, "Modal token")

    @property
    def corpus_url(self) -> str:
        """Where the corpus is; empty where that is not set."""
        return str(self.configuration["catalog"]["corpus"]["filepath"] or "")

    def path_of(self, url: str) -> Path:
        """Where a local URL or path of the configuration lies."""
        return self.project / url if protocol_of(url) is None else local_path_of(url)
