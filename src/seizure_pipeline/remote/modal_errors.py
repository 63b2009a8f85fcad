"""Modal's exceptions in this project's words: lost contact, or what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from grpclib.exceptions import StreamTerminatedError
from modal import exception
from modal.config import config

from seizure_pipeline.remote.backend import LostContact, RemoteError

UNREACHABLE = (
    exception.ConnectionError,
    exception.ServiceError,
    exception.InternalError,
    exception.ClientClosed,
    exception.VolumeUploadTimeoutError,
    exception.MountUploadTimeoutError,
    StreamTerminatedError,
    aiohttp.ClientError,
    OSError,
)
REFUSED = (exception.AuthError, exception.PermissionDeniedError)


@contextmanager
def plainly(doing: str) -> Iterator[None]:
    """Name what was done when Modal raised. LostContact where it did not answer, RemoteError where it said no.

    FileNotFoundError passes: it is an answer."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (exception.Error, StreamTerminatedError, aiohttp.ClientError, OSError) as error:
        raise translated(error, doing) from error


def translated(error: BaseException, doing: str) -> RemoteError:
    """The same error in this project's classes."""
    if isinstance(error, REFUSED):
        return RemoteError(
            f"{doing}: Modal refuses {_token()}: {error}; `modal token new` makes one, `modal profile` picks one"
        )
    if isinstance(error, UNREACHABLE):
        return LostContact(f"{doing}: Modal does not answer: {describe(error)}")
    return RemoteError(f"{doing}: {describe(error)}")


def _token() -> str:
    """Which token, by its public half."""
    token = config.get("token_id")
    return f"the token {token}" if token else "to talk without a token (MODAL_TOKEN_ID, or a profile in ~/.modal.toml)"


def describe(error: BaseException) -> str:
    """An error's class and words."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
