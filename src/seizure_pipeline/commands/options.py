"""What commands share: the options of `kedro run`, the project and its configuration, and errors as one plain message."""

from __future__ import annotations

import copy
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from seizure_pipeline.configuration import nearest

TOLD_PLAINLY = (
    *(ValueError, RuntimeError, OSError),
    *(DatasetError, ParameterValidationError, MissingConfigException, OmegaConfBaseException, YAMLError),
)
UNREADABLE = re.compile(r"(\w+): Failed while loading data from dataset .*?filepath=\w*\(?'([^']*)'")


def run_options() -> list[click.Parameter]:
    """The options of `kedro run`, of which --env is also read from KEDRO_ENV, as Kedro's session does."""
    options = [copy.copy(option) for option in kedro_run.params]
    for option in options:
        if option.name == "env":
            option.envvar = "KEDRO_ENV"
    return options


def located(*names: str) -> list[click.Parameter]:
    """The options of `kedro run` that say where the data are."""
    return [option for option in run_options() if option.name in (names or ("env", "params"))]


@contextmanager
def plain_errors() -> Iterator[None]:
    """Tell an error of the project's own in one message, without a traceback; exit status 1."""
    try:
        yield
    except TOLD_PLAINLY as error:
        raise click.ClickException(plain_words(error)) from None


def plain_words(error: BaseException) -> str:
    """An error in one message: its class and what it says, and the file where that does not."""
    if isinstance(error, YAMLError):
        return f"{type(error).__name__}: {_wrong_yaml() or error}"
    unreadable = UNREADABLE.match(str(error)) if isinstance(error, DatasetError) else None
    if unreadable is not None and error.__cause__ is not None:
        name, path = unreadable.groups()
        reason = error.__cause__.__cause__ or error.__cause__  # the dataset tells, then the catalog
        return f"DatasetError: {name}: {path} cannot be read ({reason}); remove it and run what made it again"
    return f"{type(error).__name__}: {error}"


def _wrong_yaml() -> str:
    """The first file of conf/ that is no YAML, with the place in it: who merges them tells only the place."""
    for file in sorted((project_root() / "conf").rglob("*.yml")):
        try:
            OmegaConf.load(file)
        except YAMLError as error:
            return f"{file}: {' '.join(str(error).split())}"
    return ""


def check_environment(env: str | None) -> None:
    """Raise ClickException for an environment that has no folder in conf/, or where there is no conf/ at all."""
    folder = project_root() / "conf"
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: no such folder; python -m seizure_pipeline new-project FOLDER begins a project")
    known = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if env is not None and env not in known:
        raise click.ClickException(f"no environment {env!r} in conf/{nearest(env, known)}")


def check_pipelines(names: list[str] | None) -> None:
    """Raise ClickException for a pipeline that has no package below `pipelines`."""
    from seizure_pipeline import pipelines

    known = ["__default__", *sorted(module.name for module in pkgutil.iter_modules(pipelines.__path__))]
    for name in names or []:
        if name not in known:
            raise click.ClickException(f"no pipeline {name!r}{nearest(name, known)}")


def project_root() -> Path:
    """The project's folder, or this one where there is none around it."""
    from kedro.utils import find_kedro_project

    return Path(find_kedro_project(Path.cwd()) or Path.cwd())


def configuration_of(env: str | None, source: str | None, parameters: dict[str, Any] | None) -> Any:
    """The configuration of an environment by sections, from `source` or the project's conf/, with `--params` applied."""
    from kedro.framework.project import settings

    return settings.CONFIG_LOADER_CLASS(
        conf_source=source or str(project_root() / settings.CONF_SOURCE),
        env=env,
        runtime_params=parameters,
        **settings.CONFIG_LOADER_ARGS,
    )


def data_root_of(configuration: Any, params: dict[str, Any] | None) -> Path:
    """The folder below which runs write."""
    return project_root() / str((params or {}).get("data_root") or configuration["globals"]["data_root"])
