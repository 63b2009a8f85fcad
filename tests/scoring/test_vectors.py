"""Every figure of the public tools' vectors, and which of them are new in a file's own score."""

import pytest
from made_recordings import VECTORS, recordings_of, vectors

from seizure_pipeline.scoring import RULES, score

EXPECTED = {
    "ovlp": ("nedc_v6.0.0", "OVLP"),
    "taes": ("nedc_v6.0.0", "TAES"),
    "epoch": ("nedc_v6.0.0", "EPOCH"),
    "dpalign": ("nedc_v6.0.0", "DPALIGN"),
    "szcore_event": ("timescoring_0.0.7", "event"),
    "szcore_sample": ("timescoring_0.0.7", "sample"),
}
NAMES = {
    "tp": "tp",
    "fp": "fp",
    "sensitivity": "sensitivity",
    "precision": "precision",
    "f1": "f1",
}
NEDC_NAMES = NAMES | {"fn": "fn", "reference_count": "targets", "false_alarms_per_24h": "fa_per_24h"}
TIMESCORING_NAMES = NAMES | {"reference_count": "refTrue", "false_alarms_per_24h": "fpRate"}

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason="../shared/scoring/vectors.json is missing")


def assert_as_printed(ours, printed, names):
    assert {name: getattr(ours, name) for name in names} == {
        name: printed[key] if printed[key] is None else pytest.approx(printed[key], rel=0, abs=1e-9)
        for name, key in names.items()
    }


def test_every_rule_has_vectors():
    assert set(EXPECTED) == set(RULES)


@pytest.mark.parametrize("rule", EXPECTED)
@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_pooled_figures_are_those_of_the_public_tool(vector, rule):
    tool, scorer = EXPECTED[rule]
    printed = vector["expected"][tool][scorer]
    names = NEDC_NAMES if tool.startswith("nedc") else TIMESCORING_NAMES
    assert_as_printed(score(recordings_of(vector["files"]), rule), printed, names)


@pytest.mark.parametrize("rule", ["szcore_event", "szcore_sample"])
@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_figures_of_each_file_and_the_time_on_the_grid_are_those_of_timescoring(vector, rule):
    printed = vector["expected"]["timescoring_0.0.7"][EXPECTED[rule][1]]["per_file"]
    for recording, of_file in zip(recordings_of(vector["files"]), printed, strict=True):
        ours = score([recording], rule)
        assert_as_printed(ours, of_file, TIMESCORING_NAMES)
        assert ours.hours == pytest.approx(of_file["numSamples"] / of_file["fs"] / 3600, rel=1e-12)
