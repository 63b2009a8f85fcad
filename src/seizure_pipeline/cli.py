"""The commands of the project; each imports what it needs when it is called, so that all begin at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.cli import project_commands
from kedro.framework.cli.project import package as kedro_package
from kedro.framework.cli.project import run as kedro_run

from seizure_pipeline.announcements import Stopped
from seizure_pipeline.commands.cache import cache_group
from seizure_pipeline.commands.options import (
    TOLD_PLAINLY,
    check_environment,
    check_pipelines,
    configuration_of,
    data_root_of,
    located,
    plain_errors,
    plain_words,
    project_root,
    run_options,
)
from seizure_pipeline.commands.running import choose_runner, with_preset
from seizure_pipeline.remote.backend import Detached

if TYPE_CHECKING:
    from seizure_pipeline.commands.remote import Desk
    from seizure_pipeline.scored_files import Form


@click.group(name=project_commands.name)  # groups of one name are listed as one, so that `run` and `package` stand there once
def cli() -> None:
    """Commands of this project."""


@cli.command(name="run", params=run_options(), help=kedro_run.help)
@click.option("--preset", help="Parameters of experiments.presets to run with, such as validate; --params go before them.")
@click.option("--verbose", is_flag=True, help="Show the whole traceback of an error.")
@click.pass_context
def run(ctx: click.Context, /, verbose: bool, preset: str | None = None, **options: Any) -> None:
    """Run pipelines; an error is one plain message unless --verbose is given."""
    if options["pipeline"] and not options["pipelines"]:
        options["pipelines"], options["pipeline"] = [options["pipeline"]], None
    if not options["conf_source"]:
        check_environment(options["env"])
    check_pipelines(options["pipelines"])
    try:
        if preset is not None:
            options["params"] = with_preset(preset, options)
        choose_runner(options)
        ctx.invoke(kedro_run, **options)
    except Detached as detached:
        click.echo(str(detached))
    except Stopped as stopped:
        raise _StoppedAsAsked(str(stopped)) from None
    except TOLD_PLAINLY as error:
        if verbose:
            raise
        raise click.ClickException(plain_words(error)) from None
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; the same command continues where it was") from None


class _StoppedAsAsked(click.ClickException):
    """Ends the process with a status of its own, that of sysexits.h for what may be tried again: all is saved."""

    exit_code = os.EX_TEMPFAIL


@cli.command(name="new-project")
@click.argument("folder", type=click.Path(path_type=Path))
def new_project_command(folder: Path) -> None:
    """Begin a project in a new FOLDER: the configuration of the installed package, to run and change there."""
    from seizure_pipeline.commands.project import start_project

    with plain_errors():
        environments = start_project(folder)
    click.echo(f"{folder}/conf: environments {', '.join(environments)}")
    click.echo(f"next: cd {folder}; kedro generate-corpus --env smoke; kedro run --env smoke")


@cli.command(name="package", help=kedro_package.help)
@click.pass_context
def package_command(ctx: click.Context, /) -> None:
    """Kedro's own, which puts all of conf/ but conf/local/*.yml into an archive: refused where that holds secrets."""
    from seizure_pipeline.commands.project import check_no_secrets

    with plain_errors():
        check_no_secrets(project_root() / "conf")
    ctx.invoke(kedro_package)


@cli.command(name="doctor", params=located())
@click.pass_context
def doctor_command(ctx: click.Context, /, env: str | None, params: dict[str, Any]) -> None:
    """Say what an environment needs of this machine, what is there, and what each missing thing costs.

    Exit status 0: nothing is missing that the environment needs; 1: something is. Nothing is changed."""
    from seizure_pipeline.commands.doctor import SECTIONS, print_findings
    from seizure_pipeline.commands.findings import Needs

    check_environment(env)
    configuration = configuration_of(env, None, params)
    with plain_errors():
        sections = {name: configuration[name] for name in SECTIONS}
        is_all_here = print_findings(Needs(sections, project_root(), data_root_of(configuration, params)), env)
    ctx.exit(0 if is_all_here else 1)


@cli.command(name="generate-corpus", params=located("env"))
def generate_corpus_command(env: str | None) -> None:
    """Generate the corpus of EDF files described by parameters_synthetic.yml where the catalog's `corpus` is."""
    from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
    from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
    from seizure_pipeline.hooks import check_parameters

    check_environment(env)
    configuration = configuration_of(env, None, {})
    with plain_errors():
        parameters = configuration["parameters"]
        root = project_root() / configuration["catalog"]["corpus"]["filepath"]
        check_parameters(parameters)
        if parameters["corpus"]["layout"] != "synthetic":
            raise ValueError(f"corpus.layout is {parameters['corpus']['layout']!r}; only layout 'synthetic' is generated")
        generate_corpus(root, SyntheticSettings(**parameters["synthetic"]))
    click.echo(f"corpus: {root}\nnext: kedro run{f' --env {env}' if env else ''}")


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
    from seizure_pipeline.commands.score import score_folders

    with plain_errors():
        score_folders(reference, hypothesis, rules, target, missing_as_empty, only)


@cli.command(name="compare", params=located())
@click.argument("run_a")
@click.argument("run_b")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write everything, by patient too, to this file.")
@click.option("--picture", type=click.Path(path_type=Path), help="Where to draw; by default among the reports.")
def compare_command(
    env: str | None, params: dict[str, Any], run_a: str, run_b: str, target: Path | None, picture: Path | None
) -> None:
    """Compare two MLflow runs, by name, id or how that begins: every headline figure, and how sure the difference is."""
    from seizure_pipeline.commands.compare import compare_runs

    check_environment(env)
    configuration = configuration_of(env, None, params)
    with plain_errors():
        folder = project_root() / configuration["catalog"]["reporting"]["filepath"]
        compare_runs(run_a, run_b, configuration["mlflow"]["tracking_uri"], folder, picture, target)


cli.add_command(cache_group)


@cli.command(name="reproduce-step")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Where to compute it; by default where it ran.")
def reproduce_step_command(folder: Path, device: str | None) -> None:
    """Compute a training step again that training kept in FOLDER because its loss or gradient was not finite."""
    from seizure_pipeline.training.nonfinite import reproduce

    with plain_errors():
        loss, norm = reproduce(folder, device)
    click.echo(f"loss {loss:.6g}, gradient norm {norm:.6g}: both are finite here")


@cli.group(name="remote")
def remote_group() -> None:
    """Show, follow and stop nodes that run elsewhere. ID is a call's name, or how it begins."""


@remote_group.command(name="list", params=located())
def remote_list_command(env: str | None, params: dict[str, Any]) -> None:
    """List the calls of this environment's data folder, and how those that ran stand now.

    Another machine comes back to them with a clone of the project at the same commit, the same store in mlflow.yml, and a
    copy of <data_root>/remote, the folder that this lists; nothing else is to be copied."""
    from seizure_pipeline.commands.remote import list_calls

    with plain_errors():
        list_calls(_desk(env, params))


@remote_group.command(name="attach", params=located())
@click.argument("name", metavar="ID")
@click.option("--verbose", is_flag=True, help="Show the whole traceback of an error.")
@click.pass_context
def remote_attach_command(ctx: click.Context, /, env: str | None, params: dict[str, Any], name: str, verbose: bool) -> None:
    """Follow a call again: into the same MLflow run, until its results are here and the nodes that were left ran.

    On another machine it also fetches what those nodes read and that is not here; `kedro remote list --help` says what to
    copy there first."""
    with plain_errors():
        call = _desk(env, params).journal.find(name)
    sent_with = {**call.params, **params}
    options: dict[str, Any] = {"env": call.env, "pipelines": list(call.request.pipelines), "params": sent_with}
    runner_params = {**call.runner_params, "attach": call.call, "detach": False}
    options |= {"node_names": list(call.left), "runner_params": runner_params}
    ctx.invoke(run, verbose=verbose, **options)


@remote_group.command(name="logs", params=located())
@click.argument("name", metavar="ID")
@click.option("--follow", is_flag=True, help="Go on until the call ends.")
def remote_logs_command(env: str | None, params: dict[str, Any], name: str, follow: bool) -> None:
    """Print what the far machine printed."""
    from seizure_pipeline.commands.remote import print_logs

    with plain_errors():
        print_logs(_desk(env, params), name, follow)


@remote_group.command(name="stop", params=located())
@click.argument("name", metavar="ID")
def remote_stop_command(env: str | None, params: dict[str, Any], name: str) -> None:
    """Ask a node to save what it has and to end."""
    from seizure_pipeline.commands.remote import stop_call

    with plain_errors():
        stop_call(_desk(env, params), name)


@remote_group.command(name="cost", params=located())
@click.argument("name", metavar="[ID]", required=False)
def remote_cost_command(env: str | None, params: dict[str, Any], name: str | None) -> None:
    """Print what calls took and cost, beside what was expected."""
    from seizure_pipeline.commands.remote import print_cost

    with plain_errors():
        print_cost(_desk(env, params), name)


def _desk(env: str | None, params: dict[str, Any]) -> Desk:
    from seizure_pipeline.commands.remote import Desk

    check_environment(env)
    configuration = configuration_of(env, None, params)
    return Desk.of(dict(configuration["runner"]), project_root(), data_root_of(configuration, params))
