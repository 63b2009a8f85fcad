"""The report of an evaluation: seconds and megabytes at 50 recordings and at 865, and what forms of EEG take.

usage: python benchmarks/report.py [--keep DIR]    (writes about 0.4 GB to a temporary folder; --keep leaves the pages in DIR)

EEG is the generated corpus (7 patients in dev, 3 in eval, 5 recordings of 8 to 12 minutes each) as windowing caches it,
traces are noise raised around seizures, the one-feature detector's less. 865 recordings are the 50 under other names.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from noise_traces import noisy_probability

from seizure_pipeline import evaluation
from seizure_pipeline.cache import IndexRow, PreparationSettings, build_cache, table_from_rows
from seizure_pipeline.cache.kept import keep_traces
from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries
from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
from seizure_pipeline.evaluation import EvaluationSettings
from seizure_pipeline.figures.traces import row_spacing
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.pages import cached_uv
from seizure_pipeline.report import Evaluated, evaluation_report
from seizure_pipeline.report.eeg_picture import eeg_picture
from seizure_pipeline.scoring import PostProcessingSettings, operating_curve, summarise
from seizure_pipeline.windows import RATE_HZ

CORPUS = SyntheticSettings(
    train_patients=0, dev_patients=7, eval_patients=3, shortest_recording_min=8.0, longest_recording_min=12.0
)
MANY, BUDGET_PER_24H, PAGE_S = 865, 24.0, 30
NAMES = {"run": "benchmark", "folder": "-", "weights_sha256": "0" * 64, "cache": "-", "epochs": 1, "best_epoch": 1}


@dataclass(frozen=True)
class Made:
    """A cache with its index, and where traces go."""

    root: Path
    rows: list[IndexRow]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--keep", type=Path)
    keep = arguments.parse_args().keep
    with tempfile.TemporaryDirectory() as name:
        made = _made(Path(name))
        few = _evaluated(made, "few")
        many = _evaluated(repeated(made), "many")
        evaluation_report(few)  # numba's loops are compiled and fonts are found
        for title, evaluated in (("50 recordings", few), (f"{MANY} recordings", many)):
            begun = time.perf_counter()
            html = evaluation_report(evaluated)
            taken_s = time.perf_counter() - begun
            excerpts, hours = html.count("<image "), evaluated.trace_index["duration_s"].sum() / 3600
            print(f"{title:<16}{hours:7.1f} h {taken_s:6.1f} s {len(html.encode()) / 1e6:6.2f} MB {excerpts:4d} excerpts")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{title.replace(' ', '_')}.html").write_text(html)
        _print_forms(made)


def repeated(made: Made) -> Made:
    """The same recordings often enough, as those of other patients."""
    rows = [
        replace(row, recording_id=f"{row.recording_id}_{n:02}", patient_id=f"{row.patient_id}_{n % 5}")
        for n in range(-(-MANY // len(made.rows)))
        for row in made.rows
    ]
    return Made(made.root, rows[:MANY])


def _made(root: Path) -> Made:
    generate_corpus(root / "corpus", CORPUS)
    corpus = Folder(str(root / "corpus"))
    listed = examine_entries(corpus, find_entries(corpus, CorpusSettings(layout="synthetic")), MontageSettings())
    return Made(root, build_cache(corpus, listed, PreparationSettings(), MontageSettings(), root / "cache"))


def _evaluated(made: Made, name: str) -> Evaluated:
    settings, post_processing = EvaluationSettings(operating_budget_per_24h=BUDGET_PER_24H), PostProcessingSettings()
    rows = evaluation.scored_rows(made.rows, settings)
    traces, baselines = made.root / name / "traces", made.root / name / "baselines"
    index = _with_traces(rows, traces, "model", quality=3.0)
    baseline_index = _with_traces(rows, baselines, "line_length_mean", quality=1.0)
    dev = evaluation.model_traces(traces, index, evaluation.DEV)
    curve = operating_curve(dev, post_processing)
    point = evaluation.operating_record(curve, settings, post_processing) | NAMES
    held_out = evaluation.held_out_metrics(evaluation.model_traces(traces, index, evaluation.EVAL), point)
    by_split = {split: evaluation.load_traces(baselines, baseline_index, split) for split in evaluation.SCORED}
    return Evaluated(
        window_index=table_from_rows(made.rows),
        window_cache=made.root / "cache",
        trace_index=index,
        traces=traces,
        baseline_index=baseline_index,
        baseline_traces=baselines,
        operating_point=point,
        comparison=evaluation.comparison(summarise(dev, curve, post_processing), held_out, point, by_split),
        checkpoint=NAMES,
        corpus=CorpusSettings(layout="synthetic"),
        windowing=PreparationSettings(),
    )


def _with_traces(rows: list[IndexRow], folder: Path, detector: str, quality: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)

    def made(row: IndexRow) -> dict[str, np.ndarray]:
        return {detector: noisy_probability(rng, row.layout.tokens, row.seizures, quality)}

    return evaluation.trace_table(rows, keep_traces(rows, folder, made, {"quality": quality}, f"traces of {detector}"))


def _print_forms(made: Made) -> None:
    """Kilobytes of one page of EEG: the picture that is used, and polylines of SVG at lower rates."""
    row = next(row for row in made.rows if row.seizures)
    signal_uv_CT = cached_uv(made.root / "cache" / row.file, 0, PAGE_S * RATE_HZ)
    spacing = row_spacing(signal_uv_CT)
    print(f"{PAGE_S} s of EEG as a picture of two colours {len(eeg_picture(signal_uv_CT, spacing, 1500, 48)) / 1e3:6.0f} kB")
    for rate_hz in (64, 128):
        thinner_CT = signal_uv_CT.reshape(len(signal_uv_CT), -1, RATE_HZ // rate_hz).mean(axis=2)
        steps = np.diff(np.rint(thinner_CT / spacing * 64).astype(int), axis=1)
        text = "".join(" ".join(f"1 {step}" for step in line).replace(" -", "-") for line in steps)
        print(f"{PAGE_S} s of EEG as SVG lines at {rate_hz:3d} Hz     {len(text) / 1e3:6.0f} kB")


if __name__ == "__main__":
    main()
