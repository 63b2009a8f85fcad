"""`kedro compare`: figures, intervals, refusals, table, picture and JSON of two runs in an MLflow store."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import ALARM_S, RATE_HZ, RECORDING_S, SEIZURE_S, Patient, Store, counts
from test_command_line import KEDRO

from seizure_pipeline.commands.compare import compare_runs
from seizure_pipeline.evaluation.paired import SplitComparison, compare_counts
from seizure_pipeline.figures.paired import paired_figure
from seizure_pipeline.mlflow_runs.counts import CountedRuns, RunNotFound
from seizure_pipeline.scoring import ScoringError
from seizure_pipeline.scoring.bootstrap import BootstrapSettings

FEW = BootstrapSettings(resamples=200)
SEIZURES = (3, 2, 5, 1, 4, 0, 6)


def patients(found: Sequence[int], alarms: Sequence[int]) -> list[Patient]:
    return [Patient(f"p{k}", *numbers) for k, numbers in enumerate(zip(SEIZURES, found, alarms, strict=True))]


A_DEV, B_DEV = patients((1, 2, 2, 0, 3, 0, 3), (1, 0, 0, 1, 0, 0, 0)), patients((2, 1, 4, 1, 3, 0, 5), (0, 0, 0, 0, 1, 1, 0))
A_EVAL, B_EVAL = patients((2, 2, 3, 1, 1, 0, 2), (4, 0, 1, 0, 9, 2, 0)), patients((2, 1, 5, 0, 3, 0, 6), (2, 3, 0, 0, 4, 2, 1))


def slow_figures(group: Sequence[Patient]) -> dict[str, float]:
    """Every headline figure of patients listed as often as they are drawn, from their whole numbers alone."""
    seizures, found, alarms = (sum(getattr(each, name) for each in group) for name in ("seizures", "found", "alarms"))
    hours = 2 * RECORDING_S / 3600 * len(group)
    rate = 24 * alarms / hours
    ictal, ictal_high = seizures * SEIZURE_S * RATE_HZ, found * SEIZURE_S * RATE_HZ
    other = 2 * RECORDING_S * RATE_HZ * len(group) - ictal
    other_high = alarms * ALARM_S * RATE_HZ
    figures = {"frozen_false_alarms_per_24h": rate}
    if not seizures:
        return figures | dict.fromkeys(("frozen_sensitivity", "auroc", "average_precision", *WITHIN), np.nan)
    wins = ictal_high * (other - other_high) + (ictal_high * other_high + (ictal - ictal_high) * (other - other_high)) / 2
    precision = ictal_high / (ictal_high + other_high) if found or alarms else 0.0
    figures |= {name: found / seizures if rate <= budget else 0.0 for name, budget in WITHIN.items()}
    return figures | {
        "frozen_sensitivity": found / seizures,
        "auroc": wins / (ictal * other),
        "average_precision": (ictal_high * precision + (ictal - ictal_high) * ictal / (ictal + other)) / ictal,
    }


WITHIN = {"sensitivity_at_10fa": 10.0, "sensitivity_at_5fa": 5.0, "sensitivity_at_2.5fa": 2.5, "sensitivity_at_1fa": 1.0}


def slow_interval(name: str, a: Sequence[Patient], b: Sequence[Patient], resamples: int) -> tuple[float, float]:
    """The middle 95 % of B - A, one resample after the other, each with the same patients on both sides."""
    drawn = np.random.default_rng(0).multinomial(len(a), np.full(len(a), 1 / len(a)), size=resamples)
    differences = []
    for weights in drawn:
        of_a, of_b = ([each for each, often in zip(side, weights, strict=True) for _ in range(often)] for side in (a, b))
        differences.append(slow_figures(of_b)[name] - slow_figures(of_a)[name])
    low, high = np.quantile([each for each in differences if not np.isnan(each)], (0.025, 0.975))
    return float(low), float(high)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two runs on the same recordings."""
    made = Store(tmp_path_factory.mktemp("store"))
    made.log("small", counts(A_DEV, A_EVAL), corpus_fingerprint="one")
    made.log("large net", counts(B_DEV, B_EVAL), corpus_fingerprint="one")
    return made


def compared(store: Store, folder: Path, a: str = "small", b: str = "large net") -> dict[str, Any]:
    """The JSON of a comparison."""
    compare_runs(a, b, store.uri, folder, None, folder / "all.json")
    return dict(json.loads((folder / "all.json").read_text()))


def test_figures_counts_and_intervals_are_those_of_a_slow_loop_over_whole_numbers(store: Store, tmp_path: Path) -> None:
    splits = compared(store, tmp_path)["splits"]
    for split, a, b, prefix in (("dev", A_DEV, B_DEV, ""), ("eval", A_EVAL, B_EVAL, "own_curve_")):
        of_a, of_b = slow_figures(a), slow_figures(b)
        figures = splits[split]["figures"]
        names = [*WITHIN, "auroc", "average_precision"]
        names += ["frozen_sensitivity", "frozen_false_alarms_per_24h"] if split == "eval" else []
        assert {f"{prefix}{name}" if name in WITHIN else name for name in names} == set(figures)
        for name in names:
            found = figures[f"{prefix}{name}" if name in WITHIN else name]
            assert (found["a"]["figure"], found["b"]["figure"]) == pytest.approx((of_a[name], of_b[name]), abs=1e-12), name
            assert found["difference"] == pytest.approx(of_b[name] - of_a[name], abs=1e-12), name
            assert (found["low"], found["high"]) == pytest.approx(slow_interval(name, a, b, 10_000), abs=1e-12), name
    rate, share = splits["eval"]["figures"]["frozen_false_alarms_per_24h"], splits["eval"]["figures"]["frozen_sensitivity"]
    assert ([rate[side]["part"] for side in "ab"], rate["a"]["whole"]) == ([16, 12], 7.0)
    assert ([share[side]["part"] for side in "ab"], share["b"]["whole"]) == ([11, 17], 21.0)
    assert [splits["dev"]["figures"]["sensitivity_at_1fa"][side]["part"] for side in "ab"] == [0, 0]
    assert splits["dev"]["figures"]["auroc"]["a"]["part"] == 21 * SEIZURE_S * RATE_HZ


def test_each_patient_has_what_both_runs_found_and_falsely_alarmed_for(store: Store, tmp_path: Path) -> None:
    splits = compared(store, tmp_path)["splits"]
    for split, a, b in (("dev", A_DEV, B_DEV), ("eval", A_EVAL, B_EVAL)):
        expected = [
            [each.name, 1.0, each.seizures, each.found, other.found, each.alarms, other.alarms]
            for each, other in zip(a, b, strict=True)
        ]
        assert [list(patient.values()) for patient in splits[split]["patients"]] == expected


def test_a_run_differs_from_its_twin_in_nothing_and_the_interval_is_0_to_0(store: Store, tmp_path: Path) -> None:
    twin = store.log("twin", counts(A_DEV, A_EVAL))
    for split in compared(store, tmp_path, b=twin)["splits"].values():
        for name, found in split["figures"].items():
            assert (found["difference"], found["low"], found["high"]) == (0.0, 0.0, 0.0), name
            assert (found["share_of_resamples_above"], found["share_of_resamples_equal"]) == (0.0, 1.0), name


def test_the_other_way_round_every_difference_has_the_other_sign() -> None:
    a, b = counts(A_DEV, A_EVAL), counts(B_DEV, B_EVAL)
    for forth, back in zip(compare_counts(a, b, FEW), compare_counts(b, a, FEW), strict=True):
        for one, other in zip(forth.figures, back.figures, strict=True):
            ends = [(known.figure, known.low, known.high) for known in (one.difference.difference, other.difference.difference)]
            assert ends[0] == pytest.approx((-ends[1][0], -ends[1][2], -ends[1][1])), one.name
            assert (one.a, one.b) == (other.b, other.a)


def test_four_patients_have_differences_and_no_interval_and_that_is_said(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [store.log("few", counts(side[:4])) for side in (A_DEV, B_DEV)]
    found = compared(store, tmp_path, *ids)["splits"]["dev"]["figures"]["auroc"]
    assert found["difference"] == pytest.approx(slow_figures(B_DEV[:4])["auroc"] - slow_figures(A_DEV[:4])["auroc"])
    assert (found["low"], found["high"]) == (None, None)
    assert "No interval: 4 patients; an interval over patients takes at least 5" in capsys.readouterr().out


def test_without_a_seizure_on_eval_there_are_false_alarms_alone(store: Store, tmp_path: Path) -> None:
    quiet = [replace(each, seizures=0, found=0) for each in A_EVAL]
    ids = [store.log("quiet", counts(side, quiet)) for side in (A_DEV, B_DEV)]
    figures = compared(store, tmp_path, *ids)["splits"]["eval"]["figures"]
    assert {name for name, found in figures.items() if found["difference"] is not None} == {"frozen_false_alarms_per_24h"}
    assert figures["own_curve_sensitivity_at_10fa"]["reason"] == "undefined on these recordings"


def test_a_split_that_one_run_alone_has_is_named_and_not_compared(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dev_only = store.log("dev only", counts(A_DEV))
    found = compared(store, tmp_path, b=dev_only)
    assert (list(found["splits"]), found["only_in_a"], found["only_in_b"]) == (["dev"], ["eval"], [])
    assert "Split eval is not compared: only A has it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ([*B_DEV[1:], Patient("new", 3, 1, 0)], r"split dev: .*the same patients; A alone has p0; B alone has new"),
        ([replace(B_DEV[0], seizures=4), *B_DEV[1:]], r"split dev, A first and B second: .*p0_a: seizures \[.*300.*\] and \["),
    ],
)
def test_other_patients_or_other_seizures_are_refused_and_named(other: list[Patient], said: str) -> None:
    with pytest.raises(ScoringError, match=said):
        compare_counts(counts(A_DEV), counts(other), FEW)


def test_other_recordings_and_other_lengths_are_refused_and_named() -> None:
    run = counts(A_DEV)
    dev = run.splits["dev"]
    first, *rest = dev.recordings
    for changed, said in (
        (rest, "p0_a: only the first has it"),
        ([replace(first, duration_s=1801.0), *rest], r"p0_a: durations of 1800\.0 and 1801\.0 s"),
    ):
        other = replace(run, splits={"dev": replace(dev, recordings=tuple(changed))})
        with pytest.raises(ScoringError, match=said):
            compare_counts(run, other, FEW)


def test_runs_on_other_recordings_are_named_with_their_corpora(store: Store, tmp_path: Path) -> None:
    other = store.log("elsewhere", counts(B_DEV[1:]), corpus_fingerprint="two")
    said = rf"A is run small \(.*B is run elsewhere \({other}\).*corpus_fingerprint one and two"
    with pytest.raises(ScoringError, match=said):
        compared(store, tmp_path, b=other)
    assert not list(tmp_path.iterdir())


def test_a_name_of_several_runs_is_refused_with_their_ids_and_an_id_is_not(store: Store) -> None:
    ids = [store.log("it's twice", counts(A_DEV)) for _ in range(2)]
    runs = CountedRuns(store.uri)
    with pytest.raises(RunNotFound, match=r"2 runs in .* are named") as refusal:
        runs.find("it's twice")
    assert all(run_id in str(refusal.value) for run_id in ids)
    assert runs.find(ids[0]).run_id == ids[0]


def test_a_run_is_found_by_the_beginning_of_its_id_or_of_its_trainings_unless_another_begins_so_too(store: Store) -> None:
    training = "a01feffb6a4882b5"
    one = store.log("a01fe", counts(A_DEV))
    _, newest = (store.log("again", counts(A_DEV), training=training) for _ in range(2))
    other = store.log("other", counts(A_DEV), training=f"{training[:8]}00000000")
    runs = CountedRuns(store.uri)
    assert runs.find(one[:12]).run_id == one
    assert runs.find(training).run_id == newest
    assert runs.find(training[:9]).run_id == newest
    assert runs.find("a01fe").run_id == one  # a name goes before the beginning of an id
    with pytest.raises(RunNotFound, match=r"^2 runs in .* are named 'a01fef' or have ids that begin so") as refusal:
        runs.find("a01fef")
    assert newest in str(refusal.value)
    assert other in str(refusal.value)
    with pytest.raises(RunNotFound, match="or an id that begins so"):
        runs.find("0e7%")


def test_a_run_that_is_not_there_or_has_no_counts_or_torn_ones_is_refused_with_the_way_out(store: Store) -> None:
    runs = CountedRuns(store.uri)
    bare = store.log("bare")
    with pytest.raises(RunNotFound, match=r"has the name 'nobody', or an id that begins so; the newest are bare, "):
        runs.find("nobody")
    with pytest.raises(RunNotFound, match=rf"bare \({bare}, FINISHED\) has no artifact patient_counts\.npz; `kedro run`"):
        runs.find("bare")
    store.log("torn", b"PK\x03\x04 and no more")
    with pytest.raises(RunNotFound, match=r"run torn .*patient_counts\.npz is not read, BadZipFile"):
        runs.find("torn")


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match=r"nosuch\.db .*no such file here"):
        CountedRuns(f"sqlite:///{tmp_path}/nosuch.db")
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_table_and_draws_among_the_reports(store: Store, project: Path, tmp_path: Path) -> None:
    home = tmp_path / "project"
    shutil.copytree(project, home, ignore=shutil.ignore_patterns("data", "mlruns", "mlflow.db"))
    shutil.copy(store.folder / "mlflow.db", home / "mlflow.db")
    command = [KEDRO, "compare", "small", "large net", "--params", "data_root=here", "--json", "all.json"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = {cells[1].strip(): cells[2:-1] for line in done.stdout.splitlines() if len(cells := line.split("│")) > 3}
    found = json.loads((home / "all.json").read_text())["splits"]["eval"]["figures"]["frozen_sensitivity"]
    interval = f"{found['low']:+.3f} to {found['high']:+.3f}"
    assert [cell.strip() for cell in rows["frozen_sensitivity"]] == [
        "0.524",
        "11 of 21",
        "0.810",
        "17 of 21",
        "+0.286",
        interval,
    ]
    assert "paired bootstrap, 10,000 resamples of the 7 patients" in done.stdout
    picture = home / "here/08_reporting/compare_small_large-net.png"
    assert str(picture) in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    refused = subprocess.run([KEDRO, "compare", "small", "nobody"], cwd=home, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "RunNotFound: no run" in refused.stderr
    assert "Traceback" not in refused.stderr


def dots(split: SplitComparison) -> list[tuple[str, float, str]]:
    """The figure, the place and the words of every dot of a picture of one split."""
    found = []
    for panel in paired_figure([split], "A: small    B: large").axes:
        if panel.get_xlabel().startswith("difference B - A"):
            rows = [label.get_text() for label in panel.get_yticklabels()]
            drawn = [line for line in panel.lines if line.get_marker() == "o"]
            for dot, text in zip(drawn, panel.texts, strict=True):
                found.append((rows[int(dot.get_ydata()[0])], dot.get_xdata()[0], text.get_text()))
    return found


def test_the_picture_shows_every_difference_where_it_lies_and_every_patient() -> None:
    splits = compare_counts(counts(A_DEV, A_EVAL), counts(B_DEV, B_EVAL), FEW)
    for split in splits:
        expected = []
        for each in split.figures:
            known = each.difference.difference
            expected.append((each.name, known.figure, f"{known.figure:+.3f}  ({known.low:+.3f} to {known.high:+.3f})"))
        assert sorted(dots(split)) == sorted(expected)
    axes = paired_figure(splits, "A: small    B: large").axes
    slopes = [panel for panel in axes if panel.get_title(loc="left").startswith("sensitivity")]
    legends = [[label.get_text() for label in panel.get_legend().get_texts()] for panel in slopes]
    last = "all seizures together"
    assert legends == [
        ["more found by B (4)", "fewer found by B (1)", "as many found by both (1)", last],
        ["more found by B (3)", "fewer found by B (2)", "as many found by both (1)", last],
    ]


def test_a_dot_without_an_interval_is_open_and_says_so() -> None:
    (split,) = compare_counts(counts(A_DEV[:4]), counts(B_DEV[:4]), FEW)
    panel = paired_figure([split], "few").axes[0]
    assert {line.get_markerfacecolor() for line in panel.lines if line.get_marker() == "o"} == {"white"}
    assert sum("(no interval)" in text.get_text() for text in panel.texts) == len(split.figures)
