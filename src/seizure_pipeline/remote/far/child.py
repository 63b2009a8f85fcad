"""The process of a far node as the one that watches over it sees it: what it says, that it ended, and how to end it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from seizure_pipeline.remote.redaction import Redactor

TAIL_LINES = 20
DRAIN_S = 5.0  # processes that a node left behind may hold its output open for ever


@dataclass(frozen=True, slots=True)
class Word:
    """One line from the pipe of a far node."""

    kind: str
    at_s: float
    facts: dict[str, Any]


class Child:
    """A far node's process, in a session of its own. Its output is passed on to standard output, without secrets."""

    def __init__(self, request: Path, project: Path, redactor: Redactor) -> None:
        reading, writing = os.pipe()
        command = [sys.executable, "-u", "-X", "faulthandler", "-m", "seizure_pipeline.remote.far.node", str(request)]
        self._process = subprocess.Popen(
            [*command, "--project", str(project), "--events-fd", str(writing)],
            cwd=project / "src",  # -m looks here first: the code that runs is the project's own
            stdin=subprocess.PIPE,  # its end tells the child that this process is gone
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        self._redactor = redactor
        self._words: queue.SimpleQueue[Word | None] = queue.SimpleQueue()
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._readers = [
            threading.Thread(target=self._read_words, args=(os.fdopen(reading, "rb"),), daemon=True),
            threading.Thread(target=self._pass_on, args=(self._process.stdout,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def words(self, tick_s: float) -> Iterator[Word | None]:
        """What it says, until it has ended; None about every `tick_s` in which it said nothing."""
        while True:
            try:
                word = self._words.get(timeout=tick_s)
            except queue.Empty:
                if self._process.poll() is not None:
                    break
                yield None
                continue
            if word is None:
                break
            yield word
        yield from self._last_words()

    def _last_words(self) -> Iterator[Word]:
        self._readers[0].join(DRAIN_S)
        while not self._words.empty():
            word = self._words.get()
            if word is not None:
                yield word

    def ask_to_stop(self) -> None:
        """Have it save and stop."""
        if self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and its processes at once, those as well that outlived it."""
        with suppress(ProcessLookupError):  # none is left
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self, patience_s: float) -> int:
        """Its exit status, negative for a signal; one that does not end in time is killed."""
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
        status = self._process.wait()
        self.kill()
        self._readers[1].join(DRAIN_S)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not self._readers[1].is_alive():
                stream.close()
        return status

    def _read_words(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                try:
                    self._words.put(Word(**json.loads(line)))
                except ValueError:
                    break  # it was killed within a line
        self._words.put(None)

    def _pass_on(self, stream: IO[bytes]) -> None:
        for line in stream:
            text = self._redactor.text(line.decode(errors="replace").rstrip("\n"))
            self.tail.append(text)
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
