"""Commands of the project: `kedro run` with the runner of its environment, `score`, `generate-corpus`, `cache`, `remote`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.utils import load_obj
from kedro.validation.exceptions import ParameterValidationError
from omegaconf import OmegaConf

from seizure_pipeline.remote.backend import Detached
from seizure_pipeline.remote.settings import ONE_COMMAND_ONLY

if TYPE_CHECKING:
    from seizure_pipeline.cli_remote import Desk
    from seizure_pipeline.scored_files import Form

RUNNER_MODULE = "kedro.runner"  # where Kedro looks for a runner that is named without its module


def _run_options() -> list[click.Parameter]:
    """The options of `kedro run`, of which --env is also read from KEDRO_ENV, as Kedro's session does."""
    options = [copy.copy(option) for option in kedro_run.params]
    for option in options:
        if option.name == "env":
            option.envvar = "KEDRO_ENV"
    return options


def _located(*names: str) -> list[click.Parameter]:
    """The options of `kedro run` that say where the data are."""
    return [option for option in _run_options() if option.name in (names or ("env", "params"))]


@click.group(name="seizure_pipeline")
def cli() -> None:
    """Commands of this project."""


@cli.command(name="run", params=_run_options(), help=kedro_run.help)
@click.option("--verbose", is_flag=True, help="Show the whole traceback of an error.")
@click.pass_context
def run(ctx: click.Context, /, verbose: bool, **options: Any) -> None:
    """Run pipelines; an error is one plain message unless --verbose is given."""
    if options["pipeline"] and not options["pipelines"]:
        options["pipelines"], options["pipeline"] = [options["pipeline"]], None
    _check_environment(options["env"])
    try:
        _choose_runner(options)
        ctx.invoke(kedro_run, **options)
    except Detached as detached:
        click.echo(str(detached))
    except (ValueError, RuntimeError, OSError, DatasetError, ParameterValidationError) as error:
        if verbose:
            raise
        raise click.ClickException(f"{type(error).__name__}: {error}") from None
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; the same command continues where it was") from None


def _choose_runner(options: dict[str, Any]) -> None:
    """Take the runner of the environment unless another is named; one that sends nodes elsewhere is told which run it is."""
    from seizure_pipeline.remote.runner import RemoteRunner

    configuration = _configuration(options["env"], options["conf_source"], options["params"])
    settings = dict(configuration["runner"])
    kind = settings.pop("type")
    runner = load_obj(options["runner"] or kind, RUNNER_MODULE)
    if runner is not load_obj(kind, RUNNER_MODULE):
        settings = {}
    given = options["runner_params"] or {}
    options["runner"] = f"{runner.__module__}.{runner.__qualname__}"
    options["runner_params"] = OmegaConf.to_container(OmegaConf.merge(settings, given))
    if issubclass(runner, RemoteRunner):
        told = {name: value for name, value in given.items() if name not in ONE_COMMAND_ONLY}
        options["runner_params"]["context"] = {**_context(options, configuration), "runner_params": told}


def _context(options: dict[str, Any], configuration: Any) -> dict[str, Any]:
    named = {name: options[name] for name in ("env", "pipelines", "params", "conf_source")}
    data_root = _data_root(configuration, options["params"])
    return {**{name: value for name, value in named.items() if value}, "project": _root(), "data_root": data_root}


def _data_root(configuration: Any, params: dict[str, Any] | None) -> Path:
    return _root() / str((params or {}).get("data_root") or configuration["globals"]["data_root"])


@cli.command(name="generate-corpus", params=_located("env"))
def generate_corpus_command(env: str | None) -> None:
    """Generate the corpus of EDF files described by parameters_synthetic.yml where the catalog's `corpus` is."""
    from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
    from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
    from seizure_pipeline.hooks import check_parameters

    _check_environment(env)
    configuration = _configuration(env, None, {})
    parameters = configuration["parameters"]
    root = _root() / configuration["catalog"]["corpus"]["filepath"]
    with _plain_errors():
        check_parameters(parameters)
        if parameters["corpus"]["layout"] != "synthetic":
            raise ValueError(f"corpus.layout is {parameters['corpus']['layout']!r}; only layout 'synthetic' is generated")
        generate_corpus(root, SyntheticSettings(**parameters["synthetic"]))


@cli.command(name="score")
@click.option("--reference", type=click.Path(path_type=Path), required=True, help="Folder of annotations: csv_bi, events TSV.")
@click.option("--hypothesis", type=click.Path(path_type=Path), required=True, help="Folder of detections: csv_bi, events TSV.")
@click.option("--rule", "rules", multiple=True, help="Rule to score by, such as ovlp; may be repeated. By default all.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write everything, by patient too, to this file.")
@click.option("--missing-as-empty", is_flag=True, help="Count a recording without hypothesis as one without detection.")
@click.option("--only", type=click.Choice(["csv_bi", "tsv"]), help="See files of this form only, where folders hold both.")
def score_command(
    reference: Path, hypothesis: Path, rules: tuple[str, ...], target: Path | None, missing_as_empty: bool, only: Form | None
) -> None:
    """Score detections against annotations, file by file of two folders, by the rules of NEDC and SzCORE."""
    from seizure_pipeline.cli_score import score_folders

    with _plain_errors():
        score_folders(reference, hypothesis, rules, target, missing_as_empty, only)


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


@cli.group(name="remote")
def remote_group() -> None:
    """Show, follow and stop nodes that run elsewhere. ID is a call's name, or how it begins."""


@remote_group.command(name="list", params=_located())
def remote_list_command(env: str | None, params: dict[str, Any]) -> None:
    """List the calls of this environment's data folder, and how those that ran stand now.

    Another machine comes back to them with a clone of the project at the same commit, the same store in mlflow.yml, and a
    copy of <data_root>/remote, the folder that this lists; nothing else is to be copied."""
    from seizure_pipeline.cli_remote import list_calls

    with _plain_errors():
        list_calls(_desk(env, params))


@remote_group.command(name="attach", params=_located())
@click.argument("name", metavar="ID")
@click.option("--verbose", is_flag=True, help="Show the whole traceback of an error.")
@click.pass_context
def remote_attach_command(ctx: click.Context, /, env: str | None, params: dict[str, Any], name: str, verbose: bool) -> None:
    """Follow a call again: into the same MLflow run, until its results are here and the nodes that were left ran.

    On another machine it also fetches what those nodes read and that is not here; `kedro remote list --help` says what to
    copy there first."""
    with _plain_errors():
        call = _desk(env, params).journal.find(name)
    sent_with = {**call.params, **params}
    options: dict[str, Any] = {"env": call.env, "pipelines": list(call.request.pipelines), "params": sent_with}
    runner_params = {**call.runner_params, "attach": call.call, "detach": False}
    options |= {"node_names": list(call.left), "runner_params": runner_params}
    ctx.invoke(run, verbose=verbose, **options)


@remote_group.command(name="logs", params=_located())
@click.argument("name", metavar="ID")
@click.option("--follow", is_flag=True, help="Go on until the call ends.")
def remote_logs_command(env: str | None, params: dict[str, Any], name: str, follow: bool) -> None:
    """Print what the far machine printed."""
    from seizure_pipeline.cli_remote import print_logs

    with _plain_errors():
        print_logs(_desk(env, params), name, follow)


@remote_group.command(name="stop", params=_located())
@click.argument("name", metavar="ID")
def remote_stop_command(env: str | None, params: dict[str, Any], name: str) -> None:
    """Ask a node to save what it has and to end."""
    from seizure_pipeline.cli_remote import stop_call

    with _plain_errors():
        stop_call(_desk(env, params), name)


@remote_group.command(name="cost", params=_located())
@click.argument("name", metavar="[ID]", required=False)
def remote_cost_command(env: str | None, params: dict[str, Any], name: str | None) -> None:
    """Print what calls took and cost, beside what was expected."""
    from seizure_pipeline.cli_remote import print_cost

    with _plain_errors():
        print_cost(_desk(env, params), name)


def _desk(env: str | None, params: dict[str, Any]) -> Desk:
    from seizure_pipeline.cli_remote import Desk

    _check_environment(env)
    configuration = _configuration(env, None, params)
    return Desk.of(dict(configuration["runner"]), _root(), _data_root(configuration, params))


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None


def _on_cache(env: str | None, params: dict[str, Any], act: Callable[[Path, Path, dict[str, Any]], None]) -> None:
    _check_environment(env)
    configuration = _configuration(env, None, params)
    folder, index = (_root() / configuration["catalog"][name]["filepath"] for name in ("window_cache", "window_index"))
    with _plain_errors():
        act(folder, index, configuration["parameters"])


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
