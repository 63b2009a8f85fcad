"""What a corpus holds: recordings taken and refused, seizures of each patient, how long both are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seizure_pipeline.corpora import SPLITS, RecordingRow
from seizure_pipeline.figures.appearance import FAINT, INK, MODEL, OTHERS, S_PER_HOUR, S_PER_MINUTE, blank_figure, tidy

COLOURS = dict(zip(SPLITS, (MODEL, *OTHERS), strict=False))
MOST_NAMES = 40  # patients beyond that are a row of bars without names
BINS = 20


def corpus_figure(rows: Sequence[RecordingRow]) -> Figure:
    """Recordings by split, seizures by patient, and histograms of the lengths of accepted recordings and of seizures."""
    accepted = [row for row in rows if row.accepted]
    figure = blank_figure(11.5, 6.6)
    (splits, recordings), (patients, seizures) = figure.subplots(2, 2, width_ratios=[1.4, 1])
    _draw_splits(splits, rows)
    _draw_patients(patients, accepted)
    minutes = [(row.split, row.duration_s / S_PER_MINUTE) for row in accepted]
    _draw_lengths(recordings, minutes, "length of a recording (min)", "recordings")
    lengths_s = [(row.split, offset_s - onset_s) for row in accepted for onset_s, offset_s in row.seizures]
    _draw_lengths(seizures, lengths_s, "length of a seizure (s)", "seizures")
    figure.align_ylabels()
    return figure


def _draw_splits(axes: Axes, rows: Sequence[RecordingRow]) -> None:
    tidy(axes)
    for place, split in enumerate(SPLITS):
        of_split = [row for row in rows if row.split == split]
        taken = [row for row in of_split if row.accepted]
        axes.barh(place, len(taken), color=COLOURS[split])
        axes.barh(place, len(of_split) - len(taken), left=len(taken), fc="white", ec=COLOURS[split], hatch="////")
        axes.text(len(of_split), place, f"  {_size(taken)}", va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(SPLITS)), SPLITS)
    axes.invert_yaxis()
    most = max(sum(row.split == split for row in rows) for split in SPLITS)
    axes.set_xlim(0, 1.4 * max(most, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    refused = sum(not row.accepted for row in rows)
    axes.set_xlabel(f"recordings ({refused} of {len(rows)} refused: hatched)")


def _size(rows: Sequence[RecordingRow]) -> str:
    patients = len({row.patient_id for row in rows})
    hours = sum(row.duration_s for row in rows) / S_PER_HOUR
    return f"{hours:.2f} h of {patients} {'patient' if patients == 1 else 'patients'}" if rows else "none"


def _draw_patients(axes: Axes, rows: Sequence[RecordingRow]) -> None:
    tidy(axes)
    found: Counter[str] = Counter()
    split_of = {}
    for row in rows:
        found[row.patient_id] += len(row.seizures)
        split_of[row.patient_id] = row.split
    patients = sorted(found, key=lambda patient: (SPLITS.index(split_of[patient]), -found[patient], patient))
    axes.bar(
        range(len(patients)), [found[patient] for patient in patients], color=[COLOURS[split_of[each]] for each in patients]
    )
    names = patients if len(patients) <= MOST_NAMES else []
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.tick_params(axis="x", labelsize=7.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("seizures")
    axes.set_xlabel(f"{len(patients)} patients, by split")


def _draw_lengths(axes: Axes, lengths: Sequence[tuple[str, float]], label: str, counted: str) -> None:
    tidy(axes)
    splits = [split for split in SPLITS if any(name == split for name, _ in lengths)]
    values = [[length for name, length in lengths if name == split] for split in splits]
    edges = np.histogram_bin_edges([length for _, length in lengths], BINS)
    if splits:
        axes.hist(values, edges.tolist(), stacked=True, color=[COLOURS[split] for split in splits], label=splits)
        axes.legend(fontsize=9, frameon=False)
    axes.grid(axis="y", color=FAINT, lw=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.margins(y=0.15)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(label)
    axes.set_ylabel(counted)
