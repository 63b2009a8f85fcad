"""What long work says while it runs, and the one thing it hears: that it is to save and stop.

Rooms announce, the process they run in decides who listens; both sides are plain calls in one process.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

Listener = Callable[[str, Mapping[str, Any]], None]
_listeners: list[Listener] = []
_asked: list[str] = []


class Stopped(RuntimeError):
    """Work that was asked to stop did so; what it had is saved, and the same command continues there."""


def listen(listener: Listener) -> None:
    """Send every later announcement (kind, facts) to `listener` as well."""
    _listeners.append(listener)


def forget() -> None:
    """Announce to nobody, and take back what was asked."""
    _listeners.clear()
    _asked.clear()


def anybody_listens() -> bool:
    """Whether it is worth the while to find words."""
    return bool(_listeners)


def announce(kind: str, **facts: Any) -> None:
    """Tell all listeners.

    `progress` (title, unit, note, done, total, done_before, later, spent_s) or `checkpoint` (path, step)."""
    for listener in _listeners:
        listener(kind, facts)


def ask_to_stop(why: str) -> None:
    """Ask the work of this process to save and stop at its next step; the first reason stands. Safe in a signal handler."""
    _asked.append(why)


def stop_if_asked() -> None:
    """Raise Stopped, with the reason, where somebody asked; to be called where all that was done is kept."""
    if _asked:
        raise Stopped(f"stopped: {_asked[0]}; the same command continues where it was")


@contextmanager
def signals_ask_to_stop() -> Iterator[None]:
    """Within it SIGTERM, and Ctrl-C where it would end the process, ask to save and stop; a second Ctrl-C ends at once.

    In a thread that is not the main one, signals stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _ask)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _ask)
    try:
        yield
    except Stopped:
        _asked.clear()  # it was heeded: whoever catches it may go on, as a notebook does
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ask(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGINT and _asked:
        raise KeyboardInterrupt
    ask_to_stop(f"signal {signal.Signals(number).name}")
