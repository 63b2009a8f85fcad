"""The tables of a report, each a list of lines whose cells are text already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from seizure_pipeline.report.chance import DRAWS, ChanceScore, chance_score, random_detections
from seizure_pipeline.report.intervals import rule_intervals
from seizure_pipeline.report.numbers import Ends, count, number, number_interval, share, share_interval
from seizure_pipeline.report.rule_words import HEADLINE, RULE_WORDS, RuleWords
from seizure_pipeline.scoring import FALSE_ALARM_BUDGETS_PER_24H, Score, ScoredRecording, Summary, names, score
from seizure_pipeline.scoring.bootstrap import BootstrapSettings, Uncertainty
from seizure_pipeline.scoring.trivial import always, never

Known = Mapping[str, Uncertainty]
FIGURES = ("sensitivity", "precision", "f1", "false_alarms_per_24h")
NO_ENDS: Ends = (None, None)


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, its interval and what it was counted from."""

    figure: str
    interval: str = ""
    counts: str = ""


@dataclass(frozen=True, slots=True)
class TableLine:
    """A named line."""

    name: str
    cells: list[Cell]
    is_model: bool = False


@dataclass(frozen=True, slots=True)
class RuleBlock:
    """All detectors by one rule, pooled, and the model's mean over patients."""

    rule: str
    words: RuleWords
    lines: list[TableLine]
    mean: TableLine
    patients: int


@dataclass(frozen=True, slots=True)
class OneFeature:
    """The best one-feature detector on dev: its name, and the split's recordings with its detections."""

    name: str
    recordings: Sequence[ScoredRecording]


def rule_blocks(
    model: Sequence[ScoredRecording], one_feature: OneFeature, known: Known, settings: BootstrapSettings
) -> list[RuleBlock]:
    """A block for each rule, the headline's first; `known` are the model's intervals by any overlap."""
    copies = random_detections(model)
    return [_block(rule, model, one_feature, copies, known, settings) for rule in RULE_WORDS]


def _block(
    rule: str,
    model: Sequence[ScoredRecording],
    one_feature: OneFeature,
    copies: Sequence[Sequence[ScoredRecording]],
    known: Known,
    settings: BootstrapSettings,
) -> RuleBlock:
    pooled, other = score(model, rule), score(one_feature.recordings, rule)
    ends: Mapping[str, Ends] = rule_intervals(pooled, settings)
    if rule == HEADLINE:
        ends = {figure: _ends(known[names.frozen_name(figure)]) for figure in FIGURES}
    lines = [
        _line("model", pooled, pooled.hours, ends, is_model=True),
        _line(f"best one-feature detector ({one_feature.name})", other, pooled.hours, rule_intervals(other, settings)),
        _line(f"random detections, as many and as long (mean of {DRAWS} draws)", chance_score(copies, rule), pooled.hours, {}),
        _line("always", always(model, rule), pooled.hours, {}),
        _line("never", never(model, rule), pooled.hours, {}),
    ]
    return RuleBlock(rule, RULE_WORDS[rule], lines, _mean_line(pooled), len(pooled.counts_by_patient))


def _line(name: str, found: Score | ChanceScore, hours: float, ends: Mapping[str, Ends], is_model: bool = False) -> TableLine:
    # NEDC's 0.0 of nothing would read as all missed, or all false
    seizures, alarms = found.tp + found.fn, found.tp + found.fp
    sensitivity, precision = found.sensitivity if seizures else None, found.precision if alarms else None
    cells = [
        Cell(share(sensitivity), share_interval(ends.get("sensitivity")), f"{count(found.tp)} of {count(seizures)}"),
        Cell(
            number(found.false_alarms_per_24h),
            number_interval(ends.get("false_alarms_per_24h")),
            f"{count(found.fp)} in {hours:.2f} h",
        ),
        Cell(share(precision), share_interval(ends.get("precision")), f"{count(found.tp)} of {count(alarms)}"),
        Cell(share(found.f1 if seizures or alarms else None), share_interval(ends.get("f1"))),
    ]
    return TableLine(name, cells, is_model)


def _mean_line(pooled: Score) -> TableLine:
    mean = pooled.mean_over_patients()
    cells = [
        Cell(share(mean.sensitivity), _spread(mean.sensitivity_std, share)),
        Cell(number(mean.false_alarms_per_24h), _spread(mean.false_alarms_per_24h_std, number)),
        Cell(share(mean.precision), _spread(mean.precision_std, share)),
        Cell(share(mean.f1), _spread(mean.f1_std, share)),
    ]
    return TableLine("model, mean over patients", cells, is_model=True)


def _spread(deviation: float | None, form: Callable[[float | None], str]) -> str:
    return "" if deviation is None else f"± {form(deviation)}"


def budget_lines(summary: Summary, one_feature: Summary, known: Known) -> list[TableLine]:
    """A line for each budget of false alarms, the thresholds chosen on these very recordings."""
    return [_budget_line(budget, summary, one_feature, known) for budget in FALSE_ALARM_BUDGETS_PER_24H]


def _budget_line(budget: float, summary: Summary, one_feature: Summary, known: Known) -> TableLine:
    sensitivity, optimistic = names.sensitivity_name(budget), names.optimistic_sensitivity_name(budget)
    cells = [
        Cell(
            share(_number(summary[sensitivity])),
            share_interval(_ends(known[sensitivity])),
            f"{summary[names.found_seizures_name(budget)]} of {summary['seizures']}",
        ),
        Cell(str(summary[names.false_alarms_name(budget)])),
        Cell(number(_number(summary[names.threshold_name(budget)]))),
        Cell(share(_number(summary[optimistic])), share_interval(_ends(known[optimistic]))),
        Cell(share(_number(one_feature[sensitivity]))),
        Cell(share(_number(summary[names.chance_sensitivity_name(budget)]))),
    ]
    return TableLine(f"{budget:g} per 24 h", cells)


TOKEN_FIGURES = (
    (names.PARTIAL_AREA, "mean sensitivity over all budgets from 0 to 10 per 24 h (partial area)"),
    (names.AUROC, "AUROC, tokens of all recordings together"),
    (names.AUROC_PER_RECORDING, "AUROC, mean over recordings that have both kinds of tokens"),
    (names.AVERAGE_PRECISION, "average precision, tokens of all recordings together"),
    (names.AVERAGE_PRECISION_PER_RECORDING, "average precision, mean over recordings with a seizure"),
    (names.CALIBRATION_ERROR, "expected calibration error, 10 bins"),
    (names.BRIER_SCORE, "Brier score"),
)


def threshold_free_lines(summary: Summary, one_feature: Summary, known: Known) -> list[TableLine]:
    """Figures that need no threshold, the best one-feature detector's beside the model's."""
    lines = []
    for name, words in TOKEN_FIGURES:
        ours = Cell(number(_number(summary[name])), number_interval(_ends(known.get(name))))
        lines.append(TableLine(words, [ours, Cell(number(_number(one_feature[name])))]))
    return lines


def _number(value: float | int | str | None) -> float | None:
    return None if value is None else float(value)


def _ends(known: Uncertainty | None) -> Ends:
    return NO_ENDS if known is None else (known.low, known.high)
