"""What goes wrong with a corpus as a whole, or on the way to it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EBADF)  # what disks say that know no locks, or none of folders


class CorpusError(ValueError):
    """A corpus that cannot be used as it is; the message names the file or patient, the value and the rule."""


class TransferError(CorpusError):
    """A file that could not be fetched or stored as it should be: the run stops, and the next one goes on from there.

    Never a reason to refuse a recording: the fault is on the way to the file, not in it."""


class NotReached(TransferError):
    """No answer from the place, or one that asks for patience, however often it was tried."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an OSError of reading or writing an open file name it: the system tells only a descriptor."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
