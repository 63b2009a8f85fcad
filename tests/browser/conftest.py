"""A project with two finished runs, the servers that `make viz` and `make mlflow` start on it, and a window to look at them.

The screenshots stay in data/08_reporting/browser.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from window import CHROMIUM, DRIVER, PATIENCE_S, Window

REPOSITORY = Path(__file__).resolve().parents[2]
SCREENSHOTS = REPOSITORY / "data" / "08_reporting" / "browser"
BIN = Path(sys.executable).parent
USABLE = "evaluation.operating_budget_per_24h=1000,training.epochs=3"  # minutes of EEG meet no smaller budget


@pytest.fixture(scope="session")
def window() -> Iterator[Window]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(
            "chromium and chromedriver (Debian: chromium, chromium-driver) are not on this machine; they open the pages"
        )
    window = Window(SCREENSHOTS)
    yield window
    window.close()


@pytest.fixture(scope="session")
def finished(project: Path, window: Window) -> Path:
    """The project after two runs of `smoke`, both with a threshold, so that the detector of each is registered."""
    kedro("generate-corpus", cwd=project)
    kedro("run", "--params", USABLE, cwd=project)
    kedro("run", "--params", f"{USABLE},training.optimizer.learning_rate=0.01", cwd=project)
    return project


@pytest.fixture(scope="session")
def viz(finished: Path) -> Iterator[str]:
    with served("viz", "api/main", finished) as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_ui(finished: Path) -> Iterator[str]:
    with served("mlflow", "health", finished) as url:
        yield url


def kedro(command: str, *options: str, cwd: Path) -> None:
    ended = subprocess.run(
        [BIN / "kedro", command, "--env", "smoke", *options], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]


@contextmanager
def served(target: str, answer: str, cwd: Path) -> Iterator[str]:
    """The URL of what `make TARGET` serves in a project, up to the slash; all its processes are gone afterwards."""
    port = free_port()
    make = [str(shutil.which("make")), "--file", REPOSITORY / "Makefile", "--old-file", "install", target]
    with (cwd / f"{target}.log").open("w") as log:
        variables = [f"BIN={BIN}", f"PORT={port}", "ENV=smoke"]
        server = subprocess.Popen([*make, *variables], cwd=cwd, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(f"{url}{answer}", server, cwd / f"{target}.log")
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENCE_S)


def free_port() -> int:
    """A port below those that the system lends out, of which kedro-viz refuses the upper ones."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urlopen(url, timeout=PATIENCE_S):
                return
        except URLError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end_s, f"{url} answers nothing: {log.read_text()}"
            time.sleep(0.5)
