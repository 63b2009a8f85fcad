"""Far nodes as processes of this machine, each watched over by one that outlives whoever started it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from seizure_pipeline.remote.backend import EndedWithoutAWord, RemoteError
from seizure_pipeline.remote.far.call_folder import EVENTS, REQUEST, outcome_in, whole_events, write_whole
from seizure_pipeline.remote.far.machine import gpu_names
from seizure_pipeline.remote.records import Event, Outcome, Request
from seizure_pipeline.remote.settings import Rates, Resources
from seizure_pipeline.remote.subprocess.watcher import LOCK, OUTPUT, RETRIES, STOP

WATCHER = "seizure_pipeline.remote.subprocess.watcher"
LOOK_S = 0.1
LINES_SHOWN = 20


class SubprocessBackend:
    """Runs the nodes of a project's folder; `far_root` is a folder of this machine. A call's id is its name."""

    name = "subprocess"

    def __init__(self, project: Path) -> None:
        self._project = project.resolve()
        self._read: dict[str, tuple[int, int]] = {}  # by call, how far its events were read: number and byte

    def problems(self, machines: Sequence[Resources]) -> list[str]:
        """GPUs that are asked for and not here, a line each."""
        asked = {(machine.gpu, machine.gpu_count) for machine in machines if machine.gpu}
        here = gpu_names() if asked else []
        return [
            f"runner.yml asks for {count} x {' or '.join(names)}; backend subprocess runs here, and here is "
            f"{', '.join(here) or 'no GPU'}"
            for names, count in sorted(asked)
            if not any(sum(_is_one(gpu, name) for gpu in here) >= count for name in names)
        ]

    def rates(self) -> Rates | None:
        """None: this machine sends no bill."""
        return None

    def put(self, local: Path, far: str) -> None:
        """Copy a file there, whole or not at all."""
        _copy(local, Path(far))

    def put_new(self, local: Path, far: str) -> bool:
        """Copy a file there unless there is one; whether it was copied."""
        target = Path(far)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _part_of(target)
        try:
            shutil.copyfile(local, part)
            os.link(part, target)
        except FileExistsError:
            return False
        finally:
            part.unlink(missing_ok=True)
        return True

    def get(self, far: str, local: Path) -> None:
        """Copy a file here, whole or not at all; FileNotFoundError where there is none."""
        _copy(Path(far), local)

    def listing(self, far: str) -> dict[str, int]:
        """Files below a folder: path relative to it -> bytes."""
        files = (path for path in sorted(Path(far).rglob("*")) if path.is_file())
        return {path.relative_to(far).as_posix(): path.stat().st_size for path in files}

    def start(self, request: Request, machine: Resources) -> str:
        """Start a node and what watches over it; both go on when this process ends."""
        folder = Path(request.folder)
        if (folder / REQUEST).exists():
            raise RemoteError(f"call {request.call} was started already")
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / REQUEST, request.to_json())
        write_whole(folder / RETRIES, machine.retries.model_dump_json())
        command = [sys.executable, "-m", WATCHER, str(folder), "--project", str(self._project)]
        begun = subprocess.run(
            command, cwd=self._project / "src", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if begun.returncode:
            said = "\n".join(begun.stderr.splitlines()[-LINES_SHOWN:])
            raise RemoteError(f"call {request.call} was not started:\n{said}")
        return request.call

    def find(self, request: Request) -> str | None:
        """The call's name, which is its id, once it was started; None before."""
        return request.call if (Path(request.folder) / LOCK).exists() else None

    def events(self, call_id: str, request: Request, after: int, wait_s: float) -> list[Event]:
        """Events with numbers beyond `after`, as soon as there are any; none after `wait_s`, or once the call ended."""
        until_s = time.monotonic() + wait_s
        while True:
            over = self._is_over(request)
            events = self._read_beyond(call_id, request, after)
            if events or over or time.monotonic() >= until_s:
                return events
            time.sleep(LOOK_S)

    def outcome(self, call_id: str, request: Request) -> Outcome | None:
        """How the call ended, None while it runs; EndedWithoutAWord where what watched over it is gone."""
        folder = Path(request.folder)
        runs = _is_held(folder / LOCK)  # asked first: it may end between the two
        ended = outcome_in(folder)
        if ended is not None or runs:
            return ended
        if not (folder / REQUEST).exists():
            raise RemoteError(f"there is no call {call_id} below {request.far_root}")
        said = "\n".join(deque(self.logs(call_id, request, follow=False), LINES_SHOWN))
        raise EndedWithoutAWord(
            f"call {call_id} ended without a word: the process that watched over it is gone; its checkpoint stands and the "
            f"same command goes on there; last lines of {folder / OUTPUT}:\n{said}"
        )

    def stop(self, call_id: str, request: Request) -> None:
        """Ask the node to write a checkpoint and end."""
        write_whole(Path(request.folder) / STOP, "")

    def give_back(self, request: Request) -> None:
        """Nothing: all that a call has here are its files, and its processes ended with it."""

    def logs(self, call_id: str, request: Request, follow: bool) -> Iterator[str]:
        """What node and watcher printed, line by line; with `follow` until the call ends."""
        path = Path(request.folder) / OUTPUT
        if not path.exists():
            return
        with path.open(errors="replace") as stream:
            while True:
                over = not follow or self._is_over(request)
                yield from _whole_lines(stream, over)
                if over:
                    return
                time.sleep(LOOK_S)

    def _is_over(self, request: Request) -> bool:
        return not _is_held(Path(request.folder) / LOCK)

    def _read_beyond(self, call_id: str, request: Request, after: int) -> list[Event]:
        number, start = self._read.get(call_id, (0, 0))
        if after < number:
            number = start = 0
        path = Path(request.folder) / EVENTS
        if not path.exists():
            return []
        with path.open("rb") as stream:
            stream.seek(start)
            events, size = whole_events(stream.read(), number + 1)
        self._read[call_id] = number + len(events), start + size
        return [event for event in events if event.number > after]


def _is_one(gpu: str, name: str) -> bool:
    """Whether a GPU, as its driver calls it (NVIDIA A100-SXM4-80GB), is what a provider calls `name` (A100-80GB, H100!)."""
    return set(name.rstrip("!+").split("-")) <= set(re.split(r"\W+", gpu))


def _is_held(lock: Path) -> bool:
    """Whether a process holds the lock; the system lets go of it with the process, however that ends."""
    try:
        with lock.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part_of(target)
    try:
        shutil.copyfile(source, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")


def _whole_lines(stream: IO[str], over: bool) -> Iterator[str]:
    """The lines from here to the end; one that is still being written only when nothing follows any more."""
    start = stream.tell()
    while line := stream.readline():
        if not line.endswith("\n") and not over:
            stream.seek(start)
            return
        yield line.rstrip("\n")
        start = stream.tell()
