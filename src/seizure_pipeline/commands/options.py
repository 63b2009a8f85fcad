"""What commands share: the options of `kedro run`, the project and its configuration, and errors as one plain message."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run


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
    except (ValueError, RuntimeError, OSError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None


def check_environment(env: str | None) -> None:
    """Raise ClickException for an environment that has no folder in conf/, or where there is no conf/ at all."""
    folder = project_root() / "conf"
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: no such folder; python -m seizure_pipeline new-project FOLDER begins a project")
    known = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if env is not None and env not in known:
        raise click.ClickException(f"no environment {env!r} in conf/; there are {', '.join(known)}")


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
