"""What a model is worth on the dev recordings while it trains: the same rules and names as the final evaluation.

Windows come as training's do, in batches across recordings. Each recording is scored when its last window is there and
then forgotten (`scoring.streamed`). Sensitivities are those of `evaluate`; AUROC, average precision and calibration are of
log odds that no grid has rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seizure_pipeline.announcements import stop_if_asked
from seizure_pipeline.cache import IndexRow
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.inference.traces import as_probability
from seizure_pipeline.model.compiling import compiled
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.scoring import FALSE_ALARM_BUDGETS_PER_24H, PostProcessingSettings, names
from seizure_pipeline.scoring.calibration import brier_score, expected_calibration_error
from seizure_pipeline.scoring.curve import sensitivity_at
from seizure_pipeline.scoring.samples import auroc, average_precision, token_labels
from seizure_pipeline.scoring.streamed import StreamedCurve, StreamedScores
from seizure_pipeline.training.batches import WindowSource
from seizure_pipeline.training.collapse import Calls, best_baseline, collapse_figures
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.update import autocast
from seizure_pipeline.windows import TOKEN_RATE_HZ, Window, WindowSettings, lay_windows, stitch

Logits = NDArray[np.float32]


def validation_layout(windows: WindowSettings, settings: TrainingSettings) -> WindowSettings:
    """How the windows of validation lie: those of training at another stride.

    Raises ValueError for a stride that is no multiple of 1/16 s or longer than a window, which would leave tokens out."""
    stride_s = settings.validation_stride_s
    if (stride_s * TOKEN_RATE_HZ) % 1 or stride_s > windows.window_s:
        raise ValueError(
            f"training.validation_stride_s is {stride_s} s; it must be a multiple of 1/16 s, at most windowing.window_s "
            f"({windows.window_s} s)"
        )
    return windows.model_copy(update={"stride_s": stride_s})


@dataclass(frozen=True)
class Validation:
    """Call it with a model for its metrics by name on the recordings `rows`, whose windows `source` holds in their order.

    `layout` is how those windows lie; `baselines` is a file that keeps what trivial detectors reach on `rows`."""

    cache: Path
    rows: list[IndexRow]
    source: WindowSource
    layout: WindowSettings
    settings: TrainingSettings
    post_processing: PostProcessingSettings
    baselines: Path

    def __call__(self, model: Detector) -> Mapping[str, float | None]:
        """Sensitivities at the false-alarm budgets, AUROC, average precision, calibration, and the figures of `collapse`.

        Raises FloatingPointError for a recording whose probabilities are no numbers, Stopped between two batches where this
        process is asked to stop."""
        baseline = best_baseline(self.cache, self.rows, self.baselines)
        scores, events, calls = StreamedScores(), StreamedCurve(self.post_processing), Calls()
        with ProgressMeter("validating", len(self.source.kinds), "windows") as meter:
            for row, laid, logits_NL in self._recordings(model, meter):
                log_odds_L = stitch(row.layout, laid, logits_NL)
                if not np.isfinite(log_odds_L).all():
                    raise FloatingPointError(f"probabilities of {row.recording_id} are not finite")
                trace = trace_of(row, as_probability(log_odds_L))
                seizure_L = token_labels(trace)
                scores.add(log_odds_L, seizure_L)
                events.add(trace)
                _count_calls(calls, row, laid, logits_NL, seizure_L)
        histogram, curve = scores.histogram(), events.curve()
        at_budgets = {names.sensitivity_name(budget): sensitivity_at(curve, budget) for budget in FALSE_ALARM_BUDGETS_PER_24H}
        return {
            **at_budgets,
            names.AUROC: auroc(histogram),
            names.AVERAGE_PRECISION: average_precision(histogram),
            names.CALIBRATION_ERROR: expected_calibration_error(histogram),
            names.BRIER_SCORE: brier_score(histogram),
            **collapse_figures(histogram, calls, baseline),
        }

    def _recordings(self, model: Detector, meter: ProgressMeter) -> Iterator[tuple[IndexRow, list[Window], Logits]]:
        """Each recording with its windows and their logits (N, L)."""
        logits = chain.from_iterable(self._batches(model, meter))
        for row in self.rows:
            laid = lay_windows(row.layout, self.layout)
            yield row, laid, np.stack(list(islice(logits, len(laid))))

    @torch.inference_mode()
    def _batches(self, model: Detector, meter: ProgressMeter) -> Iterator[Logits]:
        """Logits (B, L) of each batch; while they are scored, the device computes those of the next."""
        model.eval()
        windows = self.settings.windows_at_once
        network = compiled(model, windows, self.settings.deterministic) if self.settings.compile else model
        on_their_way: list[_Arriving] = []
        order = np.arange(len(self.source.kinds))
        for batch in self.source.batches(order, windows):
            with autocast(self.settings):
                on_their_way.append(_Arriving(network(batch.window_BCT)))
            if len(on_their_way) > 1:
                yield _counted(on_their_way.pop(0), meter)
        for last in on_their_way:
            yield _counted(last, meter)


class _Arriving:
    """Logits (B, L) that are copied from the device while it goes on."""

    def __init__(self, logits_BL: Tensor) -> None:
        self._copied = torch.cuda.Event(blocking=True) if logits_BL.is_cuda else None  # type: ignore[no-untyped-call]
        self._logits_BL = torch.empty(logits_BL.shape, pin_memory=logits_BL.is_cuda)
        self._logits_BL.copy_(logits_BL, non_blocking=True)
        if self._copied is not None:
            self._copied.record()

    def array(self) -> Logits:
        """The logits, once they are here."""
        if self._copied is not None:
            self._copied.synchronize()
        logits: Logits = self._logits_BL.numpy()
        return logits


def _counted(arriving: _Arriving, meter: ProgressMeter) -> Logits:
    logits_BL = arriving.array()
    meter.advance(len(logits_BL))
    stop_if_asked()
    return logits_BL


def _count_calls(calls: Calls, row: IndexRow, laid: list[Window], logits_NL: Logits, seizure_L: NDArray[np.bool_]) -> None:
    starts = row.layout.token_starts
    for window, logits_L in zip(laid, logits_NL, strict=True):
        first = starts[window.stretch] + window.first_token
        is_ictal = bool(seizure_L[first : first + window.valid_tokens].any())
        calls.add(is_ictal, bool((logits_L[: window.valid_tokens] >= 0).any()))
