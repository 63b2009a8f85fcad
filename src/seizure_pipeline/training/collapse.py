"""Whether a network still tells seizures from background: four figures of every validation, and a rule that reads them.

An epoch counts as collapsed if, after the first LEAST_STEPS updates of the run,
1. the network says the same everywhere: with the threshold at 0.5 it calls windows of both kinds alike (a recall gap of
   SAME_GAP or more, either way), or its mean entropy is within CONSTANT_SHARE of the entropy of its mean probability, as of
   one that says one probability throughout; and
2. it ranks tokens no better than the best trivial detector of the same recordings: chance (AUROC 0.5) or one feature.

One of the two alone is no collapse: a young network may be shy and rank well, and a poor one is not a constant. Before
LEAST_STEPS both follow from the initialisation, which says the prior everywhere.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, logit

from seizure_pipeline.baselines import cached_baselines
from seizure_pipeline.cache import IndexRow, open_row
from seizure_pipeline.cache.parts import write_whole
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.progress import follow
from seizure_pipeline.scoring.names import AUROC, AUROC_ABOVE_BASELINE, COLLAPSED, PREDICTION_ENTROPY, RECALL_GAP
from seizure_pipeline.scoring.names import WINDOWS_CALLED_ICTAL as CALLED_ICTAL
from seizure_pipeline.scoring.samples import ScoreHistogram, auroc, token_labels
from seizure_pipeline.scoring.streamed import StreamedScores
from seizure_pipeline.workers import in_threads

log = logging.getLogger(__name__)
LEAST_STEPS = 100
SAME_GAP = 0.98
CONSTANT_SHARE = 0.01
CHANCE = 0.5
MOST_THREADS = 8  # each holds a recording as float32

Epoch = Mapping[str, float | None]


class TrainingCollapsed(RuntimeError):
    """Training was stopped because its network says the same everywhere; its state is saved."""


@dataclass
class Calls:
    """Windows of each kind, and how many of them hold a token called ictal: a probability of 0.5 or more."""

    ictal: int = 0
    ictal_called: int = 0
    background: int = 0
    background_called: int = 0

    def add(self, is_ictal: bool, is_called: bool) -> None:
        """Count a window."""
        self.ictal += is_ictal
        self.background += not is_ictal
        self.ictal_called += is_ictal and is_called
        self.background_called += not is_ictal and is_called

    @property
    def called_share(self) -> float:
        """Share of windows called ictal."""
        return (self.ictal_called + self.background_called) / (self.ictal + self.background)

    @property
    def recall_gap(self) -> float | None:
        """Recall of ictal windows less that of background windows, -1 to 1; None if one kind is absent."""
        if not (self.ictal and self.background):
            return None
        return self.ictal_called / self.ictal - (1 - self.background_called / self.background)


def collapse_figures(histogram: ScoreHistogram, calls: Calls, best_baseline: float) -> dict[str, float | None]:
    """The epoch's figures by name: mean entropy (nats), share of windows called ictal, recall gap, AUROC above the best
    trivial detector's, and 1.0 under COLLAPSED if the rule holds, but for the number of updates (see `judged`)."""
    found = auroc(histogram)
    return {
        PREDICTION_ENTROPY: prediction_entropy(histogram),
        CALLED_ICTAL: calls.called_share,
        RECALL_GAP: calls.recall_gap,
        AUROC_ABOVE_BASELINE: None if found is None else found - best_baseline,
        COLLAPSED: float(says_the_same(histogram, calls) and found is not None and found <= best_baseline),
    }


def prediction_entropy(histogram: ScoreHistogram) -> float:
    """Mean over tokens of the entropy of the stated probability, in nats; log 2 at most."""
    tokens_S = histogram.seizure + histogram.background
    return float(np.average(_entropy(histogram.scores), weights=tokens_S))


def says_the_same(histogram: ScoreHistogram, calls: Calls) -> bool:
    """The first part of the rule."""
    gap = calls.recall_gap
    tokens_S = histogram.seizure + histogram.background
    of_mean = float(_entropy(np.average(histogram.scores, weights=tokens_S)))
    is_constant = prediction_entropy(histogram) >= (1 - CONSTANT_SHARE) * of_mean
    return is_constant or (gap is not None and abs(gap) >= SAME_GAP)


def judged(epoch: Epoch, step: int) -> Epoch:
    """The epoch's record once `step` updates are done; before LEAST_STEPS nothing is collapsed."""
    return epoch if step >= LEAST_STEPS else {**epoch, COLLAPSED: 0.0}


def heed_collapse(history: Sequence[Epoch], patience: int) -> None:
    """Warn if the last epochs of `history` collapsed; raise TrainingCollapsed if `patience` of them did."""
    collapsed = list(takewhile(lambda epoch: epoch.get(COLLAPSED), reversed(history)))
    if not collapsed:
        return
    last = collapsed[0]
    told = ", ".join(f"{name} {last[name]:.3g}" for name in (AUROC, AUROC_ABOVE_BASELINE, PREDICTION_ENTROPY, CALLED_ICTAL))
    what = f"the network says the same everywhere after epoch {last['epoch']:.0f} ({told}, {RECALL_GAP} {last[RECALL_GAP]})"
    if len(collapsed) < patience:
        log.warning("%s; training stops after %d such epochs, this is number %d", what, patience, len(collapsed))
        return
    raise TrainingCollapsed(
        f"{what}, for {len(collapsed)} epochs: as many as training.collapse_patience allows. The state is saved; the same "
        f"command goes on only with a larger collapse_patience. What helps is another run: a smaller "
        f"training.optimizer.learning_rate, a larger warmup_fraction, training.loss.kind: bce"
    )


def best_baseline(cache: Path, rows: Sequence[IndexRow], kept: Path) -> float:
    """The highest AUROC that chance and the one-feature detectors reach on `rows`; computed once and kept in file `kept`."""
    if not kept.exists():
        write_whole(kept, json.dumps(_baseline_aurocs(cache, rows), indent=2).encode())
    found: dict[str, float] = json.loads(kept.read_bytes())
    return max(found.values())


def _baseline_aurocs(cache: Path, rows: Sequence[IndexRow]) -> dict[str, float | None]:
    streams: dict[str, StreamedScores] = {}
    made = in_threads(lambda row: (row, cached_baselines(open_row(cache, row))), rows, min(os.cpu_count() or 1, MOST_THREADS))
    for row, traces in follow(made, "baselines of validation", len(rows), "recordings"):
        for name, probability_L in traces.items():
            seizure_L = token_labels(trace_of(row, probability_L))
            streams.setdefault(name, StreamedScores()).add(logit(probability_L), seizure_L)
    return {"chance": CHANCE} | {name: auroc(stream.histogram()) for name, stream in streams.items()}


def _entropy(probability: NDArray[np.float64] | float) -> NDArray[np.float64]:
    entropy: NDArray[np.float64] = entr(probability) + entr(1 - np.asarray(probability))
    return entropy
