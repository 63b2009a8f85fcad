"""populate_cache: between any two places, gone on with after a kill, checked, and deleting nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bucket_fixtures import KEY, SECRET, options
from fault_proxy import Fault, Proxy

from seizure_pipeline.copying import PopulateSettings, copier, plan, populate
from seizure_pipeline.copying.ledger import LEDGER
from seizure_pipeline.corpora import Folder
from seizure_pipeline.corpora.errors import TransferError

SETTINGS = PopulateSettings(workers=3)
NAMES = ("a/x.npz", "a/y z.npz", "b/ü+%#.npz", "index.parquet", "empty.txt")


@pytest.fixture
def source(tmp_path: Path) -> Folder:
    """Five small files, one of them empty, with a folder of their own."""
    chance = np.random.default_rng(3)
    for number, name in enumerate(NAMES):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty.txt" else chance.bytes(100_000 + number))
    return Folder(str(tmp_path / "source"))


@pytest.fixture
def target(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "target"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of memory at a path, with mount options; skips where that is not permitted."""
    mounted: list[Path] = []

    def mount(chosen: str) -> Path:
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", chosen, "tmpfs", str(path)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a tmpfs is not permitted here")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", str(path)], check=True)


def contents(folder: Folder) -> dict[str, bytes]:
    return {file.path: folder.read_bytes(file) for file in folder.files() if file.path != LEDGER}


def statuses(source: Folder, target: Folder, settings: PopulateSettings = SETTINGS) -> dict[str, str]:
    return {line.path: line.status for line in populate(source, target, settings)}


def test_a_copy_is_equal_and_a_second_run_copies_nothing(source: Folder, target: Folder) -> None:
    assert statuses(source, target) == dict.fromkeys(sorted(NAMES), "copied")
    before = {path: path.stat().st_mtime_ns for path in target.local_path("").rglob("*") if path.name != LEDGER}
    assert statuses(source, target) == dict.fromkeys(sorted(NAMES), "kept")
    assert contents(source) == contents(target)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_copies_go_from_folder_to_bucket_to_bucket_to_folder(source: Folder, target: Folder, proxy: Proxy, client: Any) -> None:
    first, second = (Folder(f"s3://recordings/{name}", options(proxy.url)) for name in ("first", "second place"))
    for one, other in ((source, first), (first, second), (second, target)):
        assert set(statuses(one, other).values()) == {"copied"}
        assert contents(other) == contents(source)
        proxy.seen.clear()
        assert set(statuses(one, other).values()) == {"kept"}
        assert proxy.seen["PUT"] == 0
        assert proxy.seen["HEAD"] == 0
    everything = b"".join(path.read_bytes() for path in target.local_path("").rglob("*") if path.is_file())
    assert SECRET.encode() not in everything
    assert KEY.encode() not in everything


def test_files_left_out_are_not_copied(source: Folder, target: Folder) -> None:
    chosen = SETTINGS.model_copy(update={"exclude": ("*.parquet", "a/*")})
    assert set(statuses(source, target, chosen)) == {"b/ü+%#.npz", "empty.txt"}


def test_what_changed_at_the_source_is_copied_again(source: Folder, target: Folder) -> None:
    populate(source, target, SETTINGS)
    source.local_path("a/x.npz").write_bytes(b"another")
    assert [path for path, status in statuses(source, target).items() if status == "replaced"] == ["a/x.npz"]
    assert contents(source) == contents(target)


def test_an_equal_file_that_no_run_made_is_kept(source: Folder, target: Folder) -> None:
    shutil.copytree(source.local_path(""), target.local_path(""))
    assert set(statuses(source, target).values()) == {"kept"}
    assert all(line.xxh3_128 for line in populate(source, target, SETTINGS))


@pytest.mark.parametrize("content", [b"mine", bytes(100_000)], ids=["other length", "same length"])
def test_another_file_in_the_way_is_never_overwritten(source: Folder, target: Folder, content: bytes) -> None:
    target.local_path("a").mkdir(parents=True)
    target.local_path("a/x.npz").write_bytes(content)
    with pytest.raises(TransferError, match=r"1 files are there that differ .*\(a/x.npz\); move them away"):
        populate(source, target, SETTINGS)
    assert contents(target) == {"a/x.npz": content}


def test_a_copy_that_was_altered_is_not_taken_for_ours(source: Folder, target: Folder) -> None:
    populate(source, target, SETTINGS)
    target.local_path("a/x.npz").write_bytes(b"altered")
    with pytest.raises(TransferError, match=r"a/x\.npz"):
        populate(source, target, SETTINGS)


def test_a_copy_that_reads_otherwise_than_it_was_written_never_gets_its_name(
    source: Folder, target: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copier, "_flush", lambda part: part.write_bytes(b"spoilt"))
    with pytest.raises(TransferError, match=r"was written with xxh3_128 .* and reads .*; they must be equal"):
        populate(source, target, SETTINGS)
    assert contents(target) == {}


def test_a_source_that_changes_under_way_stops_and_leaves_no_half_file(
    source: Folder, target: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Folder.fetch

    def changing(self: Folder, file: Any, *arguments: Any) -> str:
        if file.path == "a/x.npz":
            os.utime(self.local_path(file), ns=(1, 1))
        return fetch(self, file, *arguments)

    monkeypatch.setattr(Folder, "fetch", changing)
    with pytest.raises(TransferError, match=r"a/x\.npz: changed since it was listed"):
        populate(source, target, PopulateSettings(workers=1))
    assert "a/x.npz" not in contents(target)


def test_a_network_that_fails_leaves_whole_files_and_the_next_run_goes_on(
    source: Folder, target: Folder, proxy: Proxy, client: Any
) -> None:
    bucket = Folder("s3://recordings/cache", options(proxy.url))
    populate(source, bucket, SETTINGS)
    proxy.faults.append(Fault("cut", path="y%20z.npz"))
    with pytest.raises(TransferError, match=r"a/y z\.npz: .*after 6 attempts"):
        populate(bucket, target, PopulateSettings(workers=1))
    there = contents(target)
    assert there.items() <= contents(source).items()
    proxy.faults.clear()
    done = statuses(bucket, target)
    assert [path for path, status in done.items() if status == "kept"] == sorted(there)
    assert contents(target) == contents(source)


KILLED = """
import sys
from seizure_pipeline.copying import PopulateSettings, populate
from seizure_pipeline.corpora import Folder
populate(Folder(sys.argv[1]), Folder(sys.argv[2]), PopulateSettings(workers=2))
"""


def test_a_kill_leaves_no_half_file_under_its_name_and_the_next_run_finishes(tmp_path: Path) -> None:
    source, target = Folder(str(tmp_path / "source")), Folder(str(tmp_path / "target"))
    (tmp_path / "source").mkdir()
    piece = np.random.default_rng(9).bytes(2**23)
    for number in range(24):
        (tmp_path / f"source/{number:02}.npz").write_bytes(bytes([number]) + piece)
    killed = 0
    for wanted in (2, 9):
        running = subprocess.Popen([sys.executable, "-c", KILLED, source.url, target.url], stderr=subprocess.DEVNULL)
        while running.poll() is None and len(list((tmp_path / "target").glob("*.npz"))) < wanted:
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        for path in (tmp_path / "target").glob("*.npz"):
            assert path.read_bytes() == (tmp_path / "source" / path.name).read_bytes()
    assert killed
    done = statuses(source, target)
    assert "kept" in done.values()
    assert contents(source) == contents(target)
    assert not [path for path in (tmp_path / "target").iterdir() if path.name.endswith(copier.PART)]


def test_too_little_room_is_refused_before_the_first_byte(source: Folder, small_disk: Callable[[str], Path]) -> None:
    target = Folder(str(small_disk("size=200k")))
    with pytest.raises(TransferError, match=r"0\.2 MB are free, 0\.4 MB are to be copied; there must be room"):
        populate(source, target, SETTINGS)
    assert contents(target) == {}


def test_a_disk_that_fills_up_stops_and_leaves_whole_files(
    source: Folder, small_disk: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_check_space", lambda *_: None)
    target = Folder(str(small_disk("size=300k")))
    with pytest.raises(TransferError, match="No space left on device; there must be room"):
        populate(source, target, PopulateSettings(workers=1))
    assert contents(target).items() <= contents(source).items()
    assert not [path for path in Path(target.url).rglob("*") if path.name.endswith(copier.PART)]


def test_a_read_only_place_is_refused(source: Folder, small_disk: Callable[[str], Path]) -> None:
    target = Folder(str(small_disk("size=9m,ro")))
    with pytest.raises(TransferError, match=r"disk0/.populated.jsonl: Read-only file system; .* must be writable"):
        populate(source, target, SETTINGS)


def test_two_runs_into_one_folder_do_not_mix(source: Folder, target: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = Folder.fetch
    refused = []

    def second_run(self: Folder, *arguments: Any) -> str:
        monkeypatch.setattr(Folder, "fetch", fetch)
        with pytest.raises(TransferError, match="another run copies to this folder"):
            populate(source, target, SETTINGS)
        refused.append(True)
        return fetch(self, *arguments)

    monkeypatch.setattr(Folder, "fetch", second_run)
    populate(source, target, PopulateSettings(workers=1))
    assert refused == [True]
    assert contents(source) == contents(target)


def test_a_key_that_would_leave_the_target_folder_is_refused(target: Folder, proxy: Proxy, client: Any) -> None:
    client.put_object(Bucket="recordings", Key="cache/../../x.npz", Body=b"x")
    with pytest.raises(TransferError, match="a path must not leave the folder"):
        populate(Folder("s3://recordings/cache", options(proxy.url)), target, SETTINGS)


def test_places_that_are_empty_or_lie_in_each_other_are_refused(source: Folder, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="neither may lie in the other"):
        populate(source, Folder(f"{source.url}/copy"), SETTINGS)
    with pytest.raises(TransferError, match="copy_to is empty; set it by --params copy_to"):
        populate(source, Folder(""), SETTINGS)
    with pytest.raises(TransferError, match="no such folder"):
        populate(Folder(str(tmp_path / "nothing")), Folder(str(tmp_path / "target")), SETTINGS)


def test_a_broken_link_at_the_source_stops_by_name(source: Folder, target: Folder) -> None:
    source.local_path("a/gone.npz").symlink_to("nowhere")
    with pytest.raises(TransferError, match=r"source/a/gone\.npz: No such file or directory"):
        populate(source, target, SETTINGS)


def test_a_run_says_what_it_moved_and_how_fast(source: Folder, target: Folder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    populate(source, target, SETTINGS)
    first, second = (record.getMessage() for record in caplog.records)
    assert re.fullmatch(r"copying: 5 files in \d+\.\d s, \d+ MB/s", first)
    assert second == "5 files (0.000 GB) copied, 0 of them in place of what had changed at the source, 0 kept"
