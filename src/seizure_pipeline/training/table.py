"""Every window of some recordings as columns of numbers: where it lies and what kind it is, laid all at once.

The law is `lay_windows` and `kind_of` of one recording; here they run over all recordings as array arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.windows import TOKEN_SAMPLES, Kind, Layout, WindowSettings, lay_windows, token_labels

Intervals = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class WindowTable:
    """One row a window, 20 bytes each, in order of recording and time.

    `recording` numbers the recordings, `first_sample` counts in the recording's signal, `first_token` in the labels of
    all recordings put end to end, `valid_samples` are those that are not padding.
    """

    recording: NDArray[np.int32]
    first_sample: NDArray[np.int32]
    first_token: NDArray[np.int64]
    valid_samples: NDArray[np.int32]

    def __len__(self) -> int:
        return self.recording.size

    @property
    def valid_tokens(self) -> NDArray[np.int32]:
        """Tokens of each window that are not padding."""
        return -(-self.valid_samples // TOKEN_SAMPLES)

    def take(self, numbers: NDArray[np.int64]) -> WindowTable:
        """The rows `numbers`, in that order."""
        return WindowTable(
            self.recording[numbers], self.first_sample[numbers], self.first_token[numbers], self.valid_samples[numbers]
        )


def lay_table(layouts: Sequence[Layout], settings: WindowSettings) -> WindowTable:
    """The windows of all recordings, those of `lay_windows` one recording after the other.

    Raises ValueError for a stride over the window's length."""
    size, stride = settings.window_tokens, settings.stride_tokens
    lay_windows(layouts[0], settings)  # an impossible stride stops here
    stretches = [len(layout.stretch_samples) for layout in layouts]
    recording_S = np.repeat(np.arange(len(layouts), dtype=np.int32), stretches)
    samples_S = np.array([samples for layout in layouts for samples in layout.stretch_samples], dtype=np.int64)
    tokens_S = -(-samples_S // TOKEN_SAMPLES)
    sample_start_S, token_start_S = _starts(samples_S), _starts(tokens_S)
    sample_start_S = sample_start_S - sample_start_S[_starts(np.asarray(stretches))[recording_S]]
    last_S = np.maximum(tokens_S - size, 0)
    count_S = 1 + -(-last_S // stride)  # one every stride, and one more that ends with the stretch
    stretch = np.repeat(np.arange(samples_S.size), count_S)
    number = np.arange(stretch.size) - _starts(count_S)[stretch]
    first = np.minimum(number * stride, last_S[stretch])
    return WindowTable(
        recording=recording_S[stretch],
        first_sample=(sample_start_S[stretch] + first * TOKEN_SAMPLES).astype(np.int32),
        first_token=token_start_S[stretch] + first,
        valid_samples=np.minimum(size * TOKEN_SAMPLES, samples_S[stretch] - first * TOKEN_SAMPLES).astype(np.int32),
    )


def lay_labels(layouts: Sequence[Layout], seizures: Sequence[Intervals]) -> NDArray[np.bool_]:
    """Labels of every token of all recordings, put end to end."""
    return np.concatenate([token_labels(*each) for each in zip(layouts, seizures, strict=True)])


def rotate_labels(ictal: NDArray[np.bool_], layouts: Sequence[Layout], seed: int) -> NDArray[np.bool_]:
    """Labels that mean nothing, as many of them ictal as in `ictal`, which is `lay_labels` of `layouts`.

    The row of all labels is rotated by a random number of tokens, cut into pieces of the recordings' lengths, and the
    pieces are put end to end in random order: a piece that is not of its recording's length goes on in the next."""
    generator = np.random.default_rng(seed)
    pool = np.roll(ictal, int(generator.integers(ictal.size)))
    pieces = np.split(pool, np.cumsum([layout.tokens for layout in layouts])[:-1])
    return np.concatenate([pieces[number] for number in generator.permutation(len(layouts))])


def count_ictal(table: WindowTable, ictal: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Ictal tokens among the valid tokens of each window."""
    before = np.zeros(ictal.size + 1, dtype=np.int32)
    np.cumsum(ictal, out=before[1:])
    counts: NDArray[np.int32] = before[table.first_token + table.valid_tokens] - before[table.first_token]
    return counts


def kinds_of(table: WindowTable, ictal: NDArray[np.bool_], settings: WindowSettings) -> NDArray[np.int8]:
    """The `Kind` of each window, as `kind_of` has it."""
    counts = count_ictal(table, ictal)
    ictal_kind = np.where(counts / table.valid_tokens >= settings.full_fraction, Kind.FULL, Kind.PARTIAL)
    return np.where(counts == 0, Kind.BACKGROUND, ictal_kind).astype(np.int8)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of the lengths begins when they are put end to end."""
    return np.cumsum(lengths) - lengths
