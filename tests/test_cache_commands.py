"""`kedro cache list` and `prune`, and the pipeline `verify_cache`, as they are typed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from noise_corpus import ONE_PROCESS, build, write_annotation, write_corpus
from test_command_line import KEDRO, REPOSITORY

from seizure_pipeline.cache import CacheError, PreparationSettings, table_from_rows
from seizure_pipeline.cache.chains import hold_chain
from seizure_pipeline.cache.parts import new_part
from seizure_pipeline.commands.cache import list_cache, prune_cache, prune_leftovers

OTHER = PreparationSettings(workers=1, signals=ONE_PROCESS.signals.model_copy(update={"notch_hz": 50.0}))
PARAMETERS = {"windowing": ONE_PROCESS.model_dump(mode="json"), "montage": {}}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with a notch at 60 Hz, as the parameters say, one at 50 Hz, and one file of an earlier format."""
    write_corpus(tmp_path / "corpus")
    for settings in (ONE_PROCESS, OTHER):
        build(tmp_path / "corpus", tmp_path / "cache", settings)
    (tmp_path / "cache/aa_s001_t000.npz").write_bytes(b"format 1")
    return tmp_path / "cache"


def files(cache: Path) -> set[Path]:
    return {path for path in cache.rglob("*") if path.is_file()}


def lines(cache: Path) -> dict[str, str]:
    """Fingerprint -> its line in the list and its settings."""

    @click.command()
    def command() -> None:
        list_cache(cache, PARAMETERS)

    printed = CliRunner().invoke(command, catch_exceptions=False).output.splitlines()
    return {line.split()[0]: line + settings for line, settings in zip(printed[::2], printed[1::2], strict=True)}


def prune(cache: Path, *names: str, typed: str = "", sure: bool = False, force: bool = False) -> Result:
    @click.command()
    def command() -> None:
        prune_cache(cache, PARAMETERS, names, sure, force)

    return CliRunner().invoke(command, input=typed)


def in_use_and_other(cache: Path) -> tuple[str, str]:
    listed = lines(cache)
    (in_use,) = [name for name, line in listed.items() if "the settings of now" in line]
    (other,) = set(listed) - {in_use, "earlier"}
    return in_use, other


def test_the_list_names_every_chain_with_its_settings_and_which_one_is_in_use(cache: Path) -> None:
    in_use, other = in_use_and_other(cache)
    listed = lines(cache)
    assert "notch_hz 60.0" in listed[in_use]
    assert "notch_hz 50.0" in listed[other]
    assert {path.name for path in cache.iterdir() if path.is_dir()} == {in_use, other}
    assert " 3 recordings" in listed[in_use]
    assert " 1 recordings" in listed["earlier"]


def test_pruning_refuses_what_is_in_use_unknown_or_being_filled(cache: Path) -> None:
    in_use, other = in_use_and_other(cache)
    before = files(cache)
    assert "--force removes it" in prune(cache, in_use, sure=True).output
    assert "no 0123456789abcdef" in prune(cache, other, "0123456789abcdef", sure=True).output
    part, file = new_part(cache / other / "ab_s001_t000.npz")
    busy = prune(cache, other, sure=True)
    assert isinstance(busy.exception, CacheError)
    assert "a process is at work there now" in str(busy.exception)
    file.close()
    part.unlink()
    with hold_chain(cache / other):
        assert isinstance(prune(cache, other, sure=True).exception, CacheError)
    assert files(cache) == before
    assert prune(cache, in_use, sure=True, force=True).exit_code == 0
    assert not (cache / in_use).exists()


def test_pruning_asks_first_and_deletes_what_it_lists_and_nothing_else(cache: Path) -> None:
    _, other = in_use_and_other(cache)
    before = files(cache)
    assert prune(cache, other, typed="n\n").exit_code == 1
    assert files(cache) == before
    stranger = cache / other / "notes.txt"
    stranger.write_text("mine")
    agreed = prune(cache, other, typed="y\n")
    assert agreed.exit_code == 0
    assert str(stranger) in agreed.output
    assert files(cache) == {path for path in before if path.parent.name != other} | {stranger}


def test_pruning_the_earlier_format_leaves_the_chains(cache: Path) -> None:
    before = files(cache)
    assert prune(cache, "earlier", sure=True).exit_code == 0
    assert before - files(cache) == {cache / "aa_s001_t000.npz"}


def test_leftovers_go_after_asking_and_nothing_else_does(cache: Path, tmp_path: Path) -> None:
    in_use, _ = in_use_and_other(cache)
    index = build(tmp_path / "corpus", cache)
    table_from_rows(index[1:]).to_parquet(tmp_path / "index.parquet")
    (cache / in_use / "stranger.npz").write_bytes((cache / index[1].file).read_bytes())
    before = files(cache)

    @click.command()
    def command() -> None:
        prune_leftovers(cache, tmp_path / "index.parquet", PARAMETERS, sure=False)

    assert CliRunner().invoke(command, input="n\n").exit_code == 1
    assert files(cache) == before
    assert CliRunner().invoke(command, input="y\n").exit_code == 0
    assert before - files(cache) == {cache / index[0].file}
    assert "nothing is left over" in CliRunner().invoke(command).output


def kedro(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([KEDRO, *arguments], cwd=project, capture_output=True, text=True, check=False)


def test_verifying_fails_with_the_problems_in_a_table_and_the_list_finds_the_cache(project: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus")
    where = f"--params=corpus_root={tmp_path / 'corpus'},data_root={tmp_path / 'data'},windowing.workers=1"
    whole = kedro(project, "run", "--env", "smoke", "--pipelines", "ingestion,windowing,verify_cache", where)
    assert whole.returncode == 0, whole.stderr
    write_annotation(next((tmp_path / "corpus").rglob("ab_*.edf")), seizure_s=2.0)
    done = kedro(project, "run", "--env", "smoke", "--pipelines", "verify_cache", where)
    assert done.returncode == 1
    assert "2 problems in the cache" in done.stderr
    assert "Traceback" not in done.stderr
    table = pd.read_csv(tmp_path / "data/08_reporting/cache_problems.csv")
    assert list(table.columns) == ["recording", "file", "problem", "found", "expected"]
    assert set(table["recording"]) == {"ab_s001_t000"}
    assert "ingestion and windowing, run again" in done.stderr
    shutil.rmtree(tmp_path / "corpus/edf/train/ab")
    again = kedro(project, "run", "--env", "smoke", "--pipelines", "ingestion,windowing,verify_cache", where)
    assert again.returncode == 0, again.stderr
    assert set(pd.read_csv(tmp_path / "data/08_reporting/cache_problems.csv")["problem"]) == {"leftover"}
    pruned = kedro(project, "cache", "prune", "--leftovers", "--yes", "--env", "smoke", where)
    assert "1 files deleted" in pruned.stdout
    listed = kedro(project, "cache", "list", "--env", "smoke", where)
    assert " 2 recordings" in listed.stdout
    assert "the settings of now" in listed.stdout


def test_pruning_an_unknown_fingerprint_is_one_plain_message() -> None:
    done = kedro(REPOSITORY, "cache", "prune", "0123456789abcdef", "--env", "smoke")
    assert done.returncode == 1
    assert "no 0123456789abcdef" in done.stderr
    assert "Traceback" not in done.stderr
