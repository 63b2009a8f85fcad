"""One recording in the cache: written atomically, mapped for reading, and sure of what it was made from."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash
from numpy.typing import NDArray

from seizure_pipeline.cache.facts import (
    BUFFER_BYTES,
    META,
    UNREADABLE,
    Origin,
    SignalFacts,
    facts_in,
    facts_of_members,
    small_members,
    xxh3_of_file,
)
from seizure_pipeline.cache.index import CacheError, IndexRow, signal_fingerprint
from seizure_pipeline.cache.npz import Member, NpzWriter, locate_member, map_member, member_of, npy_header
from seizure_pipeline.cache.parts import FileState, state_of
from seizure_pipeline.cache.prepare import Prepared
from seizure_pipeline.montage import ELECTRODES
from seizure_pipeline.windows import RATE_HZ, TOKEN_SAMPLES, Layout, Window, WindowSettings

SIGNAL = "signal"
_HEADER = struct.Struct("<4s5H3I2H")


class DamagedFile(ValueError):
    """A cached file that is not as it was written: what about it, as found and as expected."""

    def __init__(self, what: str, found: str, expected: str) -> None:
        super().__init__(f"{what} is {found}, expected is {expected}")
        self.what, self.found, self.expected = what, found, expected


@dataclass(frozen=True)
class CachedSignal:
    """A mapped recording: `signal` int16 (19, T), and what one step of it is in robust standard deviations."""

    signal: NDArray[np.int16]
    layout: Layout
    step_sd: float

    def window(self, window: Window, settings: WindowSettings) -> NDArray[np.float32]:
        """Standardised samples (19, window samples) of one window, zero where it is padded."""
        samples_CT = np.zeros((self.signal.shape[0], settings.window_tokens * TOKEN_SAMPLES), dtype=np.float32)
        first = self.layout.sample_starts[window.stretch] + window.first_token * TOKEN_SAMPLES
        piece = self.signal[:, first : first + window.valid_samples]
        np.multiply(piece, np.float32(self.step_sd), out=samples_CT[:, : window.valid_samples], dtype=np.float32)
        return samples_CT

    def excerpt(self, from_s: float, to_s: float) -> CachedSignal:
        """What lies between two times of the file's clock, in whole tokens, as far as the stretch under their middle goes.

        Raises ValueError if nothing was recorded there."""
        starts_s = self.layout.stretch_start_s
        stretch = max(int(np.searchsorted(starts_s, (from_s + to_s) / 2, side="right")) - 1, 0)
        token_s = TOKEN_SAMPLES / RATE_HZ
        first = max(math.floor((from_s - starts_s[stretch]) / token_s), 0) * TOKEN_SAMPLES
        end = min(math.ceil((to_s - starts_s[stretch]) / token_s) * TOKEN_SAMPLES, self.layout.stretch_samples[stretch])
        if first >= end:
            raise ValueError(f"nothing was recorded from {from_s:g} s to {to_s:g} s; stretches begin at {starts_s} s")
        begin = self.layout.sample_starts[stretch]
        layout = Layout((end - first,), (starts_s[stretch] + first / RATE_HZ,))
        return CachedSignal(self.signal[:, begin + first : begin + end], layout, self.step_sd)


@dataclass(frozen=True, slots=True)
class Stored:
    """A cached file: the facts beside its signal, and its state when they were written or, before that, looked at."""

    facts: SignalFacts
    state: FileState


def write_signal(path: Path, prepared: Prepared, origin: Origin) -> Stored:
    """Write a prepared recording with what it was made from, piece by piece; raises as its `pieces`."""
    digest = xxhash.xxh3_128()
    with NpzWriter(path) as writer:
        shape = (len(prepared.sd_uv), sum(prepared.layout.stretch_samples))
        writer.add_rows(SIGNAL, shape, np.int16, _digested(prepared.pieces(), digest))
        writer.add("median_uv", prepared.median_uv)
        writer.add("sd_uv", prepared.sd_uv)
        facts = SignalFacts(
            origin=origin,
            layout=prepared.layout,
            step_sd=prepared.step_sd,
            clipped=prepared.clipped,
            interpolated=prepared.interpolated,
            signal_xxh3_128=digest.hexdigest(),
        )
        writer.add(META, facts.to_array())
    return Stored(facts, writer.state)


def rewrite_facts(path: Path, facts: SignalFacts, origin: Origin) -> Stored:
    """Write a cached file anew from its own signal, with another origin; the file is the one that `write_signal` makes.

    Raises CacheError, and leaves the file, if the signal is not the one that `facts` know."""
    changed = replace(facts, origin=origin)
    with zipfile.ZipFile(path) as archive:
        small = small_members(archive)
    signal: NDArray[np.int16] = map_member(path, SIGNAL)
    digest = xxhash.xxh3_128()
    with NpzWriter(path) as writer:
        writer.add_rows(SIGNAL, signal.shape, signal.dtype, _digested(signal, digest))
        if digest.hexdigest() != facts.signal_xxh3_128:
            raise CacheError(f"{path}: the signal changed while it was copied; run windowing again, and look at the disk")
        writer.add("median_uv", small["median_uv"])
        writer.add("sd_uv", small["sd_uv"])
        writer.add(META, changed.to_array())
    return Stored(changed, writer.state)


def find_whole(path: Path) -> Stored | None:
    """A cached file of which every byte that is read later is as it was written, else None."""
    try:
        state = state_of(path)
        return Stored(inspect(path), state)
    except UNREADABLE:
        return None


def inspect(path: Path, buffer: bytearray | None = None) -> SignalFacts:
    """The facts of a cached file, after its signal and small members were held against their check sums.

    `buffer` is for reading, reused between files. Raises DamagedFile, or another of UNREADABLE."""
    with zipfile.ZipFile(path) as archive:
        facts = facts_of_members(small_members(archive))
        listed_member = archive.getinfo(f"{SIGNAL}.npy")
    member = locate_member(path, SIGNAL)
    shape = (len(ELECTRODES), sum(facts.layout.stretch_samples))
    if (member.shape, member.dtype) != (shape, np.dtype(np.int16)):
        raise DamagedFile("shape of the signal", f"{member.dtype} {member.shape}", f"int16 {shape}")
    found = xxh3_of_file(path, buffer or bytearray(BUFFER_BYTES), member.offset, 2 * shape[0] * shape[1])
    if found != facts.signal_xxh3_128:
        raise DamagedFile("check sum of the signal", found, facts.signal_xxh3_128)
    own, listed = _headers(path, listed_member, member.offset, npy_header(shape, member.dtype))
    if own != listed:
        raise DamagedFile("header of the signal", str(own), str(listed))
    return facts


def open_signal(path: Path) -> CachedSignal:
    """Map a cached recording; raises FileNotFoundError or CacheError for a missing or foreign file."""
    with open(path, "rb") as file:
        facts, member = _facts_and_member(path, file)
        return _mapped(file, facts, member)


def open_row(cache: Path, row: IndexRow) -> CachedSignal:
    """Map the cached recording of an index row; raises CacheError if the file is not the one that the index knows."""
    with _opened(cache / row.file) as file:
        facts, member = _facts_and_member(cache / row.file, file)
        _check_row(cache / row.file, row, facts, member)
        return _mapped(file, facts, member)


def locate_row(cache: Path, row: IndexRow) -> tuple[Member, float]:
    """Where the signal of an index row lies in its file, and its step in robust standard deviations.

    Raises as `open_row`."""
    with _opened(cache / row.file) as file:
        facts, member = _facts_and_member(cache / row.file, file)
    _check_row(cache / row.file, row, facts, member)
    return member, facts.step_sd


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise CacheError(f"{path}: no such file, though the index names it; run the windowing pipeline again") from error


def _facts_and_member(path: Path, file: BinaryIO) -> tuple[SignalFacts, Member]:
    try:
        with zipfile.ZipFile(file) as archive:
            return facts_in(archive), member_of(archive, file, SIGNAL)
    except UNREADABLE as error:
        raise CacheError(f"{path}: not a cached recording of this format ({error}); run the windowing pipeline") from error


def _check_row(path: Path, row: IndexRow, facts: SignalFacts, member: Member) -> None:
    """An index that is older than the file would lay its seizures over other samples."""
    found = signal_fingerprint(facts.signal_xxh3_128, row.seizures)
    for what, in_file, in_index in (
        ("signal and seizures", found, row.fingerprint),
        ("stretches", facts.layout, row.layout),
        ("samples", member.shape, (len(ELECTRODES), sum(row.stretch_samples))),
    ):
        if in_file != in_index:
            raise CacheError(f"{path}: {what} {in_file}, the index has {in_index}; run the windowing pipeline again")


def _mapped(file: BinaryIO, facts: SignalFacts, member: Member) -> CachedSignal:
    signal: NDArray[np.int16] = np.memmap(file, member.dtype, "r", member.offset, member.shape)
    return CachedSignal(signal, facts.layout, facts.step_sd)


def _digested(rows: Iterable[NDArray[np.int16]], digest: xxhash.xxh3_128) -> Iterator[NDArray[np.int16]]:
    for row in rows:
        digest.update(np.ascontiguousarray(row).data)
        yield row


def _headers(path: Path, member: zipfile.ZipInfo, offset: int, array_header: bytes) -> tuple[Any, Any]:
    """What stands before a member's data at `offset`, and what has to stand there by the archive's directory.

    Signature, flags, compression, check sum and name, then numpy's header; sizes stand elsewhere where they need 8 bytes.
    """
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        signature, _, flags, compression, _, _, crc, *_ = _HEADER.unpack(file.read(_HEADER.size))
        name = file.read(len(member.filename.encode())).decode(errors="replace")
        file.seek(offset - len(array_header))
        found = (signature, flags, compression, crc, name, file.read(len(array_header)))
    return found, (b"PK\x03\x04", member.flag_bits, member.compress_type, member.CRC, member.filename, array_header)
