"""Modal's exceptions in this project's words: lost contact, or what is wrong and what to do about it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import queue
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from grpclib import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from modal import exception
from modal.config import config

from seizure_pipeline.remote.backend import LostContact, RemoteError

_WIRE = (
    StreamTerminatedError,
    ProtocolError,
    aiohttp.ClientError,
    asyncio.CancelledError,  # the client's own loop gave up; nobody here cancels
    concurrent.futures.CancelledError,
    EOFError,
    OSError,
)
UNREACHABLE = (
    exception.ConnectionError,
    exception.ServiceError,
    exception.InternalError,
    exception.ClientClosed,
    exception.VolumeUploadTimeoutError,
    exception.MountUploadTimeoutError,
    *_WIRE,
)
NEW_TOKEN = "modal token new"  # the client names it too, in some of its refusals
REFUSED = (exception.AuthError, exception.PermissionDeniedError)
BUSY = (exception.ResourceExhaustedError, queue.Full)
OF_THE_WAY = (exception.Error, GRPCError, queue.Full, *_WIRE)
"""All that asking Modal may raise."""
OF_THIS_DISK = frozenset(
    {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ENOSPC, errno.ENOTDIR, errno.EROFS}
)
"""Errors that a file here raises, and no socket does."""
_RESULTS = (
    exception.FunctionTimeoutError,
    exception.RemoteError,
    exception.InternalFailure,
    exception.ExecutionError,
    exception.DeserializationError,
    exception.OutputExpiredError,
)


@contextmanager
def plainly(doing: str) -> Iterator[None]:
    """Name what was done when Modal raised. LostContact where it did not answer, RemoteError where it said no.

    FileNotFoundError and FileExistsError pass: they are answers; so do errors of files here."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OF_THE_WAY as error:
        if isinstance(error, OSError) and error.errno in OF_THIS_DISK:
            raise
        raise translated(error, doing) from error


def is_result(error: BaseException) -> bool:
    """Whether an error that asking for a call's result raised is that result, and not one of the way there.

    Of Modal's own classes some are results. An attempt raises no class that the way has (it puts them in its own)."""
    return isinstance(error, _RESULTS) or not isinstance(error, OF_THE_WAY)


def translated(error: BaseException, doing: str) -> RemoteError:
    """The same error in this project's classes."""
    if isinstance(error, REFUSED):
        told = str(error).rstrip(".")
        remedy = "`modal profile` picks another" if NEW_TOKEN in told else f"`{NEW_TOKEN}` makes one, `modal profile` picks one"
        return RemoteError(f"{doing}: Modal refuses {_token()}: {told}; {remedy}")
    if isinstance(error, BUSY):
        return LostContact(f"{doing}: Modal has no room for it now (a queue is full, or a limit reached): {describe(error)}")
    if isinstance(error, UNREACHABLE) or _is_aborted(error):
        return LostContact(f"{doing}: Modal does not answer: {describe(error)}")
    return RemoteError(f"{doing}: {describe(error)}")


def _is_aborted(error: BaseException) -> bool:
    """Whether somebody else was in the way of it; the same class also says that a condition is not met, which stays so."""
    return isinstance(error, exception.ConflictError) and getattr(error, "_grpc_status", None) is Status.ABORTED


def _token() -> str:
    """Which token, by its public half."""
    token = config.get("token_id")
    return f"the token {token}" if token else "to talk without a token (MODAL_TOKEN_ID, or a profile in ~/.modal.toml)"


def describe(error: BaseException) -> str:
    """An error's class and words."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
