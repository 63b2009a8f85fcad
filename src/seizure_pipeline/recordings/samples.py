"""Data records to microvolts: plain reads into one small buffer, scaled and transposed by a compiled loop.

Plain reads, because a map of a file that is truncated while it is read ends the process by a signal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from seizure_pipeline.compiled import compiled
from seizure_pipeline.recordings.header import Header, Hear, RecordingError, Signal, microvolts
from seizure_pipeline.recordings.timeline import Stretch

BUFFER_BYTES = 1 << 19
"""Bytes that are read at a time: they stay in the processor's cache until they are scaled."""
CACHED_BYTES = 1 << 25
"""Results from this size on are written past the processor's caches: they would not stay there for the next reader."""
LANES = 16
"""Samples that are written past the caches at once: one line, 64 bytes."""


class StretchReader:
    """Samples of some signals of one rate in one stretch; made by `reading`."""

    def __init__(self, file: int, header: Header, signals: Sequence[Signal], stretch: Stretch, hear: Hear) -> None:
        scales = np.array([microvolts(signal, header.path) for signal in signals])
        self._gains_uv, self._offsets_uv = scales[:, 0].copy(), scales[:, 1].copy()
        self._file, self._header, self._stretch, self._hear = file, header, stretch, hear
        self._per_record, self._record_bytes = signals[0].samples_per_record, header.record_bytes
        self._first_bytes = np.array([signal.first_sample for signal in signals]) * header.sample_bytes
        self.n_samples = stretch.n_records * self._per_record
        self._buffer = np.empty(0, np.uint8)

    def read(self, first: int, stop: int, out_CT: NDArray[np.float32], less_uv_C: NDArray[np.float64] | None = None) -> None:
        """Write samples [first, stop) in microvolts to `out_CT` (C, stop - first), each channel less its `less_uv_C`.

        RecordingError if the file has become shorter since it was opened."""
        offsets_uv = self._offsets_uv if less_uv_C is None else self._offsets_uv - less_uv_C
        if self._record_bytes > BUFFER_BYTES:
            self._read_long_records(first, stop, out_CT, offsets_uv)
            return
        step = BUFFER_BYTES // self._record_bytes
        last = -(-stop // self._per_record)
        for record in range(first // self._per_record, last, step):
            n_records = min(step, last - record)
            begin = max(first, record * self._per_record)
            end = min(stop, (record + n_records) * self._per_record)
            raw = self._bytes(record * self._record_bytes, n_records * self._record_bytes)
            records, room_CT = raw.reshape(n_records, self._record_bytes), out_CT[:, begin - first : end - first]
            skipped = begin - record * self._per_record
            self._scale(records, self._first_bytes, skipped, room_CT, self._gains_uv, offsets_uv)

    def _read_long_records(self, first: int, stop: int, out_CT: NDArray[np.float32], offsets_uv: NDArray[np.float64]) -> None:
        """The same, each signal's samples on their own: they lie side by side, and the rest of the record is not read."""
        sample_bytes, step = self._header.sample_bytes, BUFFER_BYTES // 4
        at_start = np.zeros(1, np.int64)
        for record in range(first // self._per_record, -(-stop // self._per_record)):
            start = record * self._per_record
            for begin in range(max(first, start), min(stop, start + self._per_record), step):
                end = min(begin + step, stop, start + self._per_record)
                for row, first_byte in enumerate(self._first_bytes):
                    at = record * self._record_bytes + int(first_byte) + (begin - start) * sample_bytes
                    raw = self._bytes(at, (end - begin) * sample_bytes)[None]
                    room_1T, one = out_CT[row : row + 1, begin - first : end - first], slice(row, row + 1)
                    self._scale(raw, at_start, 0, room_1T, self._gains_uv[one], offsets_uv[one])

    def _scale(
        self,
        raw: NDArray[np.uint8],
        first_bytes: NDArray[np.int64],
        skipped: int,
        out_CT: NDArray[np.float32],
        gains: NDArray[np.float64],
        offsets: NDArray[np.float64],
    ) -> None:
        """Write the samples from `skipped` on of the records `raw` (n, bytes): 16 bits in float32, which rounds them by
        less than 0.01 of a step, 24 bits in float64."""
        flat, row_step, n_samples = _flat(out_CT)
        if self._header.sample_bytes == 2:
            words, gains_32, offsets_32 = first_bytes // 2, gains.astype(np.float32), offsets.astype(np.float32)
            past_cache = flat.nbytes >= CACHED_BYTES
            _scale_16(
                raw.view("<i2"), words, self._per_record, skipped, gains_32, offsets_32, flat, row_step, n_samples, past_cache
            )
        else:
            _scale_24(raw, first_bytes, self._per_record, skipped, gains, offsets, flat, row_step, n_samples)

    def _bytes(self, first: int, n_bytes: int) -> NDArray[np.uint8]:
        """Bytes of the stretch in the buffer, overwritten by the next call."""
        if n_bytes > len(self._buffer):
            self._buffer = np.empty(max(n_bytes, min(BUFFER_BYTES, self._stretch.n_records * self._record_bytes)), np.uint8)
        at = self._header.n_bytes + self._stretch.first_record * self._record_bytes + first
        rest = memoryview(self._buffer.data)[:n_bytes]
        while rest:
            n_read = os.preadv(self._file, [rest], at)
            if n_read == 0:
                rule = "the file was truncated after it was opened"
                raise RecordingError.of(self._header.path, f"ends at byte {at}, {len(rest)} bytes are missing", rule)
            self._hear(at, rest[:n_read])
            rest, at = rest[n_read:], at + n_read
        return self._buffer[:n_bytes]


@contextmanager
def reading(header: Header, signals: Sequence[Signal], stretch: Stretch, hear: Hear) -> Iterator[StretchReader]:
    """A reader of `signals`, which share one rate, in one stretch; RecordingError for an impossible scaling."""
    file = os.open(header.path, os.O_RDONLY)
    try:
        yield StretchReader(file, header, signals, stretch, hear)
    finally:
        os.close(file)


def _flat(out_CT: NDArray[np.float32]) -> tuple[NDArray[np.float32], int, int]:
    """`out_CT` as one contiguous run of samples, the step between its rows, and its columns: the compiled loops know that
    neighbours are neighbours, and become vector instructions."""
    n_rows, n_samples = out_CT.shape
    if out_CT.dtype != np.float32 or out_CT.strides[1] != out_CT.itemsize or out_CT.strides[0] < 0:
        raise ValueError(f"samples are read into rows of contiguous float32, not {out_CT.dtype} {out_CT.strides}")
    row_step = out_CT.strides[0] // out_CT.itemsize
    return np.lib.stride_tricks.as_strided(out_CT, ((n_rows - 1) * row_step + n_samples,), (4,)), row_step, n_samples


@intrinsic
def _scale_past_cache(typing: Any, digital: Any, scaled: Any, at: Any, gain: Any, offset: Any) -> Any:
    """In compiled code: scaled[at:at + LANES] = digital[at:at + LANES] * gain + offset, for int16 and float32.

    `scaled` must be aligned to 64 bytes at `at`. The stores go past the processor's caches: a plain one first reads from
    memory the line that it is to overwrite, which here takes as long as all else (benchmarks/edf_reading.py). In this
    file, because compiled loops are kept until their own file changes."""

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = [
            context.make_array(kind)(context, builder, one).data
            for kind, one in zip(signature.args[:2], arguments[:2], strict=True)
        ]
        whole, real = ir.VectorType(ir.IntType(16), LANES), ir.VectorType(ir.FloatType(), LANES)
        source, room = (
            builder.bitcast(builder.gep(row, [arguments[2]]), kind.as_pointer())
            for row, kind in zip(rows, (whole, real), strict=True)
        )
        value = builder.sitofp(builder.load(source, align=2), real)
        factor, shift = (_in_every_lane(builder, one, real) for one in arguments[3:])
        store = builder.store(builder.fadd(builder.fmul(value, factor), shift), room, align=4 * LANES)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return types.void(digital, scaled, types.intp, types.float32, types.float32), write


def _in_every_lane(builder: Any, value: Any, kind: Any) -> Any:
    zero = ir.IntType(32)(0)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, zero)
    return builder.shuffle_vector(
        first, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    )


@compiled
def _scale_16(
    raw: NDArray[np.int16],
    first_words: NDArray[np.int64],
    per_record: int,
    skipped: int,
    gains: NDArray[np.float32],
    offsets: NDArray[np.float32],
    flat: NDArray[np.float32],
    row_step: int,
    n_samples: int,
    past_cache: bool,
) -> None:
    for row in range(len(first_words)):
        gain, offset = gains[row], offsets[row]
        for record in range(raw.shape[0]):
            begin = max(record * per_record, skipped)
            end = min((record + 1) * per_record, skipped + n_samples)
            first = first_words[row] + begin - record * per_record
            digital = raw[record, first : first + end - begin]  # a slice: the loop over it becomes vector instructions
            scaled = flat[row * row_step + begin - skipped : row * row_step + end - skipped]
            head = min(-(scaled.ctypes.data // 4) % LANES, len(scaled)) if past_cache else len(scaled)
            for k in range(head):
                scaled[k] = np.float32(digital[k]) * gain + offset
            tail = head + (len(scaled) - head) // LANES * LANES
            for k in range(head, tail, LANES):
                _scale_past_cache(digital, scaled, k, gain, offset)  # type: ignore[call-arg]
            for k in range(tail, len(scaled)):
                scaled[k] = np.float32(digital[k]) * gain + offset


@compiled
def _scale_24(
    raw: NDArray[np.uint8],
    first_bytes: NDArray[np.int64],
    per_record: int,
    skipped: int,
    gains: NDArray[np.float64],
    offsets: NDArray[np.float64],
    flat: NDArray[np.float32],
    row_step: int,
    n_samples: int,
) -> None:
    for row in range(len(first_bytes)):
        gain, offset = gains[row], offsets[row]
        for record in range(raw.shape[0]):
            begin = max(record * per_record, skipped)
            end = min((record + 1) * per_record, skipped + n_samples)
            first = first_bytes[row] + 3 * (begin - record * per_record)
            digital = raw[record, first : first + 3 * (end - begin)]
            scaled = flat[row * row_step + begin - skipped : row * row_step + end - skipped]
            for k in range(len(scaled)):
                low, middle, high = digital[3 * k], digital[3 * k + 1], np.int8(digital[3 * k + 2])
                value = np.int32(high) << 16 | np.int32(middle) << 8 | np.int32(low)
                scaled[k] = np.float32(value * gain + offset)
