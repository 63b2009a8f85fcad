"""What stands beside a cached signal: what it was made from, where its stretches lie, and its check sum."""

from __future__ import annotations

import io
import json
import struct
import tokenize
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.corpora import RecordingRow
from seizure_pipeline.montage import ELECTRODES
from seizure_pipeline.signals import RATE_HZ
from seizure_pipeline.windows import Layout

FORMAT = 2
META = "meta"
SMALL_MEMBERS = ("median_uv", "sd_uv", META)
UNREADABLE = (
    *(OSError, EOFError, KeyError, ValueError, TypeError, OverflowError, SyntaxError, tokenize.TokenError, struct.error),
    *(zipfile.BadZipFile, RuntimeError),
)
"""What a missing, torn or foreign file can raise while zipfile and numpy parse it; any flipped byte may be asked of them."""
BUFFER_BYTES = 1 << 20
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Source:
    """The EDF behind a cached signal: path in the corpus, size, change token, header and, once read, check sum."""

    path: str
    size_bytes: int
    token: str
    header_sha256: str
    xxh3_128: str = ""

    def is_version(self, other: Source) -> bool:
        """Whether both are one version of a file, wherever it lies."""
        same = (self.size_bytes, self.token, self.header_sha256)
        return same == (other.size_bytes, other.token, other.header_sha256)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a cached file is made from; `seizures` in the file's clock, `chain` the fingerprint of the chain's settings."""

    recording_id: str
    chain: str
    source: Source
    seizures: tuple[Interval, ...]

    @classmethod
    def of(cls, row: RecordingRow, chain: str) -> Origin:
        """What the cached file of a recording has to be made from."""
        source = Source(row.path, row.size_bytes, row.token, row.header_sha256)
        return cls(row.recording_id, chain, source, row.seizures)

    @property
    def fingerprint(self) -> str:
        """Changes with the recording's file, its annotation and the chain's settings; the check sum takes no part."""
        source = self.source
        made_from = [self.recording_id, source.path, source.size_bytes, source.token, source.header_sha256]
        return fingerprint({"chain": self.chain, "made_from": made_from, "seizures": self.seizures})


@dataclass(frozen=True, slots=True)
class SignalFacts:
    """The facts in a cached file; one step of its signal is `step_sd` robust standard deviations."""

    origin: Origin
    layout: Layout
    step_sd: float
    clipped: int
    interpolated: tuple[str, ...]
    signal_xxh3_128: str

    @property
    def gaps(self) -> tuple[Interval, ...]:
        """What was not recorded between the stretches, in the file's clock."""
        ends = [
            start + samples / RATE_HZ
            for start, samples in zip(self.layout.stretch_start_s, self.layout.stretch_samples, strict=True)
        ]
        return tuple(zip(ends[:-1], self.layout.stretch_start_s[1:], strict=True))

    def to_json(self) -> str:
        """The facts as they are stored; the same facts give the same bytes."""
        origin, layout = self.origin, self.layout
        return json.dumps(
            {
                "format": FORMAT,
                "recording_id": origin.recording_id,
                "fingerprint": origin.fingerprint,
                "chain": origin.chain,
                "electrodes": ELECTRODES,
                "rate_hz": RATE_HZ,
                "step_sd": self.step_sd,
                "stretches": [
                    {"start_s": start_s, "samples": samples}
                    for start_s, samples in zip(layout.stretch_start_s, layout.stretch_samples, strict=True)
                ],
                "gaps": self.gaps,
                "seizures": origin.seizures,
                "clipped": self.clipped,
                "interpolated": self.interpolated,
                "source": {name: getattr(origin.source, name) for name in Source.__slots__},
                "signal_xxh3_128": self.signal_xxh3_128,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> SignalFacts:
        """Undoes `to_json`; raises ValueError for another format, other electrodes or another rate."""
        stored: dict[str, Any] = json.loads(text)
        for name, wanted in (("format", FORMAT), ("electrodes", list(ELECTRODES)), ("rate_hz", RATE_HZ)):
            if stored[name] != wanted:
                raise ValueError(f"{name} is {stored[name]}, wanted is {wanted}")
        stretches = stored["stretches"]
        return cls(
            origin=Origin(
                recording_id=stored["recording_id"],
                chain=stored["chain"],
                source=Source(**stored["source"]),
                seizures=tuple((onset_s, offset_s) for onset_s, offset_s in stored["seizures"]),
            ),
            layout=Layout(
                tuple(stretch["samples"] for stretch in stretches), tuple(stretch["start_s"] for stretch in stretches)
            ),
            step_sd=stored["step_sd"],
            clipped=stored["clipped"],
            interpolated=tuple(stored["interpolated"]),
            signal_xxh3_128=stored["signal_xxh3_128"],
        )

    def to_array(self) -> NDArray[np.uint8]:
        """`to_json` as the array that an NPZ holds."""
        return np.frombuffer(self.to_json().encode(), dtype=np.uint8)


def read_facts(path: Path) -> SignalFacts:
    """The facts in a cached file; raises one of UNREADABLE where there is no file of this format."""
    with zipfile.ZipFile(path) as archive:
        return facts_in(archive)


def facts_in(archive: zipfile.ZipFile) -> SignalFacts:
    """`read_facts` of an archive that is open."""
    return SignalFacts.from_json(bytes(_member(archive, META)).decode())


def small_members(archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    """Every member but the signal, each held against its check sum in the archive; raises as `read_facts`."""
    return {name: _member(archive, name) for name in SMALL_MEMBERS}


def facts_of_members(members: dict[str, NDArray[Any]]) -> SignalFacts:
    """The facts among the small members; raises as `read_facts`."""
    return SignalFacts.from_json(bytes(members[META]).decode())


def _member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """One array; its bytes are checked before they are parsed."""
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
    return array


class PassingDigest:
    """Check sum of a file that somebody else reads: what was heard in the file's order is not read again for it."""

    def __init__(self) -> None:
        self._digest, self._end = xxhash.xxh3_128(), 0

    def hear(self, at: int, content: memoryview) -> None:
        """Take the bytes `content`, at `at` in the file, as far as they continue what was taken."""
        if at <= self._end < at + len(content):
            self._digest.update(content[self._end - at :])
            self._end = at + len(content)

    def finish(self, path: Path) -> str:
        """The check sum of the file at `path`, as `xxh3_of_file` gives it, after reading what is left of it."""
        digest = self._digest.copy()
        _digest_file(digest, path, bytearray(BUFFER_BYTES), self._end, None)
        return digest.hexdigest()


def xxh3_of_file(path: Path, buffer: bytearray | None = None, first: int = 0, size: int | None = None) -> str:
    """Check sum of a file, or of `size` bytes from `first` on; raises EOFError where there are fewer."""
    digest = xxhash.xxh3_128()
    _digest_file(digest, path, buffer if buffer is not None else bytearray(BUFFER_BYTES), first, size)
    return digest.hexdigest()


def _digest_file(digest: xxhash.xxh3_128, path: Path, buffer: bytearray, first: int, size: int | None) -> None:
    view, left = memoryview(buffer), size
    with open(path, "rb", buffering=0) as file:
        file.seek(first)
        while left is None or left > 0:
            count = file.readinto(view if left is None else view[:left])
            if not count:
                break
            digest.update(view[:count])
            left = None if left is None else left - count
    if left:
        raise EOFError(f"{path}: ends {left} bytes early")
