"""The package somewhere else: a wheel with code and configuration gives a working project, and carries nobody's secrets."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from test_command_line import REPOSITORY

from seizure_pipeline.settings import DISABLE_HOOKS_FOR_PLUGINS

SECRET = "planted-secret-K7MDENG"
CONF = "share/seizure_pipeline/conf/"
COPIED = ("pyproject.toml", "README.md", "LICENSE", ".telemetry")
PLANTED = ("conf/modal/credentials.yml", "conf/local/credentials.yml", "conf/smoke/credentials_s3.yml")


def configured(root: Path) -> set[str]:
    """The files of conf/ that belong to everybody."""
    files = (path.relative_to(root) for path in root.rglob("*.yml"))
    return {str(path) for path in files if path.parts[0] != "local" and str(path) not in {name[5:] for name in PLANTED}}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which somebody keeps credentials."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("src", "conf"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in COPIED:
        shutil.copy(REPOSITORY / name, root / name)
    for name in PLANTED:
        (root / name).write_text(f"corpus_credentials: {{key: AKIA, secret: {SECRET}}}\n")
    return root


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, "."], cwd=checkout, check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment that has the wheel, and behind it what this one has installed, but not this checkout."""
    root = tmp_path_factory.mktemp("elsewhere")
    venv.create(root, with_pip=False, symlinks=True)
    into = ["--python", str(root / "bin" / "python"), "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", *into, wheel], check=True)
    (packages,) = root.glob("lib/python*/site-packages")
    (packages / "behind.pth").write_text(sysconfig.get_path("purelib"))
    return root


def run(environment: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [environment / "bin" / "python", "-m", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_wheel_carries_the_whole_configuration_and_no_credentials(wheel: Path, checkout: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        carried = {name.partition(CONF)[2] for name in names if CONF in name}
        assert not [name for name in names if SECRET.encode() in archive.read(name)]
    assert carried == configured(checkout / "conf")
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert all((REPOSITORY / "src" / name).is_file() for name in names if name.startswith("seizure_pipeline/"))


@pytest.mark.slow
def test_an_installed_package_begins_a_project_that_runs(elsewhere: Path, small_corpus: Path, tmp_path: Path) -> None:
    begun = run(elsewhere, "seizure_pipeline", "new-project", "mine", cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    assert begun.stdout.startswith("mine/conf: environments base, ")
    project = tmp_path / "mine"
    assert configured(project / "conf") == configured(REPOSITORY / "conf")
    assert yaml.safe_load((project / ".telemetry").read_text()) == {"consent": False}
    places = f"corpus_root={small_corpus},data_root=data"
    done = run(
        elsewhere, "kedro", "run", "--env", "smoke", "--pipelines", "ingestion,windowing", "--params", places, cwd=project
    )
    assert done.returncode == 0, done.stderr
    assert (project / "data" / "05_model_input" / "window_index.parquet").is_file()
    used = run(elsewhere, "kedro", "run", "--env", "smoke", "--params", "nosuch=1", cwd=project)
    assert used.returncode == 1
    assert "nosuch: no such parameter" in used.stderr
    where = "import seizure_pipeline as s; print(s.__file__)"
    imported = subprocess.run([elsewhere / "bin" / "python", "-c", where], capture_output=True, text=True, check=True)
    assert Path(imported.stdout).is_relative_to(elsewhere)
    again = run(elsewhere, "seizure_pipeline", "new-project", "mine", cwd=tmp_path)
    assert again.returncode == 1
    assert "mine: holds something already" in again.stderr


@pytest.mark.slow
def test_kedros_archive_of_the_configuration_runs_without_a_project(
    elsewhere: Path, small_corpus: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "conf-seizure_pipeline.tar.gz"
    subprocess.run(["tar", "-czf", archive, f"--directory={REPOSITORY}", "conf/base", "conf/smoke", "conf/local"], check=True)
    (tmp_path / "empty").mkdir()
    places = ("--params", f"corpus_root={small_corpus},data_root=data")
    arguments = ("--conf-source", str(archive), "--env", "smoke", "--pipelines", "ingestion", *places)
    done = run(elsewhere, "seizure_pipeline", *arguments, cwd=tmp_path / "empty")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "empty/data/02_intermediate/recordings.parquet").is_file()
    assert "INFO    examining recordings: 8 recordings" in done.stderr
    assert "Loading data from" not in done.stdout + done.stderr


def test_no_plugin_of_kedro_tells_others_what_is_run() -> None:
    plugins = {point.dist.name for point in entry_points(group="kedro.hooks") if point.dist is not None}
    assert "kedro-telemetry" in plugins
    assert plugins - set(DISABLE_HOOKS_FOR_PLUGINS) <= {"kedro-viz"}
    assert yaml.safe_load((REPOSITORY / ".telemetry").read_text()) == {"consent": False}


def test_a_folder_that_is_no_project_is_told_how_to_begin_one(elsewhere: Path, tmp_path: Path) -> None:
    for arguments in (["run"], ["doctor"], ["cache", "list"]):
        done = run(elsewhere, "seizure_pipeline", *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert "new-project FOLDER begins a project" in done.stderr
        assert "Traceback" not in done.stderr


def test_packaging_is_refused_where_the_archive_would_hold_credentials(checkout: Path) -> None:
    refused = subprocess.run(
        [Path(sys.executable).with_name("kedro"), "package"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert all(name in refused.stderr for name in PLANTED)
    assert SECRET not in refused.stdout + refused.stderr
    assert not (checkout / "dist").exists()
