"""Faults on the way to a place: which are worth another attempt, when, and what is said of them."""

from __future__ import annotations

import asyncio
import errno
import ftplib
import logging
import random
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

import aiohttp
from botocore import exceptions as s3
from botocore.parsers import ResponseParserError

from seizure_pipeline.corpora.errors import NotReached, TransferError
from seizure_pipeline.corpora.places import CREDENTIALS_FILE

log = logging.getLogger(__name__)
Result = TypeVar("Result")
ATTEMPTS = 6
LONGEST_S = 300.0  # of trying one request, pauses included; the request under way is let end
LONGEST_REQUEST_S = 240.0  # of one request for a piece, however steadily it trickles
LOOK_EVERY_S = 0.2  # while a request is under way, whether the run was stopped
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0
PASSING_STATUSES = frozenset({408, 425, 429})
NOT_IMPLEMENTED = 501
PASSING_CODES = frozenset(
    {"BadDigest", "IncompleteBody", "InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"}
    | {"ThrottlingException", "ConditionalRequestConflict", "OperationAborted"}
)
PASSING_ERRNOS = frozenset({errno.EBUSY, errno.EPIPE, errno.ECONNRESET, errno.ECONNREFUSED, errno.ETIMEDOUT})
SHOWN_OPTIONS = frozenset({"region_name", "signature_version", "addressing_style", "mode"})
SHORTEST_SECRET = 4  # a shorter value in the credentials would blank out every other word of a message


class Incomplete(OSError):
    """Fewer bytes, or other bytes, than the place promised: worth another attempt."""


class Changed(OSError):
    """The file is not the one that was listed."""


CUT = (
    *(Incomplete, TimeoutError, ConnectionError, EOFError, ftplib.error_temp),
    *(s3.ConnectionError, s3.HTTPClientError, s3.IncompleteReadError, s3.FlexibleChecksumError, ResponseParserError),
    aiohttp.ClientError,
)
NEVER_PASSING = (Changed, s3.SSLError, aiohttp.ClientSSLError, aiohttp.InvalidURL)


def attempt(
    name: str, work: Callable[[], Result], options: Mapping[str, Any], stopped: threading.Event | None = None
) -> Result:
    """`work()`, again after a pause while its fault is one that passes; `name` is the URL that messages begin with.

    Raises TransferError for a fault that lasts, at once for one that another attempt cannot mend, and without waiting any
    longer once `stopped` is set; no message shows a value of `options`."""
    began_s, waiting = time.monotonic(), stopped or threading.Event()
    for number in range(1, ATTEMPTS + 1):
        try:
            return work()
        except TransferError:
            raise
        except Exception as error:  # noqa: BLE001 -- each of fsspec's places has errors of its own; none is swallowed
            said = without_secrets(_said(error), options)
            if not _passes(error):
                raise TransferError(f"{name}: {_rule_of(error)} ({said})") from _without_secrets_or_none(error, options)
        spent_s = time.monotonic() - began_s
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (number - 1)) * random.uniform(0.5, 1.0)
        if number == ATTEMPTS or spent_s + pause_s > LONGEST_S or waiting.is_set():
            break
        log.warning("%s: %s; attempt %d of %d follows in %.1f s", name, said, number + 1, ATTEMPTS, pause_s)
        if waiting.wait(pause_s):
            break
    raise NotReached(f"{name}: {said}, after {number} attempts in {spent_s:.0f} s; the same command goes on from here")


def finished(
    loop: asyncio.AbstractEventLoop, request: Coroutine[Any, Any, Result], stopped: threading.Event | None, longest_s: float
) -> Result:
    """What `request` gives in the event loop of fsspec; TimeoutError after `longest_s`, or where `stopped` is set meanwhile.

    A request that begins after the stop (what was done is written down) is let end."""
    watched = stopped if stopped is not None and not stopped.is_set() else threading.Event()
    running, until_s = asyncio.run_coroutine_threadsafe(request, loop), time.monotonic() + longest_s
    try:
        while True:
            try:
                return running.result(LOOK_EVERY_S)
            except NotYet:
                if running.done():  # the request's own, or it came this very moment
                    return running.result()
            if watched.is_set():
                raise TimeoutError("stopped half-way with the rest of the run")
            if time.monotonic() > until_s:
                raise TimeoutError(f"not whole after {longest_s:g} s")
    finally:
        running.cancel()


def is_missing(error: FileNotFoundError) -> bool:
    """Whether the place said that there is no such file, and not that it could not tell."""
    return not isinstance(error.__cause__, aiohttp.ClientError) or _status_of(error) in (404, 410)


def without_secrets(text: str, options: Mapping[str, Any]) -> str:
    """`text` with every value of `options` that may be secret blanked out."""
    for secret in sorted(set(_secrets(options)), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets(inner, str(key))
    elif isinstance(value, bytes):
        yield from _secrets(value.decode("latin-1"), name)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _secrets(inner, name)
    elif isinstance(value, str | int | float) and name not in SHOWN_OPTIONS:
        shown = str(value)
        user = shown.partition("://")[2].rpartition("@")[0] if name == "endpoint_url" else ""
        parts = (user, *user.split(":", 1)) if name == "endpoint_url" else (shown,)
        yield from (part for part in parts if len(part) >= SHORTEST_SECRET and part not in ("True", "False"))


def _without_secrets_or_none(error: Exception, options: Mapping[str, Any]) -> Exception | None:
    """The error for the chain of causes, unless the chain would show a secret."""
    whole = "".join(traceback.format_exception(error))
    return error if without_secrets(whole, options) == whole else None


def _passes(error: Exception) -> bool:
    status = _status_of(error)
    if _code_of(error) in PASSING_CODES or status in PASSING_STATUSES or (status >= 500 and status != NOT_IMPLEMENTED):
        return True
    if status >= 400 or any(isinstance(each, NEVER_PASSING) for each in _chain(error)):
        return False
    if isinstance(error, FileNotFoundError) and not is_missing(error):
        return True
    return isinstance(error, CUT) or (isinstance(error, OSError) and error.errno in PASSING_ERRNOS)


def _rule_of(error: Exception) -> str:
    status = _status_of(error)
    if isinstance(error, Changed) or is_no_longer_so(error):
        return "changed since it was listed; the next run must list it again"
    if isinstance(error, s3.NoCredentialsError | s3.PartialCredentialsError):
        way_out = "or read an open bucket with corpus_anonymous: true in globals.yml"
        return f"no credentials; give them in {CREDENTIALS_FILE}, {way_out}"
    if isinstance(error, PermissionError) or status in (401, 403):
        return "access is denied; the credentials must be valid there and allow it"
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return "no such folder, bucket or file; what was listed must still be there"
    return "refused; another attempt would not help"


def is_no_longer_so(error: Exception) -> bool:
    """Whether the place refused because the file there is not, or is no longer, what the request said it must be."""
    return _code_of(error) == "PreconditionFailed"


def is_not_implemented(error: Exception) -> bool:
    """Whether the place does not know what it was asked for."""
    return _code_of(error) == "NotImplemented" or _status_of(error) == NOT_IMPLEMENTED


def _said(error: Exception) -> str:
    """What the place said: its code, its status and its first line."""
    marks = [mark for mark in (_code_of(error), str(_status_of(error) or "")) if mark]
    first_line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return ", ".join([*dict.fromkeys(marks), first_line])


def _chain(error: Exception) -> tuple[BaseException, ...]:
    return (error,) if error.__cause__ is None else (error, error.__cause__)


def _answer_of(error: Exception) -> Mapping[str, Any]:
    answers = (getattr(each, "response", None) for each in _chain(error))
    return next((answer for answer in answers if isinstance(answer, Mapping)), {})


def _code_of(error: Exception) -> str:
    return str(_answer_of(error).get("Error", {}).get("Code", ""))


def _status_of(error: Exception) -> int:
    """The status of HTTP that the place answered with, 0 where it gave none."""
    stated = _answer_of(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return int(stated) or next((status for status in map(_own_status, _chain(error)) if status), 0)


def _own_status(error: BaseException) -> int:
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status
    own = type(error).__module__.partition(".")[0] != "aiohttp"  # whose faults on the wire carry a `code` 400 of no server
    code = getattr(error, "code", 0)
    return code if own and isinstance(code, int) else 0
