"""The one place where metrics get their names: early stopping, tracking and reports all take them from here."""

from __future__ import annotations

FALSE_ALARM_BUDGETS_PER_24H = (10.0, 5.0, 2.5, 1.0)
PARTIAL_AREA_BUDGET_PER_24H = 10.0

AUROC = "auroc"
AVERAGE_PRECISION = "average_precision"
AUROC_PER_RECORDING = "auroc_per_recording"
AVERAGE_PRECISION_PER_RECORDING = "average_precision_per_recording"
CALIBRATION_ERROR = "expected_calibration_error"
BRIER_SCORE = "brier_score"
PREDICTION_ENTROPY = "prediction_entropy"
WINDOWS_CALLED_ICTAL = "windows_called_ictal"
RECALL_GAP = "recall_gap"
AUROC_ABOVE_BASELINE = "auroc_above_baseline"
COLLAPSED = "collapsed"
PARTIAL_AREA = f"partial_area_to_{PARTIAL_AREA_BUDGET_PER_24H:g}fa"


def sensitivity_name(budget_per_24h: float) -> str:
    """`sensitivity_at_10fa` for 10.0, `sensitivity_at_2.5fa` for 2.5: first-crossing sensitivity within the budget."""
    return _at("sensitivity", budget_per_24h)


def optimistic_sensitivity_name(budget_per_24h: float) -> str:
    """Best sensitivity at any threshold within the budget."""
    return _at("optimistic_sensitivity", budget_per_24h)


def chance_sensitivity_name(budget_per_24h: float) -> str:
    """Sensitivity expected of alarms at random times at the budget's rate."""
    return _at("chance_sensitivity", budget_per_24h)


def threshold_name(budget_per_24h: float) -> str:
    """Probability threshold chosen for the budget."""
    return _at("threshold", budget_per_24h)


def found_seizures_name(budget_per_24h: float) -> str:
    """Seizures found at the budget's threshold."""
    return _at("found_seizures", budget_per_24h)


def false_alarms_name(budget_per_24h: float) -> str:
    """False alarms raised at the budget's threshold."""
    return _at("false_alarms", budget_per_24h)


def precision_name(budget_per_24h: float) -> str:
    """Found seizures over found seizures and false alarms at the budget's threshold."""
    return _at("precision", budget_per_24h)


def f1_name(budget_per_24h: float) -> str:
    """Harmonic mean of sensitivity and precision at the budget's threshold."""
    return _at("f1", budget_per_24h)


def rate_name(budget_per_24h: float) -> str:
    """False alarms per 24 h at the budget's threshold."""
    return _at("false_alarms_per_24h", budget_per_24h)


def low_name(figure: str) -> str:
    """Lower end of the interval of a figure."""
    return f"{figure}_low"


def high_name(figure: str) -> str:
    """Upper end of the interval of a figure."""
    return f"{figure}_high"


def frozen_name(figure: str, rule: str = "ovlp") -> str:
    """A figure at the threshold that another split gave: `frozen_sensitivity` by any overlap, `frozen_taes_f1` by TAES."""
    return f"frozen_{figure}" if rule == "ovlp" else f"frozen_{rule}_{figure}"


def own_curve_name(figure: str) -> str:
    """A figure whose threshold was chosen on the very split that it is of, where a frozen one is what counts."""
    return f"own_curve_{figure}"


def _at(quantity: str, budget_per_24h: float) -> str:
    return f"{quantity}_at_{float(budget_per_24h):g}fa"
