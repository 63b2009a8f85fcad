"""What goes wrong with a corpus as a whole, or on the way to it."""

from __future__ import annotations


class CorpusError(ValueError):
    """A corpus that cannot be used as it is; the message names the file or patient, the value and the rule."""


class TransferError(CorpusError):
    """A file that could not be fetched or stored as it should be: the run stops, and the next one goes on from there.

    Never a reason to refuse a recording: the fault is on the way to the file, not in it."""
