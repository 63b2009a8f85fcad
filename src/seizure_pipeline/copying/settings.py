"""How files are copied."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from seizure_pipeline.configuration import Settings


class PopulateSettings(Settings):
    """How many files are under way at once, which are left out, and whether every copy is read again.

    `exclude` are glob patterns of relative paths. Each file under way holds up to 32 MiB in memory, and on its way into a
    bucket lies below `scratch` (None: the system's folder for temporary files)."""

    workers: int = Field(8, ge=1, le=64)
    exclude: tuple[str, ...] = ()
    verify: bool = True
    scratch: Path | None = None
