"""`kedro cache list` and `kedro cache prune`: what lies in the cache, by the settings that made it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seizure_pipeline.commands.options import check_environment, configuration_of, located, plain_errors, project_root

if TYPE_CHECKING:
    from seizure_pipeline.cache.chains import Chain

MEGABYTE = 1e6


@click.group(name="cache")
def cache_group() -> None:
    """Show and remove what windowing cached, by the fingerprint of the settings that made it."""


@cache_group.command(name="list", params=located())
def cache_list_command(env: str | None, params: dict[str, Any]) -> None:
    """List the folders of the cache: fingerprint, recordings, size, when it was filled last, settings."""
    _on_cache(env, params, lambda folder, _, parameters: list_cache(folder, parameters))


@cache_group.command(name="prune", params=located())
@click.argument("fingerprints", nargs=-1)
@click.option("--leftovers", is_flag=True, help="Remove files of recordings that the window index no longer names.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Remove what the settings of now read, too.")
def cache_prune_command(
    env: str | None, params: dict[str, Any], fingerprints: tuple[str, ...], leftovers: bool, yes: bool, force: bool
) -> None:
    """Delete the cached files of FINGERPRINTS, as `kedro cache list` shows them, or leftovers; asks first."""
    if leftovers == bool(fingerprints):
        raise click.UsageError("name fingerprints, as `kedro cache list` shows them, or --leftovers")
    if leftovers:
        _on_cache(env, params, lambda folder, index, parameters: prune_leftovers(folder, index, parameters, yes))
    else:
        _on_cache(env, params, lambda folder, _, parameters: prune_cache(folder, parameters, fingerprints, yes, force))


def _on_cache(env: str | None, params: dict[str, Any], act: Callable[[Path, Path, dict[str, Any]], None]) -> None:
    check_environment(env)
    configuration = configuration_of(env, None, params)
    folder, index = (project_root() / configuration["catalog"][name]["filepath"] for name in ("window_cache", "window_index"))
    with plain_errors():
        act(folder, index, configuration["parameters"])


def list_cache(folder: Path, parameters: dict[str, Any]) -> None:
    """Print every chain's folder with its settings, and which one the settings of now read."""
    from seizure_pipeline.cache.chains import list_chains

    chains = list_chains(folder)
    wanted = wanted_chain(parameters)
    for chain in chains:
        click.echo(_line(chain, wanted))
        click.echo(f"    {chain.settings}")
    if not any(chain.name == wanted for chain in chains):
        click.echo(f"{wanted}  nothing cached yet with the settings of now, in {folder}")


def prune_cache(folder: Path, parameters: dict[str, Any], names: tuple[str, ...], sure: bool, force: bool) -> None:
    """Delete the named chains' files after asking; raises ClickException for a name not listed or in use."""
    from seizure_pipeline.cache.chains import list_chains, remove_chain

    listed = {chain.name: chain for chain in list_chains(folder)}
    wanted = wanted_chain(parameters)
    for name in names:
        if name not in listed:
            raise click.ClickException(f"no {name} in {folder}; there are {', '.join(listed) or 'none'}")
        if name == wanted and not force:
            raise click.ClickException(f"{name} is what the settings of now read; --force removes it nevertheless")
    chosen = [listed[name] for name in dict.fromkeys(names)]
    for chain in chosen:
        click.echo(_line(chain, wanted))
    if not sure:
        click.confirm(f"Delete these {sum(len(chain.files) for chain in chosen)} files in {folder}?", abort=True)
    for chain in chosen:
        stays = remove_chain(chain)
        click.echo(f"{chain.name}: {len(chain.files)} files deleted")
        for path in stays:
            click.echo(f"    left alone, not the cache's own: {path}")


def prune_leftovers(folder: Path, index: Path, parameters: dict[str, Any], sure: bool) -> None:
    """Delete cached files that the window index at `index` no longer names, of the settings of now, after asking."""
    import pandas as pd

    from seizure_pipeline.cache import rows_from_table
    from seizure_pipeline.cache.chains import remove_recordings
    from seizure_pipeline.cache.verify import leftovers

    if not index.is_file():
        raise click.ClickException(f"{index}: no such file; the windowing pipeline writes it")
    wanted = wanted_chain(parameters)
    files = leftovers(folder, wanted, rows_from_table(pd.read_parquet(index)))
    for path in files:
        click.echo(f"{path}  {path.stat().st_size / MEGABYTE:,.1f} MB")
    if not files:
        click.echo(f"{folder / wanted}: nothing is left over")
        return
    if not sure:
        click.confirm(f"Delete these {len(files)} files of recordings that {index} does not name?", abort=True)
    remove_recordings(folder / wanted, files)
    click.echo(f"{len(files)} files deleted")


def wanted_chain(parameters: Mapping[str, Any]) -> str:
    """The folder of the cache that runs with these parameters read: the fingerprint of their chain."""
    from seizure_pipeline.cache import PreparationSettings
    from seizure_pipeline.cache.chains import chain_fingerprint
    from seizure_pipeline.montage import MontageSettings

    preparation = PreparationSettings.model_validate(parameters["windowing"])
    return chain_fingerprint(preparation.signals, MontageSettings.model_validate(parameters["montage"]))


def _line(chain: Chain, wanted: str) -> str:
    filled = time.strftime("%Y-%m-%d %H:%M", time.localtime(chain.last_filled_s))
    size = f"{chain.size_bytes / MEGABYTE:,.1f} MB"
    line = f"{chain.name:<16}  {chain.recordings:>6,} recordings  {size:>14}  last filled {filled}"
    return f"{line}  the settings of now" if chain.name == wanted else line
