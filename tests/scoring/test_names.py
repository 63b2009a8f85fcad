import pytest

from seizure_pipeline.scoring import FALSE_ALARM_BUDGETS_PER_24H, names


@pytest.mark.parametrize(
    ("budget_per_24h", "name"),
    [
        (10.0, "sensitivity_at_10fa"),
        (10, "sensitivity_at_10fa"),
        (2.5, "sensitivity_at_2.5fa"),
        (1.0, "sensitivity_at_1fa"),
    ],
)
def test_a_whole_budget_has_the_same_name_as_float_and_integer(budget_per_24h, name):
    assert names.sensitivity_name(budget_per_24h) == name


def test_no_two_figures_share_a_name():
    kinds = [
        names.sensitivity_name, names.optimistic_sensitivity_name, names.chance_sensitivity_name, names.threshold_name,
        names.found_seizures_name, names.false_alarms_name, names.precision_name, names.f1_name, names.rate_name,
    ]  # fmt: skip
    made = [kind(budget) for kind in kinds for budget in FALSE_ALARM_BUDGETS_PER_24H]
    assert len(set(made)) == len(made)
