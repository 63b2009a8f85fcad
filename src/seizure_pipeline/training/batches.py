"""Batches of windows with their labels, on the device, whatever they are fed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from seizure_pipeline.training.backings import Backing
from seizure_pipeline.training.choice import Choice, open_backing
from seizure_pipeline.training.division import Share, divide
from seizure_pipeline.training.settings import FeedingSettings
from seizure_pipeline.training.stored import StoredSignal
from seizure_pipeline.training.table import WindowTable, count_ictal, kinds_of
from seizure_pipeline.windows import TOKEN_SAMPLES, WindowSettings


@dataclass(frozen=True)
class Batch:
    """Windows with their labels: `window_BCT` in robust standard deviations, `ictal_BL` and `valid_BL` 0 or 1, float32.

    `first_sample` is where each window starts in its recording, gaps cut out.
    The tensors may be on the device, and the next batch may overwrite them."""

    window_BCT: Tensor
    ictal_BL: Tensor
    valid_BL: Tensor
    recordings: NDArray[np.int32]
    first_sample: NDArray[np.int32]
    names: Sequence[str]

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """The recording of each window."""
        return tuple(self.names[number] for number in self.recordings)


@dataclass(frozen=True)
class LabelledWindows:
    """Every window of some recordings: where each lies, the labels of all tokens end to end, the recordings' names."""

    table: WindowTable
    ictal: NDArray[np.bool_]
    names: tuple[str, ...]


class WindowSource:
    """Windows of some recordings with their labels, in batches, in any order; a context manager that ends its threads.

    Signals are touched when the first batch is asked for; from then on `choice` says where they come from. The same order
    gives the same batches bit for bit from every backing, and for every number of batches fed ahead."""

    def __init__(
        self,
        windows: LabelledWindows,
        stored: Sequence[StoredSignal],
        settings: WindowSettings,
        feeding: FeedingSettings,
        device: str,
    ) -> None:
        self._windows, self._stored, self._settings, self._feeding = windows, stored, settings, feeding
        self._device = torch.device(device)
        self.kinds = kinds_of(windows.table, windows.ictal, settings)
        padded = np.zeros(windows.ictal.size + settings.window_tokens, dtype=np.bool_)
        padded[: windows.ictal.size] = windows.ictal
        self._ictal = sliding_window_view(padded, settings.window_tokens)  # row n holds the labels from token n on
        self._step_sd = torch.tensor([signal.step_sd for signal in stored], dtype=torch.float32, device=self._device)
        self._float_BCT = torch.empty(0)
        self._backing: Backing | None = None
        self.choice: Choice | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every thread; what is being fed stops with an error."""
        if self._backing is not None:
            self._backing.close()
        self._backing = None

    def ictal_share(self, chosen: NDArray[np.int64]) -> float:
        """Share of ictal tokens among the valid tokens of the chosen windows."""
        rows = self._windows.table.take(chosen)
        return int(count_ictal(rows, self._windows.ictal).sum()) / int(rows.valid_tokens.sum())

    def batches(
        self, order: NDArray[np.int64], batch_size: int, first_step: int = 0, share: Share | None = None
    ) -> Iterator[Batch]:
        """The windows `order` in batches, from batch `first_step` on; the last may be smaller.

        Of several ranks that train together each has its `share` of every batch."""
        parts = divide(order.size, batch_size, first_step, share or Share())
        rows = self._windows.table.take(order)
        cut = _Cut(rows, self._settings.window_tokens, self._device)
        step_N = self._step_sd[torch.from_numpy(rows.recording).to(self._device).long()]
        for part, raw_BCT in zip(parts, self.open().feed(rows, parts), strict=True):
            ictal_BL, valid_BL = cut.labels(self._ictal, part)
            yield Batch(
                window_BCT=cut.without_padding(self._standardised(raw_BCT, step_N[part]), part),
                ictal_BL=ictal_BL,
                valid_BL=valid_BL,
                recordings=rows.recording[part],
                first_sample=rows.first_sample[part],
                names=self._windows.names,
            )

    def open(self) -> Backing:
        """Where windows come from, opened now if the first batch has not done it: `resident` loads all signals here."""
        if self._backing is None:
            samples = self._settings.window_tokens * TOKEN_SAMPLES
            self._backing, self.choice = open_backing(self._stored, samples, self._feeding, self._device)
        return self._backing

    def _standardised(self, raw_BCT: Tensor, step_B: Tensor) -> Tensor:
        """Steps to robust standard deviations; on a CPU into one buffer, since fresh pages cost more than the product."""
        if raw_BCT.is_cuda:
            return raw_BCT * step_B[:, None, None]
        if self._float_BCT.numel() < raw_BCT.numel():
            self._float_BCT = torch.empty(raw_BCT.numel())
        window_BCT = self._float_BCT[: raw_BCT.numel()].view(raw_BCT.shape)
        np.multiply(raw_BCT.numpy(), step_B.numpy()[:, None, None], out=window_BCT.numpy(), dtype=np.float32)  # one pass
        return window_BCT


class _Cut:
    """Labels and padding of an epoch's windows."""

    def __init__(self, rows: WindowTable, tokens: int, device: torch.device) -> None:
        self._first_token, self._valid_tokens = rows.first_token, rows.valid_tokens
        self._padded = rows.valid_samples < tokens * TOKEN_SAMPLES
        self._valid_samples = torch.from_numpy(rows.valid_samples).to(device)
        self._token_L, self._device = np.arange(tokens), device
        self._sample_T = torch.arange(tokens * TOKEN_SAMPLES, device=device)

    def labels(self, ictal: NDArray[np.bool_], part: slice) -> tuple[Tensor, Tensor]:
        """0 or 1 for every token of the windows `part`, padding 0, and whether it is no padding.

        On one thread beside the device: so few values are not worth waking others for (measured: benchmarks/feeding.py)."""
        valid_BL = self._token_L < self._valid_tokens[part, None]
        ictal_BL = ictal[self._first_token[part]] & valid_BL
        return self._on_device(ictal_BL), self._on_device(valid_BL)

    def _on_device(self, values_BL: NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(values_BL.astype(np.float32)).to(self._device)

    def without_padding(self, window_BCT: Tensor, part: slice) -> Tensor:
        """The windows `part` with zeros where they are padded."""
        if not self._padded[part].any():
            return window_BCT
        padding_BT = self._sample_T >= self._valid_samples[part, None]
        return window_BCT.masked_fill_(padding_BT[:, None, :], 0.0)
