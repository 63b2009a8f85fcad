"""Files on their way to a far node and home: only those that changed, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from folder_backend import FolderBackend

from seizure_pipeline.remote.backend import LostContact, RemoteError
from seizure_pipeline.remote.files.staging import VOUCHED, VOUCHER, WEIGHTS, Staging
from seizure_pipeline.remote.files.travel import Dataset
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.settings import RemoteSettings


def a_staging(tmp_path: Path, backend: FolderBackend, **settings: object) -> Staging:
    facts: dict[str, object] = {"backend": "subprocess", "far_root": str(tmp_path / "far"), "tags": {}, **settings}
    return Staging(backend, RemoteSettings.model_validate(facts), tmp_path / "near", Patience(60))


def a_dataset(tmp_path: Path, name: str, kind: str = "file", is_output: bool = False) -> Dataset:
    return Dataset(name, kind, str(tmp_path / "near" / name), str(tmp_path / "far" / name), is_output)  # type: ignore[arg-type]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_only_what_changed_is_carried_also_by_a_later_process(tmp_path: Path) -> None:
    backend = FolderBackend()
    datasets = [a_dataset(tmp_path, name) for name in ("index.parquet", "tables/point.json")]
    for dataset in datasets:
        write(Path(dataset.here), "first")
    assert a_staging(tmp_path, backend).carry(datasets) == ["index.parquet", "tables/point.json"]
    assert a_staging(tmp_path, backend).carry(datasets) == []
    write(Path(datasets[1].here), "other")  # as many bytes
    assert a_staging(tmp_path, backend).carry(datasets) == ["tables/point.json"]
    assert [Path(dataset.there).read_text() for dataset in datasets] == ["first", "other"]


def test_what_vanished_or_was_cut_over_there_is_carried_again(tmp_path: Path) -> None:
    backend, dataset = FolderBackend(), a_dataset(tmp_path, "index.parquet")
    write(Path(dataset.here), "content")
    staging = a_staging(tmp_path, backend)
    for damage in (Path.unlink, lambda path: path.write_text("cont")):
        staging.carry([dataset])
        damage(Path(dataset.there))
        assert staging.carry([dataset]) == ["index.parquet"]
        assert Path(dataset.there).read_text() == "content"


def test_what_a_node_may_have_written_over_there_is_not_trusted(tmp_path: Path) -> None:
    backend, dataset = FolderBackend(), a_dataset(tmp_path, "checkpoint.json")
    write(Path(dataset.here), "mine")
    staging = a_staging(tmp_path, backend)
    staging.carry([dataset])
    staging.forget([dataset])
    write(Path(dataset.there), "hers")  # as many bytes, and never brought home
    assert staging.carry([dataset]) == ["checkpoint.json"]


def test_another_place_of_the_same_name_gets_its_own(tmp_path: Path) -> None:
    backend, far = FolderBackend(), tmp_path / "far"
    write(tmp_path / "near/index.parquet", "content")
    counts = []
    for volume in ("one", "two", "one", "two"):
        far.unlink(missing_ok=True)
        (tmp_path / volume).mkdir(exist_ok=True)
        far.symlink_to(tmp_path / volume)
        counts.append(len(a_staging(tmp_path, backend).carry([a_dataset(tmp_path, "index.parquet")])))
    assert counts == [1, 1, 0, 0]


def test_a_torn_ledger_carries_again(tmp_path: Path) -> None:
    backend, dataset = FolderBackend(), a_dataset(tmp_path, "index.parquet")
    write(Path(dataset.here), "content")
    staging = a_staging(tmp_path, backend)
    staging.carry([dataset])
    write(tmp_path / "far/remote/carried", '{"3f')
    assert staging.carry([dataset]) == ["index.parquet"]
    assert staging.carry([dataset]) == []


def test_what_another_near_side_carried_last_is_not_taken_for_mine(tmp_path: Path) -> None:
    backend = FolderBackend()
    mine, hers = (a_dataset(tmp_path / side, "checkpoint.json") for side in ("mine", "hers"))
    for side in ("mine", "hers"):
        write(tmp_path / side / "near/checkpoint.json", side)  # as many bytes
    (tmp_path / "mine/far").mkdir()
    (tmp_path / "hers/far").symlink_to(tmp_path / "mine/far")
    hers = replace(hers, there=mine.there)

    def carry(side: str, dataset: Dataset) -> list[str]:
        staging = a_staging(tmp_path / side, backend, far_root=str(tmp_path / "mine/far"))
        return staging.carry([dataset])

    assert carry("mine", mine) == ["checkpoint.json"]
    (tmp_path / "mine/far/remote/owner").unlink()  # she takes the place over
    assert carry("hers", hers) == ["checkpoint.json"]
    with pytest.raises(RemoteError, match=f"is that of {tmp_path}/hers/near on .*, not of {tmp_path}/mine/near"):
        carry("mine", mine)
    (tmp_path / "mine/far/remote/owner").unlink()
    assert carry("mine", mine) == ["checkpoint.json"]
    assert Path(mine.there).read_text() == "mine"


def test_a_copy_of_a_data_root_is_told_apart_by_the_content_over_there(tmp_path: Path) -> None:
    backend, dataset = FolderBackend(), a_dataset(tmp_path, "checkpoint.json")
    write(Path(dataset.here), "mine")
    a_staging(tmp_path, backend).carry([dataset])
    shutil.copytree(tmp_path / "near", tmp_path / "copy")
    write(tmp_path / "copy/checkpoint.json", "hers")
    facts = {"backend": "subprocess", "far_root": str(tmp_path / "far"), "tags": {}}
    copy = Staging(backend, RemoteSettings.model_validate(facts), tmp_path / "copy", Patience(60))
    assert copy.carry([replace(dataset, here=str(tmp_path / "copy/checkpoint.json"))]) == ["checkpoint.json"]
    assert a_staging(tmp_path, backend).carry([dataset]) == ["checkpoint.json"]
    assert Path(dataset.there).read_text() == "mine"


@pytest.mark.parametrize("side", ["near", "far"])
def test_an_unreadable_mark_belongs_to_nobody_that_may_be_overrun(tmp_path: Path, side: str) -> None:
    staging = a_staging(tmp_path, FolderBackend())
    staging.carry([])
    write(tmp_path / side / "remote/owner", '{"id"')
    with pytest.raises(RemoteError, match=r"remove .*/far/remote/owner there"):
        staging.carry([])
    (tmp_path / "far/remote/owner").unlink()
    assert staging.carry([]) == staging.carry([]) == []


def test_a_file_too_large_to_be_carried_is_refused(tmp_path: Path) -> None:
    dataset = a_dataset(tmp_path, "index.parquet")
    write(Path(dataset.here), "")
    os.truncate(dataset.here, 256 * 2**20 + 1)
    with pytest.raises(RemoteError, match=r"index\.parquet: 268435457 bytes are too many"):
        a_staging(tmp_path, FolderBackend()).carry([dataset])


CARRIER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from folder_backend import FolderBackend
from test_remote_staging import a_dataset, a_staging
root = Path(sys.argv[1])
dataset, staging = a_dataset(root, "index.parquet"), a_staging(root, FolderBackend())
print("ready", flush=True)
while True:
    for letter in "ab":
        Path(dataset.here).write_text(letter * 3_000_000)
        staging.carry([dataset])
"""


@pytest.mark.parametrize("pause_s", [0.01, 0.023, 0.04])
def test_a_carrier_killed_at_any_moment_leaves_a_whole_file_that_the_next_puts_right(tmp_path: Path, pause_s: float) -> None:
    backend, dataset = FolderBackend(), a_dataset(tmp_path, "index.parquet")
    write(Path(dataset.here), "b" * 3_000_000)
    a_staging(tmp_path, backend).carry([dataset])
    command = [sys.executable, "-c", CARRIER, tmp_path, Path(__file__).parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as carrier:
        assert carrier.stdout is not None
        carrier.stdout.readline()
        time.sleep(pause_s)
        carrier.send_signal(signal.SIGKILL)
    there = Path(dataset.there).read_text()
    assert there in ("a" * 3_000_000, "b" * 3_000_000)
    for letter in "ab" if there[0] == "b" else "ba":  # the ledger does not claim that the other one is there
        write(Path(dataset.here), letter * 3_000_000)
        a_staging(tmp_path, backend).carry([dataset])
        assert Path(dataset.there).read_text() == letter * 3_000_000


def test_home_comes_what_the_node_made_and_what_the_settings_name(tmp_path: Path) -> None:
    datasets = [
        a_dataset(tmp_path, "checkpoint.json", is_output=True),
        a_dataset(tmp_path, "index.parquet"),
        a_dataset(tmp_path, "models", "folder"),
        a_dataset(tmp_path, "traces", "folder"),
    ]
    files = ["checkpoint.json", "index.parquet", "models/r1/best/weights", "models/r1/last/weights", "traces/a.npz"]
    for file in files:
        write(tmp_path / "far" / file, file)
    brought = a_staging(tmp_path, FolderBackend(), bring_home={"models": ["*/best/*"]}).bring_home(datasets)
    here = {str(file.relative_to(tmp_path / "near")) for file in (tmp_path / "near").rglob("*") if file.is_file()}
    assert here == {"checkpoint.json", "models/r1/best/weights"}
    assert brought == {"models/r1/best/weights": len("models/r1/best/weights")}


def test_home_comes_only_the_folder_that_the_record_of_the_node_names(tmp_path: Path) -> None:
    datasets = [a_dataset(tmp_path, "checkpoint.json", is_output=True), *(a_dataset(tmp_path, n, "folder") for n in ("m", "t"))]
    write(tmp_path / "far/checkpoint.json", '{"folder": "r2"}')
    for file in ("m/r1/best/weights", "m/r2/best/weights", "m/r22/best/weights", "t/a.npz"):
        write(tmp_path / "far" / file, file)
    brought = a_staging(tmp_path, FolderBackend(), bring_home={"m": ["*/best/*"], "t": ["**"]}).bring_home(datasets)
    assert set(brought) == {"m/r2/best/weights", "t/a.npz"}


def test_weights_that_are_here_and_vouched_for_are_not_fetched_again(tmp_path: Path) -> None:
    backend, dataset = FolderBackend(), a_dataset(tmp_path, "models", "folder")
    staging = a_staging(tmp_path, backend, bring_home={"models": ["*/best/*"]})
    there, here = (tmp_path / side / "models/r1/best" for side in ("far", "near"))

    def far_node_saves(weights: str) -> None:
        write(there / WEIGHTS, weights)
        write(there / VOUCHER, json.dumps({VOUCHED: hashlib.sha256(weights.encode()).hexdigest()}))

    def fetched() -> list[str]:
        backend.moved.clear()
        assert staging.bring_home([dataset]).keys() == {f"models/r1/best/{name}" for name in (WEIGHTS, VOUCHER)}
        assert (here / WEIGHTS).read_text() == (there / WEIGHTS).read_text()
        return backend.moved

    far_node_saves("first")
    assert fetched() == [VOUCHER, WEIGHTS]
    assert fetched() == [VOUCHER]
    far_node_saves("other")  # as many bytes
    assert fetched() == [VOUCHER, WEIGHTS]
    write(here / WEIGHTS, "wrong")
    assert fetched() == [VOUCHER, WEIGHTS]


def test_a_checkpoint_is_what_bringing_home_takes_for_one() -> None:
    from seizure_pipeline.model.checkpoint import CONFIG_KEYS, CONFIG_NAME, WEIGHTS_NAME

    assert (WEIGHTS, VOUCHER) == (WEIGHTS_NAME, CONFIG_NAME)
    assert VOUCHED in CONFIG_KEYS


def test_a_folder_of_pictures_is_here_as_it_is_there(tmp_path: Path) -> None:
    dataset = a_dataset(tmp_path, "pages", "pictures", is_output=True)
    for file in ("far/pages/new.png", "far/pages/both.png", "near/pages/both.png", "near/pages/old.png", "near/pages/own.txt"):
        write(tmp_path / file, file)
    a_staging(tmp_path, FolderBackend()).bring_home([dataset])
    here = {file.name: file.read_text() for file in (tmp_path / "near/pages").iterdir()}
    assert here == {"new.png": "far/pages/new.png", "both.png": "far/pages/both.png", "own.txt": "near/pages/own.txt"}


def test_an_output_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"far/checkpoint\.json: the far node ended well, but"):
        a_staging(tmp_path, FolderBackend()).bring_home([a_dataset(tmp_path, "checkpoint.json", is_output=True)])


class Crooked(FolderBackend):
    """A place that lists what does not lie in it."""

    def listing(self, far: str) -> dict[str, int]:
        return {"../../outside": 1}


def test_nothing_is_written_outside_the_folder_that_it_belongs_to(tmp_path: Path) -> None:
    write(tmp_path / "outside", "x")
    staging = a_staging(tmp_path, Crooked(), bring_home={"models": ["**"]})
    with pytest.raises(RemoteError, match="does not lie in it"):
        staging.bring_home([a_dataset(tmp_path, "models", "folder")])


def test_a_place_that_does_not_answer_for_a_while_is_asked_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = a_dataset(tmp_path, "index.parquet")
    write(Path(dataset.here), "content")
    assert a_staging(tmp_path, FolderBackend(silent_for=1)).carry([dataset]) == ["index.parquet"]
    assert "no contact (nobody answers)" in caplog.text
    assert "contact again" in caplog.text


def test_patience_has_an_end_and_an_advice() -> None:
    backend = FolderBackend(silent_for=10**6)
    began_s = time.monotonic()
    with pytest.raises(LostContact, match=r"no contact for 2 s \(nobody answers\)\. Come back later"):
        Patience(1.5, "Come back later").asking(lambda: backend.listing("/"))
    assert 1.5 <= time.monotonic() - began_s < 10
