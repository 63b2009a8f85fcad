"""Wrong inputs made from right ones: bytes flipped, fields replaced, pieces cut, doubled, swapped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np

FIELDS = (
    *(b"", b" ", b"0", b"-1", b"-0", b"1", b"00", b"1e9", b"1e-9", b"1e400", b"nan", b"inf", b"-inf", b"99999999", b"-9999999"),
    *(b"0.001", b"1,5", b"1.2.3", b"24:61:61", b"00.00.00", b"31.02.01", b"EDF+D", b"EDF+C", b"uV", b"mV", b"\xb5V", b"\x00"),
    *(
        b"\xff\xff",
        b"EDF Annotations",
        b"BDF Annotations",
        b"TERM",
        b"seiz",
        b"sz",
        b"bckg",
        b"n/a",
        b"\t",
        b",",
        b"\n",
        b"\r\n",
    ),
    *(b":", b".", b"+", b"\xd9\xa3", b"9" * 40, b"-", b"Seizure Start Time: ", b"File Name: ", b"seconds", b"256"),
)
HANG_S = 10.0


class Hang(BaseException):
    """An input took longer than any input may; a BaseException, so that no reader can swallow it."""


def mutated(original: bytes, generator: np.random.Generator, reach: int) -> bytes:
    """`original` with one to three mutations in its first `reach` bytes."""
    data = bytearray(original)
    for _ in range(int(generator.integers(1, 4))):
        at = int(generator.integers(0, max(min(len(data), reach), 1)))
        _mutate(data, at, int(generator.integers(0, 7)), generator)
    return bytes(data)


def _mutate(data: bytearray, at: int, kind: int, generator: np.random.Generator) -> None:
    field = FIELDS[int(generator.integers(len(FIELDS)))]
    length = int(generator.integers(1, 64))
    if kind == 0 and data:
        data[min(at, len(data) - 1)] = int(generator.integers(256))
    elif kind == 1:
        width = 8 * int(generator.integers(1, 3))
        at -= at % 8  # the fixed columns of an EDF header are multiples of eight bytes wide
        data[at : at + width] = field[:width].ljust(width)
    elif kind == 2:
        data[at : at + len(field)] = field
    elif kind == 3:
        data[at:at] = field
    elif kind == 4:
        del data[at : at + length]
    elif kind == 5:
        data[at:at] = data[at : at + length]
    else:
        del data[int(generator.integers(0, len(data) + 1)) :]


@contextmanager
def no_hang(what: str) -> Iterator[None]:
    """Raise Hang where the block takes longer than HANG_S."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"{what} took more than {HANG_S:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
