"""Who was recorded stays in the recordings: neither a run from corpus to report nor a detection says anything of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from planted_identity import BIRTHS, CODE, FREE_TEXT, NAME, PATIENT, RECORDING, finds, plant, plant_beside, telltales
from test_command_line import KEDRO

ANY_BUDGET = "evaluation.operating_budget_per_24h=100000"  # in minutes of EEG one false alarm is more than the usual one


@pytest.fixture(scope="module")
def corpus(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of named patients, of which one is refused."""
    root = tmp_path_factory.mktemp("named") / "corpus"
    shutil.copytree(small_corpus, root)
    recordings = sorted(root.rglob("*.edf"))
    for path in recordings:
        plant(path)
        plant_beside(path)
        assert all(word.encode() in path.read_bytes()[PATIENT] for word in (*NAME, CODE, BIRTHS[0]))
        assert FREE_TEXT.encode() in path.read_bytes()[256:]
    train = next(path for path in recordings if "train" in path.parts)
    broken = train.with_name(train.name.replace("t000", "t009"))
    broken.write_bytes(train.read_bytes()[:-1000])
    shutil.copy(train.with_suffix(".csv_bi"), broken.with_suffix(".csv_bi"))
    return root


@pytest.fixture(scope="module")
def written(project: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that a run from corpus to report and a detection with every export wrote, printed and left behind."""
    root = tmp_path_factory.mktemp("written")
    for name in ("src", "conf"):
        shutil.copytree(project / name, root / name)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(project / name, root / name)
    (root / "scratch").mkdir()
    with (root / "conf" / "smoke" / "parameters.yml").open("a") as settings:
        settings.write("detection: {exports: [csv_bi, tsv, picture, bids, edf]}\n")
    places = f"corpus_root={corpus},data_root=data,{ANY_BUDGET}"
    own = f"own_recordings={corpus / 'edf' / 'dev'},data_root=data"
    for number, arguments in enumerate((["--params", places], ["--pipelines", "detection", "--params", own])):
        done = subprocess.run(
            ["env", f"TMPDIR={root / 'scratch'}", KEDRO, "run", "--env", "smoke", *arguments],
            cwd=root,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        (root / f"printed_{number}.log").write_bytes(done.stdout + done.stderr)
    return root


def test_nothing_that_a_run_writes_says_who_was_recorded(written: Path, corpus: Path) -> None:
    header = sorted(corpus.rglob("*.edf"))[0].read_bytes()[:256]
    sought = telltales(header)
    copies = sorted((written / "data" / "07_model_output" / "detections").glob("*_annotated.edf"))
    files = [path for path in written.rglob("*") if path.is_file() and "src" not in path.relative_to(written).parts[:1]]
    for path in set(files) - set(copies):
        assert not finds(path, sought), path
    found = {path.suffix for path in files} | {path.name for path in files}
    assert {
        ".npz",
        ".parquet",
        ".safetensors",
        ".csv_bi",
        ".tsv",
        ".png",
        ".html",
        ".json",
        ".csv",
        ".log",
        "mlflow.db",
    } <= found
    refusals = (written / "printed_0.log").read_text()
    assert "t009" in refusals
    assert copies
    for path in copies:  # the reader's own recording once more, and nobody else's: as identified as the recording itself
        assert path.read_bytes()[PATIENT] == header[PATIENT]
        assert path.read_bytes()[RECORDING] == header[RECORDING]
