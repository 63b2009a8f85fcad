"""Modal's control plane on loopback, which the real client talks to; `plane` is one for a test.

Its variables are there for the time of the test, for the client in this process and for the processes that it starts."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import modal.client
import pytest
from remote_fixtures import processes_of

from seizure_pipeline.remote.context import source_fingerprint
from seizure_pipeline.remote.modal.image import python_minor
from seizure_pipeline.remote.records import Request
from seizure_pipeline.remote.settings import RemoteSettings

REPOSITORY = Path(__file__).resolve().parents[1]
FAKE = REPOSITORY.parent / "shared" / "spikes" / "modal_fake" / "fakemodal.py"
VOLUME, FAR_ROOT = "seizure-data", "/vol/data"
SETTINGS = {
    "backend": "modal",
    "far_root": FAR_ROOT,
    "tags": {"gpu": {"cpu": 2, "memory_mib": 4096, "timeout_s": 600, "retries": {"count": 3, "delay_s": 1.0}}},
    "volumes": {"/vol": {"name": VOLUME}},
}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Any]:
    """A control plane; times it counts in (time-outs, delays before another attempt) are a twentieth of what was asked.

    It is a prototype that leaves pipes and sockets to the garbage collector, which is therefore called here. It patches in a
    context of its own: a test's variables, set after the plane's, are to be taken back before them."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patched:
        warnings.simplefilter("ignore", ResourceWarning)
        fake = _fake()
        patched.setattr(fake.Task, "commit", lambda task, volume: _bring(task.vols[volume], task.fake._vol(volume)))
        patched.setattr(fake.Task, "reload", lambda task, volume: _bring(task.fake._vol(volume), task.vols[volume]))
        with fake.FakeModal(tmp_path / "plane", time_scale=0.05, grace_s=20.0) as served, served.environ():
            _forget_client()
            yield served
        _forget_client()
        for task in served.tasks.values():
            _end(task.proc, served.url)
        del served
        gc.collect()


def settings(**changes: Any) -> RemoteSettings:
    """One volume, one machine without a GPU; with these changes."""
    return RemoteSettings.model_validate({**SETTINGS, **changes})


def request(project: Path, node: str, **changes: Any) -> Request:
    """A request for a node of `project`."""
    facts: dict[str, Any] = {
        "call": f"call-{node}",
        "node": node,
        "env": "smoke",
        "pipelines": ("training",),
        "params": {},
        "run_id": "2026-01-02T03.04.05.678Z",
        "far_root": FAR_ROOT,
        "code": source_fingerprint(project),
        "python": python_minor(),
        "grace_s": 10.0,
        "timeout_s": 600,
    }
    return Request(**{**facts, **changes})


def project_copy(root: Path) -> Path:
    """The project without its history and data, to plant things in."""
    for name in ("conf", "src", "requirements"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "local"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, root / name)
    return root


def until(true: Callable[[], Any], within_s: float = 60.0) -> Any:
    """What `true` returns once it is something."""
    end_s = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < end_s, f"not within {within_s} s: {true}"
        time.sleep(0.05)
    return found


def _end(container: subprocess.Popen[bytes], url: str) -> None:
    """A machine that ends takes all of its processes along; here only those of the container's own session went."""
    container.wait(20)
    for process in processes_of(f"{FAR_ROOT}/remote/"):
        with suppress(ProcessLookupError, FileNotFoundError):
            if url.encode() in Path(f"/proc/{process}/environ").read_bytes():  # not one of another plane's
                os.kill(process, signal.SIGKILL)
    for stream in (container.stdout, container.stderr):
        assert stream is not None
        stream.close()


def _bring(source: Path, target: Path) -> None:
    """Have at the target what changed at the source, and keep what changed there since.

    A commit ends with a reload, and Modal's client says of that: uncommitted changes "may implicitly be committed"."""

    def newer(file: str, there: str) -> str:
        with suppress(FileNotFoundError):  # renamed meanwhile
            now, known = os.stat(file), os.stat(there) if Path(there).exists() else None
            if known is None or now.st_mtime_ns > known.st_mtime_ns:
                part = f"{there}.coming"
                shutil.copyfile(file, part)
                os.utime(part, ns=(now.st_mtime_ns, now.st_mtime_ns))  # of before: what is appended meanwhile is newer
                os.replace(part, there)
        return there

    shutil.copytree(source, target, copy_function=newer, dirs_exist_ok=True)


def _forget_client() -> None:
    """The client is one for a process and keeps the address and the token with which it was made."""
    modal.client._Client._set_env_client(None)


def _fake() -> ModuleType:
    if not FAKE.exists():
        pytest.skip(f"Modal's control plane on loopback is not at ../shared/{FAKE.relative_to(FAKE.parents[2])}")
    if "fakemodal" not in sys.modules:
        spec = importlib.util.spec_from_file_location("fakemodal", FAKE)
        assert spec is not None
        assert spec.loader is not None
        sys.modules["fakemodal"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["fakemodal"])
    return sys.modules["fakemodal"]
