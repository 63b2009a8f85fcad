"""What a Modal container's software is made of: packages in layers that outlive a change of code, then this project's files."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import modal
import yaml

from seizure_pipeline.configuration import SOURCE
from seizure_pipeline.remote.settings import ImageSettings

PROJECT = "/root/project"
PINS = "/pins.txt"
# Measured with these made impossible to import: nodes that list, cache, train, infer and score run without them. Modal brings
# its own client along, and this side keeps MLflow and the picture of the pipeline.
STAYS_HERE = frozenset({"kedro-viz", "mlflow", "modal"})
CREDENTIALS = "conf/base/credentials.yml"
CONFIGURATION = frozenset({".yml", ".yaml", ".json"})


@dataclass(frozen=True, slots=True)
class Packages:
    """Requirements with exact versions: `torch` goes first and alone, so that no range of another one moves it."""

    torch: str
    others: tuple[str, ...]
    kernel: tuple[str, ...]
    pins: tuple[str, ...]

    @classmethod
    def of(cls, project: Path) -> Packages:
        """What pyproject.toml asks for, at the versions of requirements/constraints.txt."""
        table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
        constraints = project / "requirements" / "constraints.txt"
        pins = tuple(sorted(line.strip() for line in constraints.read_text().splitlines() if "==" in line))
        exact = {_name(pin): pin for pin in pins}
        asked = {_name(line): line.partition(";")[0].strip() for line in table["dependencies"]}
        torch = asked.pop("torch")
        others = tuple(exact.get(name, line) for name, line in sorted(asked.items()) if name not in STAYS_HERE)
        extra = (line.partition(";")[0].strip() for line in table["optional-dependencies"]["gpu"])
        return cls(torch, others, tuple(sorted(extra)), (*pins, torch))


def image_of(settings: ImageSettings, project: Path, shipped: Path) -> modal.Image:
    """The image of the far machine; the same layers for the same packages, with the files of `shipped` laid over them."""
    packages = Packages.of(project)
    image = _base(settings).pip_install(packages.torch)
    image = image.run_commands(f"printf '%s\\n' {shlex.join(packages.pins)} > {PINS}")
    image = image.pip_install(*packages.others, extra_options=f"--constraint {PINS}")
    if settings.kernel:
        image = image.run_commands(_kernel(packages))
    return image.add_local_dir(shipped, PROJECT)


def not_a_checkout(project: Path) -> list[str]:
    """Why no image can be made of a project that has configuration alone, as `new-project` begins it."""
    lacking = [name for name in ("requirements/constraints.txt", "src/seizure_pipeline") if not (project / name).exists()]
    if not lacking:
        return []
    return [
        f"{project} has no {' and no '.join(lacking)}, of which Modal's image is built: a project of the installed package has "
        f"neither; give the command in a checkout of the source, with this project's conf/ copied there"
    ]


@contextmanager
def shipped(project: Path) -> Iterator[Path]:
    """A folder of what goes to the far machine: source and configuration, never a credential, never conf/local.

    Of conf/base/credentials.yml the names go, with nothing in them: the catalog asks for names, secrets bring values."""
    with tempfile.TemporaryDirectory(prefix="shipped-") as name:
        folder = Path(name)
        for file in travelling(project):
            target = folder / file.relative_to(project)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        (folder / CREDENTIALS).write_text(yaml.safe_dump({name: {} for name in _credential_names(project)}))
        yield folder


def python_minor() -> str:
    """The Python of this process, which is that of the far machine: 3.11."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def travelling(project: Path) -> Iterator[Path]:
    """The project's files that go to the far machine: source and configuration, never a credential, never conf/local."""
    yield from (project / name for name in ("pyproject.toml", ".telemetry"))
    package = project / "src" / "seizure_pipeline"
    yield from (file for file in sorted(package.rglob("*")) if file.suffix in {*SOURCE, ".typed"})
    conf = project / "conf"
    for file in sorted(conf.rglob("*")):
        if file.suffix in CONFIGURATION and file.is_file() and not _is_private(file.relative_to(conf)):
            yield file


def _base(settings: ImageSettings) -> modal.Image:
    if settings.cuda is None:
        image = modal.Image.debian_slim(python_minor())
    else:
        image = modal.Image.from_registry(settings.cuda, add_python=python_minor())
    return image.apt_install(*sorted(settings.apt)) if settings.apt else image


def _kernel(packages: Packages) -> list[str]:
    """Compile the scan against the torch that is there: wheels of others are built for other versions of it.

    The Python that Modal adds to an image was made by clang, which it names as its compiler, and images of CUDA have gcc."""
    tools = f"python -m pip install --constraint {PINS} ninja packaging setuptools wheel"
    forced = "CC=gcc CXX=g++ MAMBA_FORCE_BUILD=TRUE CAUSAL_CONV1D_FORCE_BUILD=TRUE"
    build = f"python -m pip install --no-build-isolation --constraint {PINS} {shlex.join(packages.kernel)}"
    return [tools, f"{forced} {build}"]


def _credential_names(project: Path) -> list[str]:
    base = project / CREDENTIALS
    return sorted(yaml.safe_load(base.read_text()) or {}) if base.exists() else []


def _is_private(file: Path) -> bool:
    return file.parts[0] == "local" or any("credentials" in part for part in file.parts)


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    if found is None:
        raise ValueError(f"no name of a package in {requirement!r}")
    return found.group().lower().replace("_", "-")
