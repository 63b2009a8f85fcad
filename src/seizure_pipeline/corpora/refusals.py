"""Why a recording takes no part, in words that name its place in the corpus and no other."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath

from seizure_pipeline.corpora.errors import TransferError

log = logging.getLogger(__name__)
LOGGED = 20  # of a corpus of thousands, hundreds may be refused; the table lists them all
OF_THE_FILE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


class Unreadable(ValueError):
    """A listed file that cannot be opened: its recording is refused, and looked at again the next time."""


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn faults of reading the file `path` into Unreadable where the file is at fault, else into TransferError."""
    try:
        yield
    except OSError as fault:
        if isinstance(fault, OF_THE_FILE) or fault.errno == errno.ELOOP:  # a link that leads to itself
            raise Unreadable(f"{path}: cannot be read ({fault.strerror or fault}); the file must be readable") from fault
        rule = "a fault of this machine refuses no recording; the next run goes on from here"
        raise TransferError(f"{path}: {fault.strerror or type(fault).__name__}; {rule}") from fault


def log_refusals(reasons: Sequence[str]) -> None:
    """Log the first reasons, and how many more the table lists."""
    for reason in reasons[:LOGGED]:
        log.warning("refused: %s", reason)
    if len(reasons) > LOGGED:
        log.warning("refused: %d more, each with its reason in the table that this step writes", len(reasons) - LOGGED)


def named(path: str, refusal: Exception) -> str:
    """Reason of a refusal that begins with the recording's path in the corpus, wherever the file lay when it was read."""
    message, name = str(refusal), PurePosixPath(path).name
    place, found, rest = message.partition(f"{name}: ")
    if found and (place == "" or place.endswith("/")):
        return f"{path}: {rest}"
    return message if PurePosixPath(path).stem in message else f"{path}: {message}"
