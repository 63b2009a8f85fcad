"""`kedro score`, as it is typed: what it prints and writes, and plain errors."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from test_command_line import KEDRO, REPOSITORY
from test_scored_files import BIDS, NEDC, put

from seizure_pipeline.cli import cli
from seizure_pipeline.commands.score import FIGURES, WHAT_COUNTS
from seizure_pipeline.scored_files import pair_files, read_pairs
from seizure_pipeline.scoring import RULES, score


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two patients, 2 h: of two seizures one is found, by one of two detections."""
    put(tmp_path / "ref", BIDS, [(100, 160)], 3600)
    put(tmp_path / "hyp", BIDS.rpartition("/")[2], [(110, 150), (2000, 2010)], 3600)
    put(tmp_path / "ref", NEDC, [(500, 520)], 3600)
    put(tmp_path / "hyp", NEDC.replace(".csv_bi", "_events.tsv"), [], 3600)
    return tmp_path


def typed(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["score", "--reference", str(root / "ref"), "--hypothesis", str(root / "hyp"), *arguments])


def test_one_line_of_a_table_for_every_rule_beside_its_trivial_baselines(folders: Path) -> None:
    done = typed(folders)
    assert done.exit_code == 0
    assert done.output.startswith("2 recordings of 2 patients, 2.00 h, 2 seizures listed, 2 detections listed\n")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.output.splitlines() if line.startswith("│")]
    assert [row[:2] for row in rows] == [
        [rule, detector] for rule in RULES for detector in ("hypothesis", "never alarms", "always alarms")
    ]
    assert rows[0] == ["ovlp", "hypothesis", "1", "1", "1", "2", "0.5000", "0.5000", "0.5000", "12.00", "2.00"]
    assert rows[1] == ["ovlp", "never alarms", "0", "2", "0", "2", "0.0000", "0.0000", "0.0000", "0.00", "2.00"]
    assert rows[2] == ["ovlp", "always alarms", "2", "0", "0", "2", "1.0000", "1.0000", "1.0000", "0.00", "2.00"]


def test_every_rule_says_what_it_counts_and_families_stand_apart(folders: Path) -> None:
    assert set(WHAT_COUNTS) == set(RULES)
    words = " ".join(typed(folders).output.split())
    assert all(f"{rule}: {what}" in words for rule, what in WHAT_COUNTS.items())
    nedc, szcore = words.index("NEDC v6.0.0, label SEIZ"), words.index("SzCORE, timescoring 0.0.7")
    assert nedc < words.index("dpalign: ") < szcore < words.index("szcore_event: ")


def test_only_the_rules_that_are_named_are_scored(folders: Path) -> None:
    output = typed(folders, "--rule", "ovlp", "--rule", "szcore_event", "--rule", "ovlp").output
    assert output.count("│ hypothesis") == 2
    assert "│ taes" not in output


def test_json_holds_every_figure_pooled_by_patient_and_over_patients(folders: Path) -> None:
    target = folders / "scores.json"
    assert typed(folders, "--json", str(target)).exit_code == 0
    found = json.loads(target.read_text())
    recordings = read_pairs(pair_files(folders / "ref", folders / "hyp"))
    assert (found["recordings"], found["patients"], found["hours"], found["missing_as_empty"]) == (2, 2, 2.0, [])
    for rule in RULES:
        expected = score(recordings, rule)
        assert found["rules"][rule]["pooled"]["hypothesis"] == {name: getattr(expected, name) for name in FIGURES}
        assert set(found["rules"][rule]["by_patient"]) == {"sub-01", "aaaaaajy"}
        mean = found["rules"][rule]["mean_over_patients"]
        assert mean["sensitivity"] == expected.mean_over_patients().sensitivity
    ovlp = found["rules"]["ovlp"]
    assert ovlp["by_patient"]["aaaaaajy"]["fn"] == 1
    assert ovlp["mean_over_patients"]["false_alarms_per_24h"] == (24 + 0) / 2
    assert ovlp["pooled"]["always_alarms"]["sensitivity"] == 1


def test_json_is_written_whole_or_not_at_all(folders: Path) -> None:
    target = folders / "scores.json"
    target.write_text("old")
    put(folders / "hyp", "extra.tsv", [])
    assert typed(folders, "--json", str(target)).exit_code == 1
    assert target.read_text() == "old"
    assert not list(folders.glob(".*.part"))


def test_missing_files_count_as_no_detection_when_told_and_it_is_said(folders: Path) -> None:
    (folders / "hyp" / BIDS.rpartition("/")[2]).unlink()
    refused = typed(folders)
    assert refused.exit_code == 1
    assert BIDS in refused.output
    done = typed(folders, "--missing-as-empty", "--json", str(folders / "scores.json"))
    assert done.exit_code == 0
    assert "without a hypothesis file, counted as without detection: 1 of these recordings\n" in done.output
    assert json.loads((folders / "scores.json").read_text())["missing_as_empty"] == [BIDS[18:-11]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "any"], "rule any: not known; known rules are ovlp"),
        (["--only", "csv_bi"], "hyp: holds no file that ends in .csv_bi, .csv"),
        (["--json", "/nowhere/scores.json"], "/nowhere"),
    ],
)
def test_bad_input_is_one_line_and_status_1(folders: Path, arguments: list[str], message: str) -> None:
    done = typed(folders, *arguments)
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert done.output.count("\n") == 1
    assert message in done.output


def test_the_command_itself_ends_without_a_traceback(folders: Path) -> None:
    command = [KEDRO, "score", "--reference", folders / "ref", "--hypothesis", folders / "nowhere"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"Error: ScoredFilesError: {folders / 'nowhere'}: no such folder"
    assert "Traceback" not in done.stdout + done.stderr


def test_scoring_from_the_command_line_imports_neither_torch_nor_mlflow_nor_modal(folders: Path) -> None:
    program = (
        "import sys; from click.testing import CliRunner; from seizure_pipeline.cli import cli; "
        f"done = CliRunner().invoke(cli, ['score', '--reference', {str(folders / 'ref')!r}, "
        f"'--hypothesis', {str(folders / 'hyp')!r}]); "
        "assert done.exit_code == 0, done.output; print([m for m in ('torch', 'mlflow', 'modal') if m in sys.modules])"
    )
    done = subprocess.run(
        [KEDRO.with_name("python"), "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
