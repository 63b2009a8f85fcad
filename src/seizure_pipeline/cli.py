"""Commands of the project: `kedro run` with the runner of its environment, `kedro generate-corpus` and `kedro cache`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import env_option
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError


def _located() -> list[click.Parameter]:
    """The options of `kedro run` that say where the data are."""
    return [option for option in kedro_run.params if option.name in ("env", "params")]


@click.group(name="seizure_pipeline")
def cli() -> None:
    """Commands of this project."""


@cli.command(name="run", params=[*kedro_run.params], help=kedro_run.help)
@click.option("--verbose", is_flag=True, help="Show the whole traceback of an error.")
@click.pass_context
def run(ctx: click.Context, /, verbose: bool, **options: Any) -> None:
    """Run pipelines; an error is one plain message unless --verbose is given."""
    if options["pipeline"] and not options["pipelines"]:
        options["pipelines"], options["pipeline"] = [options["pipeline"]], None
    _check_environment(options["env"])
    if ctx.get_parameter_source("runner") is ParameterSource.DEFAULT:
        settings = _configuration(options["env"], options["conf_source"], options["params"])["runner"]
        options["runner"] = settings["type"]
        chosen = {key: value for key, value in settings.items() if key != "type"}
        options["runner_params"] = {**chosen, **(options["runner_params"] or {})}
    try:
        ctx.invoke(kedro_run, **options)
    except (ValueError, RuntimeError, OSError, DatasetError, ParameterValidationError) as error:
        if verbose:
            raise
        raise click.ClickException(f"{type(error).__name__}: {error}") from None
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; the same command continues where it was") from None


@cli.command(name="generate-corpus")
@env_option
def generate_corpus_command(env: str | None) -> None:
    """Generate the corpus of EDF files described by parameters_synthetic.yml where the catalog's `corpus` is."""
    from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
    from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
    from seizure_pipeline.hooks import check_parameters

    _check_environment(env)
    configuration = _configuration(env, None, {})
    parameters = configuration["parameters"]
    root = _root() / configuration["catalog"]["corpus"]["filepath"]
    try:
        check_parameters(parameters)
        if parameters["corpus"]["layout"] != "synthetic":
            raise ValueError(f"corpus.layout is {parameters['corpus']['layout']!r}; only layout 'synthetic' is generated")
        generate_corpus(root, SyntheticSettings(**parameters["synthetic"]))
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None


@cli.group(name="cache")
def cache_group() -> None:
    """Show and remove what windowing cached, by the fingerprint of the settings that made it."""


@cache_group.command(name="list", params=_located())
def cache_list_command(env: str | None, params: dict[str, Any]) -> None:
    """List the folders of the cache: fingerprint, recordings, size, when it was filled last, settings."""
    from seizure_pipeline.cli_cache import list_cache

    _on_cache(env, params, lambda folder, _, parameters: list_cache(folder, parameters))


@cache_group.command(name="prune", params=_located())
@click.argument("fingerprints", nargs=-1)
@click.option("--leftovers", is_flag=True, help="Remove files of recordings that the window index no longer names.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Remove what the settings of now read, too.")
def cache_prune_command(
    env: str | None, params: dict[str, Any], fingerprints: tuple[str, ...], leftovers: bool, yes: bool, force: bool
) -> None:
    """Delete the cached files of FINGERPRINTS, as `kedro cache list` shows them, or leftovers; asks first."""
    from seizure_pipeline.cli_cache import prune_cache, prune_leftovers

    if leftovers == bool(fingerprints):
        raise click.UsageError("name fingerprints, as `kedro cache list` shows them, or --leftovers")
    if leftovers:
        _on_cache(env, params, lambda folder, index, parameters: prune_leftovers(folder, index, parameters, yes))
    else:
        _on_cache(env, params, lambda folder, _, parameters: prune_cache(folder, parameters, fingerprints, yes, force))


def _on_cache(env: str | None, params: dict[str, Any], act: Callable[[Path, Path, dict[str, Any]], None]) -> None:
    _check_environment(env)
    configuration = _configuration(env, None, params)
    folder, index = (_root() / configuration["catalog"][name]["filepath"] for name in ("window_cache", "window_index"))
    try:
        act(folder, index, configuration["parameters"])
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None


def _check_environment(env: str | None) -> None:
    folder = _root() / "conf"
    known = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if env is not None and env not in known:
        raise click.ClickException(f"no environment {env!r} in conf/; there are {', '.join(known)}")


def _root() -> Path:
    from kedro.utils import find_kedro_project

    return Path(find_kedro_project(Path.cwd()) or Path.cwd())


def _configuration(env: str | None, source: str | None, parameters: dict[str, Any] | None) -> Any:
    from kedro.framework.project import settings

    return settings.CONFIG_LOADER_CLASS(
        conf_source=source or str(_root() / settings.CONF_SOURCE),
        env=env,
        runtime_params=parameters,
        **settings.CONFIG_LOADER_ARGS,
    )
