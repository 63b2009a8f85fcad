"""The one place where metrics get their names: early stopping, tracking and reports all take them from here."""

from __future__ import annotations

FALSE_ALARM_BUDGETS_PER_24H = (10.0, 5.0, 2.5, 1.0)

AUROC = "auroc"
AVERAGE_PRECISION = "average_precision"
CALIBRATION_ERROR = "expected_calibration_error"


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


def _at(quantity: str, budget_per_24h: float) -> str:
    return f"{quantity}_at_{float(budget_per_24h):g}fa"
