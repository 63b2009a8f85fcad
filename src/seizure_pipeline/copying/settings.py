"""How files are copied."""

from __future__ import annotations

from pydantic import Field

from seizure_pipeline.configuration import Settings


class PopulateSettings(Settings):
    """How many files are under way at once, which are left out, and whether every copy is read again.

    `exclude` are glob patterns of relative paths. Each file under way holds up to 32 MiB in memory."""

    workers: int = Field(8, ge=1, le=64)
    exclude: tuple[str, ...] = ()
    verify: bool = True
