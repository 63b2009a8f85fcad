"""What populate_cache must not do: overwrite what is not its own, hide a fault behind another, wait when it is stopped."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from bucket_fixtures import options
from fault_proxy import Fault, Proxy

from seizure_pipeline.copying import PopulateSettings, copier, populate
from seizure_pipeline.copying import ledger as ledger_module
from seizure_pipeline.copying.ledger import LEDGER
from seizure_pipeline.corpora import Folder, retries, scratch
from seizure_pipeline.corpora import folder as folder_module
from seizure_pipeline.corpora.errors import TransferError

ONE = PopulateSettings(workers=1)


@pytest.fixture
def source(tmp_path: Path) -> Folder:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.npz").write_bytes(bytes(1000))
    return Folder(str(tmp_path / "source"))


@pytest.fixture
def target(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "target"))


@pytest.fixture
def bucket(client: Any, proxy: Proxy) -> Folder:
    return Folder("s3://recordings/cache", options(proxy.url))


def while_fetching(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have `act` done once, when the first file is fetched."""
    fetch = Folder.fetch

    def fetching(self: Folder, *arguments: Any) -> str:
        monkeypatch.setattr(Folder, "fetch", fetch)
        act()
        return fetch(self, *arguments)

    monkeypatch.setattr(Folder, "fetch", fetching)


def put(client: Any, content: bytes) -> None:
    client.put_object(Bucket="recordings", Key="cache/a.npz", Body=content)


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_file_that_comes_under_way_is_not_overwritten(
    source: Folder, target: Folder, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def no_link(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    while_fetching(monkeypatch, lambda: target.local_path("a.npz").write_bytes(b"mine"))
    with pytest.raises(TransferError, match=r"target/a\.npz: another file came there.*it is not overwritten"):
        populate(source, target, ONE)
    assert target.local_path("a.npz").read_bytes() == b"mine"
    target.local_path("a.npz").unlink()
    assert [line.status for line in populate(source, target, ONE)] == ["copied"]


def test_a_copy_that_is_altered_under_way_is_not_replaced(
    source: Folder, target: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(source, target, ONE)
    source.local_path("a.npz").write_bytes(b"another")
    while_fetching(monkeypatch, lambda: target.local_path("a.npz").write_bytes(b"mine"))
    with pytest.raises(TransferError, match="it is not overwritten"):
        populate(source, target, ONE)
    assert target.local_path("a.npz").read_bytes() == b"mine"


@pytest.mark.parametrize("conditions", [True, False], ids=["conditions", "a server that knows none"])
def test_an_object_that_comes_under_way_is_not_overwritten(
    source: Folder, bucket: Folder, client: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, conditions: bool
) -> None:
    if not conditions:
        body = b"<Error><Code>NotImplemented</Code><Message>If-None-Match</Message></Error>"
        proxy.faults.append(Fault("error", path="a.npz", method="PUT", times=1, status=501, body=body))
    while_fetching(monkeypatch, lambda: put(client, b"mine"))
    with pytest.raises(TransferError, match=r"s3://recordings/cache/a\.npz: another file came there meanwhile"):
        populate(source, bucket, ONE)
    assert client.get_object(Bucket="recordings", Key="cache/a.npz")["Body"].read() == b"mine"


def test_an_object_that_is_altered_under_way_is_not_replaced(
    source: Folder, bucket: Folder, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(source, bucket, ONE)
    source.local_path("a.npz").write_bytes(b"another")
    while_fetching(monkeypatch, lambda: put(client, b"mine"))
    with pytest.raises(TransferError, match="it is not overwritten"):
        populate(source, bucket, ONE)
    assert client.get_object(Bucket="recordings", Key="cache/a.npz")["Body"].read() == b"mine"


def test_an_object_whose_answer_was_lost_is_ours(source: Folder, bucket: Folder, proxy: Proxy, client: Any) -> None:
    lost = Fault("error", path="a.npz", method="PUT", times=1, before=lambda: put(client, bytes(1000)))
    proxy.faults.append(lost)
    assert [line.status for line in populate(source, bucket, ONE)] == ["copied"]
    assert proxy.seen["PUT"] >= 2


def test_a_copy_from_another_source_is_kept_where_equal_and_never_replaced(
    source: Folder, target: Folder, tmp_path: Path
) -> None:
    populate(source, target, ONE)
    shutil.copytree(source.url, tmp_path / "other")
    other = Folder(str(tmp_path / "other"))
    assert [line.status for line in populate(other, target, ONE)] == ["kept"]
    other.local_path("a.npz").write_bytes(b"of the other")
    populate(source, target, ONE)
    with pytest.raises(TransferError, match=r"1 files are there that differ .*\(a\.npz\); move them away"):
        populate(other, target, ONE)
    assert target.local_path("a.npz").read_bytes() == bytes(1000)


def test_one_place_written_in_many_ways_is_one_place_and_two_servers_are_two(tmp_path: Path) -> None:
    here, there = {"client_kwargs": {"endpoint_url": "http://here/"}}, {"client_kwargs": {"endpoint_url": "http://there"}}
    assert Folder("s3://b/c", here).place_id == Folder("s3a://b/c/", {"endpoint_url": "http://here"}).place_id
    assert Folder("s3://b/c", here).place_id != Folder("s3://b/c", there).place_id
    assert not PurePosixPath(Folder("s3://b/c").place).is_relative_to("/")
    assert Folder(f"{tmp_path}/").place_id == Folder(f"file://{tmp_path}").place_id


def test_the_ledger_tells_nobody_where_the_source_lies(source: Folder, target: Folder) -> None:
    populate(source, target, ONE)
    assert source.url.encode() not in (target.local_path("") / LEDGER).read_bytes()


def test_a_ledger_with_a_torn_last_line_and_odd_bytes_is_gone_on_with(
    source: Folder, target: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    populate(source, target, ONE)
    path = target.local_path("") / LEDGER
    path.write_bytes(b'\xff\xfe{"path"\n' + path.read_bytes() + b'{"path": "b.npz", "sou')
    source.local_path("b.npz").write_bytes(b"b")
    assert [line.status for line in populate(source, target, ONE)] == ["kept", "copied"]
    assert sum("a line that says nothing" in record.getMessage() for record in caplog.records) == 2
    assert json.loads(path.read_bytes().splitlines()[-1])["path"] == "b.npz"
    assert [line.status for line in populate(source, target, ONE)] == ["kept", "kept"]


def test_a_disk_without_locks_is_refused_by_name(source: Folder, target: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(ledger_module.fcntl, "flock", no_locks)
    with pytest.raises(TransferError, match=r"target: the disk knows no locks \(No locks available\)"):
        populate(source, target, ONE)


def test_what_a_killed_run_left_under_way_is_not_written_into_and_goes(source: Folder, target: Folder) -> None:
    populate(source, target, ONE)
    path = target.local_path("a.npz")
    part = copier.part_of(path)
    os.link(path, part)
    (target.local_path("") / f".mine{copier.PART}").write_bytes(b"")
    source.local_path("a.npz").write_bytes(b"another")
    populate(source, target, ONE)
    assert not part.exists()
    assert path.read_bytes() == b"another"
    assert (target.local_path("") / f".mine{copier.PART}").exists()


def test_a_ledger_that_cannot_be_stored_does_not_hide_why_the_run_failed(
    source: Folder, bucket: Folder, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source.local_path("b.npz").symlink_to("nowhere")
    proxy.faults.append(Fault("error", path=LEDGER, method="PUT"))
    with pytest.raises(TransferError, match=r"source/b\.npz: No such file"):
        populate(source, bucket, ONE)
    assert any("the next run compares" in record.getMessage() for record in caplog.records)
    assert [proxy.seen["error"]] == [1], "nothing is tried again once the run has stopped"


def test_a_fault_stops_the_other_threads_in_their_pauses(
    source: Folder, target: Folder, bucket: Folder, proxy: Proxy, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.npz", "b.npz"):
        client.put_object(Bucket="recordings", Key=f"cache/{name}", Body=b"x")
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 60.0)
    monkeypatch.setattr(retries, "LONGEST_PAUSE_S", 60.0)
    denied = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    proxy.faults.append(Fault("error", path="a.npz"))
    proxy.faults.append(Fault("error", path="b.npz", status=403, body=denied, before=lambda: time.sleep(0.3)))
    began_s = time.monotonic()
    with pytest.raises(TransferError, match=r"b\.npz: access is denied"):
        populate(bucket, target, PopulateSettings(workers=2))
    assert time.monotonic() - began_s < 10


def test_a_request_that_trickles_is_bounded_as_a_whole_and_ends_with_the_run(
    bucket: Folder, proxy: Proxy, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, bytes(100_000))
    (file,) = bucket.files()
    proxy.faults.append(Fault("slow", path="a.npz"))  # 0.4 s for a file
    monkeypatch.setattr(retries, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(retries, "LONGEST_REQUEST_S", 0.1)
    with pytest.raises(TransferError, match=r"a\.npz: not whole after 0\.1 s, after 6 attempts"):
        bucket.read_bytes(file)
    monkeypatch.setattr(retries, "LONGEST_REQUEST_S", 60.0)
    stopped = threading.Event()
    threading.Timer(0.1, stopped.set).start()
    with pytest.raises(TransferError, match=r"a\.npz: stopped half-way .* after 1 attempts"):
        Folder(bucket.url, bucket.options, stopped).read_bytes(file)


def test_a_closed_port_is_tried_again(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    closed = options("http://127.0.0.1:9")
    with pytest.raises(TransferError, match=r"s3://recordings/x: .*Could not connect.*after 6 attempts.*goes on from here"):
        Folder("s3://recordings/x", closed).files()


def test_a_fault_names_the_place_where_it_happened(
    source: Folder, target: Folder, bucket: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(full)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting a tmpfs is not permitted here")
    source.local_path("a.npz").write_bytes(bytes(100_000))
    try:
        with pytest.raises(TransferError, match=rf"^{full}/{scratch.PREFIX}.*/a\.npz: No space left on device"):
            populate(source, bucket, PopulateSettings(workers=1, scratch=full))
    finally:
        subprocess.run(["umount", str(full)], check=True)

    def unreadable(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), None)

    class Broken:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None: ...

        read = unreadable

    opened = open
    monkeypatch.setattr(
        folder_module,
        "open",
        lambda path, mode: Broken() if str(path).startswith(source.url) else opened(path, mode),
        raising=False,
    )
    with pytest.raises(TransferError, match=rf"^{source.url}/a\.npz: Input/output error"):
        populate(source, target, ONE)


@pytest.mark.parametrize("keys", [("a//b.edf", "a/b.edf"), ("/a.edf",)], ids=["two keys, one path", "an absolute path"])
def test_keys_with_empty_folder_names_are_refused_by_name(bucket: Folder, client: Any, keys: tuple[str, ...]) -> None:
    for key in keys:
        client.put_object(Bucket="recordings", Key=f"cache/{key}", Body=b"x")
    with pytest.raises(TransferError, match=rf"'recordings/cache/{keys[0]}'.*; each must have a path of its own"):
        bucket.files()


def test_scratch_folders_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    dead, living, foreign = (tmp_path / name for name in (f"{scratch.PREFIX}dead", f"{scratch.PREFIX}alive", "recording-1"))
    for folder in (dead, living, foreign):
        folder.mkdir()
        (folder / "patient.edf").write_bytes(b"name")
    lock = os.open(living, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    scratch.remove_dead.cache_clear()
    with scratch.scratch_folder(tmp_path) as mine:
        assert sorted(path for path in tmp_path.iterdir()) == sorted([living, foreign, mine])
        scratch.remove_dead.cache_clear()
        scratch.remove_dead(tmp_path)
        assert mine.exists()
    os.close(lock)
    assert not mine.exists()
