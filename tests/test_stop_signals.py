"""SIGTERM and Ctrl-C while a model is trained: the state is saved within seconds, and the exit status says so."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_command_line import KEDRO, kedro

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped, signals_ask_to_stop, stop_if_asked

PATIENCE_S = 20.0
STOPPED_AS_ASKED = 75  # EX_TEMPFAIL of sysexits.h


@pytest.fixture(autouse=True)
def _nobody_asks() -> Iterator[None]:
    yield
    announcements.forget()


@signals_ask_to_stop()
def work_and_get(*numbers: signal.Signals) -> None:
    """A piece of work during which these signals come."""
    for number in numbers:
        os.kill(os.getpid(), number)
    stop_if_asked()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop_within_and_is_what_it_was_after(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    with pytest.raises(Stopped, match=f"signal {number.name}; the same command continues"):
        work_and_get(number)
    assert {each: signal.getsignal(each) for each in before} == before
    stop_if_asked()  # nobody asks any more


def test_a_second_ctrl_c_ends_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        work_and_get(signal.SIGINT, signal.SIGINT)


def test_a_signal_that_came_too_late_stops_the_work_after() -> None:
    with signals_ask_to_stop():
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Stopped):
        stop_if_asked()


def test_who_heeds_ctrl_c_already_goes_on_doing_so_and_threads_change_nothing() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: told.append(number))
    try:
        with signals_ask_to_stop():
            os.kill(os.getpid(), signal.SIGINT)
        assert told == [signal.SIGINT]
        heeded = []

        def look() -> None:
            with signals_ask_to_stop():
                heeded.append(signal.getsignal(signal.SIGTERM))

        usual = signal.getsignal(signal.SIGTERM)
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert heeded == [usual]
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_command_ends_with_a_status_of_its_own_and_the_same_command_goes_on(project: Path, small_corpus: Path) -> None:
    chosen = f"corpus_root={small_corpus},data_root=data/signals,training.threads=1,training.epochs=400,training.seed=5"
    made = kedro("run", "--env", "smoke", "--pipelines", "ingestion,windowing", f"--params={chosen}", cwd=project)
    assert made.returncode == 0, made.stderr
    command = [KEDRO, "run", "--env", "smoke", "--pipelines", "training", f"--params={chosen},training.patience_epochs=400"]
    for number in (signal.SIGTERM, signal.SIGINT):
        before = states(project)
        process = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        wait_until(lambda before=before: states(project) != before, process)
        sent_s = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=2 * PATIENCE_S)
        assert time.monotonic() - sent_s < PATIENCE_S
        assert process.returncode == STOPPED_AS_ASKED, told
        assert f"stopped: signal {number.name}; the same command continues where it was" in told
        assert "Traceback" not in told
    assert "continues at epoch" in told


def states(project: Path) -> list[int]:
    """When the states were written that lie there."""
    return [path.stat().st_mtime_ns for path in project.glob("data/signals/06_models/*/state.safetensors")]


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + 120
    while not is_so():
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
