"""What long work says while it runs, and the one thing it hears: that it is to save and stop.

Rooms announce, the process they run in decides who listens; both sides are plain calls in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """Tell all listeners: `progress` (title, unit, note, done, total, done_before, spent_s), `checkpoint` (path, step)."""
    for listener in _listeners:
        listener(kind, facts)


def ask_to_stop(why: str) -> None:
    """Ask the work of this process to save and stop at its next step; the first reason stands. Safe in a signal handler."""
    _asked.append(why)


def asked_to_stop() -> str | None:
    """Why the work is to stop; None where nobody asked."""
    return _asked[0] if _asked else None


def stop_if_asked() -> None:
    """Raise Stopped, with the reason, where somebody asked; to be called where all that was done is kept."""
    if _asked:
        raise Stopped(f"stopped: {_asked[0]}; the same command continues where it was")
