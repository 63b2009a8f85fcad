"""Where windows lie in a recording, what kind each is, and how overlapping outputs become one trace again.

A recording is a row of contiguous stretches put end to end (gaps cut out). Windows never cross a stretch's end; a
stretch shorter than a window has one window, padded, and the padding counts nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seizure_pipeline.configuration import Settings

RATE_HZ = 256
TOKEN_SAMPLES = 16
TOKEN_RATE_HZ = RATE_HZ / TOKEN_SAMPLES


class WindowSettings(Settings):
    """Length and spacing of windows in seconds, and the seizure share from which a window counts as fully ictal."""

    window_s: float = Field(60.0, gt=0)
    stride_s: float = Field(10.0, gt=0)
    full_fraction: float = Field(0.99, gt=0, le=1)

    @model_validator(mode="after")
    def _whole_tokens(self) -> WindowSettings:
        for name in ("window_s", "stride_s"):
            if (getattr(self, name) * TOKEN_RATE_HZ) % 1:
                raise ValueError(f"windowing.{name} is {getattr(self, name)} s; it must be a multiple of 1/16 s")
        return self

    @property
    def window_tokens(self) -> int:
        """Tokens in a window."""
        return round(self.window_s * TOKEN_RATE_HZ)

    @property
    def stride_tokens(self) -> int:
        """Tokens between the starts of neighbouring windows."""
        return round(self.stride_s * TOKEN_RATE_HZ)


class Kind(IntEnum):
    """What a window holds: no seizure, some, or (almost) nothing else."""

    BACKGROUND = 0
    PARTIAL = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Contiguous stretches of a recording: samples at 256 Hz, and where each starts in the file's clock (s).

    In tokens of 1/16 s, a stretch's last token may be partly padding."""

    stretch_samples: tuple[int, ...]
    stretch_start_s: tuple[float, ...]

    @property
    def stretch_tokens(self) -> tuple[int, ...]:
        """Tokens per stretch."""
        return tuple(-(-samples // TOKEN_SAMPLES) for samples in self.stretch_samples)

    @property
    def token_starts(self) -> tuple[int, ...]:
        """First token of each stretch in the recording's trace."""
        return tuple(int(start) for start in np.concatenate([[0], np.cumsum(self.stretch_tokens)[:-1]]))

    @property
    def sample_starts(self) -> tuple[int, ...]:
        """First sample of each stretch in the recording's signal."""
        return tuple(int(start) for start in np.concatenate([[0], np.cumsum(self.stretch_samples)[:-1]]))

    @property
    def tokens(self) -> int:
        """Tokens in the whole recording."""
        return sum(self.stretch_tokens)

    @property
    def duration_s(self) -> float:
        """End of the last stretch in recorded time."""
        return self._recorded_starts_s[-1] + self.stretch_samples[-1] / RATE_HZ

    def recorded_s(self, file_clock_s: float, is_end: bool = False) -> float:
        """Recorded time (gaps cut out, each stretch from a whole token) at a time of the file's clock.

        In a gap it is the start of what follows, or for the end of an event the end of what went before."""
        stretch = max(int(np.searchsorted(self.stretch_start_s, file_clock_s, side="left" if is_end else "right")) - 1, 0)
        length_s = self.stretch_samples[stretch] / RATE_HZ
        within_s = max(file_clock_s - self.stretch_start_s[stretch], 0.0)
        if not is_end and within_s >= length_s and stretch + 1 < len(self.stretch_samples):
            return self._recorded_starts_s[stretch + 1]
        return self._recorded_starts_s[stretch] + min(within_s, length_s)

    def recorded_interval(self, onset_s: float, offset_s: float) -> tuple[float, float]:
        """An event of the file's clock in recorded time; empty (offset <= onset) where all of it lies in a gap."""
        return self.recorded_s(onset_s), self.recorded_s(offset_s, is_end=True)

    def file_clock_s(self, recorded_s: float, is_end: bool = False) -> float:
        """The file's clock at a recorded time; at a gap, its far side, or its near side for the end of an event."""
        stretch = int(np.searchsorted(self._recorded_starts_s, recorded_s, side="left" if is_end else "right")) - 1
        within_s = recorded_s - self._recorded_starts_s[max(stretch, 0)]
        return self.stretch_start_s[max(stretch, 0)] + min(within_s, self.stretch_samples[max(stretch, 0)] / RATE_HZ)

    def file_clock_interval(self, onset_s: float, offset_s: float) -> tuple[float, float]:
        """An event of recorded time in the file's clock."""
        return self.file_clock_s(onset_s), self.file_clock_s(offset_s, is_end=True)

    @property
    def _recorded_starts_s(self) -> tuple[float, ...]:
        return tuple(start / TOKEN_RATE_HZ for start in self.token_starts)


@dataclass(frozen=True, slots=True)
class Window:
    """One window: its stretch, its first token within the stretch, and the tokens and samples that are not padding."""

    stretch: int
    first_token: int
    valid_tokens: int
    valid_samples: int


def starts(stretch_tokens: int, window_tokens: int, stride_tokens: int) -> list[int]:
    """First tokens of the windows of one stretch: every stride, and one more that ends with the stretch."""
    if stretch_tokens <= window_tokens:
        return [0]
    regular = list(range(0, stretch_tokens - window_tokens + 1, stride_tokens))
    last = stretch_tokens - window_tokens
    return regular if regular[-1] == last else [*regular, last]


def lay_windows(layout: Layout, settings: WindowSettings, stride_tokens: int | None = None) -> list[Window]:
    """All windows of a recording in order of time; `stride_tokens` overrides the settings' stride.

    Raises ValueError for a stride over the window's length, which would leave tokens in no window."""
    stride = settings.stride_tokens if stride_tokens is None else stride_tokens
    size = settings.window_tokens
    if not 1 <= stride <= size:
        raise ValueError(f"windows of {size} tokens every {stride}: the stride must be 1 to {size} tokens of 1/16 s")
    return [
        Window(
            stretch=stretch,
            first_token=first,
            valid_tokens=min(size, tokens - first),
            valid_samples=min(size * TOKEN_SAMPLES, samples - first * TOKEN_SAMPLES),
        )
        for stretch, (samples, tokens) in enumerate(zip(layout.stretch_samples, layout.stretch_tokens, strict=True))
        for first in starts(tokens, size, stride)
    ]


def token_labels(layout: Layout, seizures_s: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """Whether the middle of each token lies in a seizure; seizures in seconds of recorded time, gaps cut out."""
    centre_s = (np.arange(layout.tokens) + 0.5) / TOKEN_RATE_HZ
    ictal = np.zeros(centre_s.size, dtype=np.bool_)
    for onset_s, offset_s in seizures_s:
        ictal |= (centre_s >= onset_s) & (centre_s < offset_s)
    return ictal


def kind_of(ictal_L: NDArray[np.bool_], settings: WindowSettings) -> Kind:
    """Kind of a window from the labels of its valid tokens."""
    share = float(ictal_L.mean())
    if share == 0:
        return Kind.BACKGROUND
    return Kind.FULL if share >= settings.full_fraction else Kind.PARTIAL


def stitch(layout: Layout, windows: list[Window], values_NL: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of all windows over each token of the recording; values (N windows, L tokens) -> (tokens,).

    Padding takes no part. Raises ValueError if a token is in no window."""
    total = np.zeros(layout.tokens, dtype=np.float64)
    count = np.zeros(layout.tokens, dtype=np.int64)
    for window, values_L in zip(windows, values_NL, strict=True):
        first = layout.token_starts[window.stretch] + window.first_token
        total[first : first + window.valid_tokens] += values_L[: window.valid_tokens]
        count[first : first + window.valid_tokens] += 1
    if not count.all():
        raise ValueError(f"{int((count == 0).sum())} of {layout.tokens} tokens are in no window")
    return (total / count).astype(np.float32)
