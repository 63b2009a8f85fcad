"""Faults on the way to a bucket: which are worth another attempt, when, and what is said of them."""

from __future__ import annotations

import errno
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aiohttp import ClientError as HttpError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from seizure_pipeline.corpora.errors import TransferError

log = logging.getLogger(__name__)
Result = TypeVar("Result")
ATTEMPTS = 6
LONGEST_S = 300.0  # of trying one request, pauses included; the request under way is let end
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0
TOO_MANY_REQUESTS = 429
TRANSIENT_CODES = frozenset({"BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown", "Throttling", "ThrottlingException"})
TRANSIENT_ERRNOS = frozenset({errno.EBUSY, errno.EPIPE, errno.ECONNRESET, errno.ECONNREFUSED, errno.ETIMEDOUT})
SHOWN_OPTIONS = frozenset({"endpoint_url", "region_name", "signature_version", "addressing_style", "mode"})
SHORTEST_SECRET = 4  # a shorter value in the credentials would blank out every other word of a message


class Incomplete(OSError):
    """Fewer bytes, or other bytes, than the place promised: worth another attempt."""


class Changed(OSError):
    """The file is not the one that was listed."""


FAULTS = (OSError, BotoCoreError, ClientError, ResponseParserError, HttpError)
CUT = (
    Incomplete,
    TimeoutError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    FlexibleChecksumError,
    ResponseParserError,
    HttpError,
)


def attempt(name: str, work: Callable[[], Result], options: Mapping[str, Any]) -> Result:
    """`work()`, again after a pause while its fault is one that passes; `name` is the URL that messages begin with.

    Raises TransferError for a fault that lasts, and at once for one that another attempt cannot mend; no message shows
    a value of `options`."""
    started_s = time.monotonic()
    for number in range(1, ATTEMPTS + 1):
        try:
            return work()
        except FAULTS as error:
            said = without_secrets(_said(error), options)
            if not _passes(error):
                raise TransferError(f"{name}: {_rule_of(error)} ({said})") from None
        spent_s = time.monotonic() - started_s
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (number - 1)) * random.uniform(0.5, 1.0)
        if number == ATTEMPTS or spent_s + pause_s > LONGEST_S:
            break
        log.warning("%s: %s; attempt %d of %d follows in %.1f s", name, said, number + 1, ATTEMPTS, pause_s)
        time.sleep(pause_s)
    raise TransferError(f"{name}: {said}, after {number} attempts in {spent_s:.0f} s; the same command goes on from here")


def without_secrets(text: str, options: Mapping[str, Any]) -> str:
    """`text` with every value of `options` that may be secret blanked out."""
    for secret in sorted(_secrets(options), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets(options: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for key, value in options.items():
        if isinstance(value, Mapping):
            found |= _secrets(value)
        elif isinstance(value, str) and len(value) >= SHORTEST_SECRET and key not in SHOWN_OPTIONS:
            found.add(value)
    return found


def _passes(error: Exception) -> bool:
    if isinstance(error, CUT) or _code_of(error) in TRANSIENT_CODES:
        return True
    if _status_of(error) >= 500 or _status_of(error) == TOO_MANY_REQUESTS:
        return True
    return isinstance(error, OSError) and error.errno in TRANSIENT_ERRNOS


def _rule_of(error: Exception) -> str:
    if isinstance(error, Changed) or _code_of(error) == "PreconditionFailed":
        return "changed since it was listed; the next run must list it again"
    if isinstance(error, FileNotFoundError):
        return "no such folder, bucket or file; what was listed must still be there"
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no credentials; give them in conf/local/credentials.yml, or read an open bucket with anonymous: true"
    if isinstance(error, PermissionError):
        return "access is denied; the credentials must be valid there and allow it"
    return "refused; another attempt would not help"


def _said(error: Exception) -> str:
    """What the place said: its code, its status and its first line."""
    marks = [mark for mark in (_code_of(error), str(_status_of(error) or "")) if mark]
    first_line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return ", ".join([*dict.fromkeys(marks), first_line])


def _answer_of(error: Exception) -> Mapping[str, Any]:
    for each in (error, error.__cause__):
        answer = getattr(each, "response", None)
        if isinstance(answer, Mapping):
            return answer
    return {}


def _code_of(error: Exception) -> str:
    return str(_answer_of(error).get("Error", {}).get("Code", ""))


def _status_of(error: Exception) -> int:
    return int(_answer_of(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
