"""Why a recording takes no part, in words that name its place in the corpus and no other."""

from __future__ import annotations

from pathlib import PurePosixPath


def named(path: str, refusal: Exception) -> str:
    """Reason of a refusal that begins with the recording's path in the corpus, wherever the file lay when it was read."""
    if isinstance(refusal, OSError):
        return f"{path}: cannot be read ({refusal.strerror or type(refusal).__name__}); the file must be readable"
    message, name = str(refusal), PurePosixPath(path).name
    place, found, rest = message.partition(f"{name}: ")
    if found and (place == "" or place.endswith("/")):
        return f"{path}: {rest}"
    return message if PurePosixPath(path).stem in message else f"{path}: {message}"
