"""A project somewhere else: a folder with the configuration that the installed package carries, and what Kedro asks for."""

from __future__ import annotations

import shutil
from importlib.metadata import distribution
from pathlib import Path

import kedro

PACKAGE = "seizure_pipeline"
CARRIED = f"share/{PACKAGE}/conf/"
PYPROJECT = f"""[tool.kedro]
package_name = "{PACKAGE}"
project_name = "{PACKAGE}"
kedro_init_version = "{kedro.__version__}"
source_dir = "."
"""
IGNORED = "data/\nmlflow.db*\nmlruns/\nconf/local/*\nconf/**/*credentials*\n!conf/base/credentials.yml\n"
FILES = {"pyproject.toml": PYPROJECT, ".gitignore": IGNORED, ".telemetry": "consent: false\n", "conf/local/.gitkeep": ""}


class ProjectError(ValueError):
    """A project that cannot be begun or packaged; the message names the file or folder and the rule."""


def carried_configuration() -> dict[str, Path]:
    """The files of conf/ that the installed package carries, by their path below conf/; none where it is a checkout."""
    files = distribution("seizure-pipeline").files or []
    return {path.as_posix().partition(CARRIED)[2]: Path(str(path.locate())) for path in files if CARRIED in path.as_posix()}


def start_project(folder: Path) -> list[str]:
    """Make the folder of a project that runs the installed package; the environments of its conf/, by name.

    Raises ProjectError for a folder that holds something, or where the package carries no configuration."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"{folder}: holds something already; a project begins in a new or empty folder")
    carried = carried_configuration()
    if not carried:
        raise ProjectError("the installed package carries no conf/; work in the checkout that it was installed from")
    for name, path in carried.items():
        target = folder / "conf" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return sorted(path.name for path in (folder / "conf").iterdir() if path.is_dir() and path.name != "local")


def check_no_secrets(conf: Path) -> None:
    """Raise ProjectError where an archive of the folder `conf` would hold somebody's credentials."""
    found = [path for path in sorted(conf.rglob("*credentials*")) if path != conf / "base" / "credentials.yml"]
    local = [path for path in sorted((conf / "local").rglob("*")) if path.is_file() and path.name != ".gitkeep"]
    if private := [str(path) for path in dict.fromkeys([*found, *local])]:
        raise ProjectError(f"{', '.join(private)}: would go into the archive of conf/; move them away while packaging")
