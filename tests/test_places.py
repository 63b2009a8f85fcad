"""Places that are neither a local folder nor S3, and what URLs and credentials may say."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml
from conftest import REPOSITORY
from fsspec.implementations.memory import MemoryFileSystem
from http_places import WebServer, web_server
from kedro.config import OmegaConfigLoader
from kedro.io import DatasetError

from seizure_pipeline.copying import PopulateSettings, populate
from seizure_pipeline.corpora import CorpusError, Folder, retries
from seizure_pipeline.corpora.bucket import Bucket
from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.corpora.listing import FileFacts
from seizure_pipeline.corpora.marks import UNMARKED
from seizure_pipeline.datasets import CorpusDataset
from seizure_pipeline.settings import CONFIG_LOADER_ARGS

FILES = {"a/x.edf": b"0" * 70_000, "a/b/y.edf": b"1" * 100, "b/z.txt": b""}


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """`FILES` in the folder corpus of a web server; pauses between attempts are hundredths of a second."""
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.01)
    for path, content in FILES.items():
        (tmp_path / "served/corpus" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "served/corpus" / path).write_bytes(content)
    with web_server(tmp_path / "served") as server:
        yield server


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """The file system in memory with `FILES` below /corpus, emptied afterwards."""
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe({f"/corpus/{path}": content for path, content in FILES.items()})
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize("options", [{}, {"anon": True}], ids=["plain", "anonymous"])
def test_a_web_server_is_read_like_a_folder(web: WebServer, ranges: bool, options: dict[str, Any], tmp_path: Path) -> None:
    web.ranges = ranges
    for root in ("corpus", "corpus/"):
        folder = Folder(f"{web.url}/{root}", options)
        files = folder.files()
        assert {file.path: folder.read_bytes(file) for file in files} == FILES
        assert folder.files() == files
    with folder.local_header(next(file for file in files if file.path == "a/x.edf")) as path:
        assert path.stat().st_size == 70_000
    populate(folder, Folder(str(tmp_path / "copy")), PopulateSettings())
    assert {path: (tmp_path / "copy" / path).read_bytes() for path in FILES} == FILES
    assert {line.status for line in populate(folder, Folder(str(tmp_path / "copy")), PopulateSettings())} == {"kept"}


def test_one_file_of_a_web_server_is_a_root(web: WebServer) -> None:
    folder = Folder(f"{web.url}/corpus/a/x.edf")
    (file,) = folder.files()
    assert (file.path, folder.read_bytes(file)) == ("x.edf", FILES["a/x.edf"])


@pytest.mark.parametrize("path", ["/corpus/a/", "/x.edf"], ids=["listing", "file"])
@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_status_that_passes_is_tried_again_at_a_web_server(web: WebServer, path: str, status: int) -> None:
    web.statuses[path] = (status, 4)
    folder = Folder(f"{web.url}/corpus")
    assert {file.path: folder.read_bytes(file) for file in folder.files()} == FILES


@pytest.mark.parametrize(("status", "rule"), [(401, "access is denied"), (403, "access is denied"), (404, "no such folder")])
def test_a_folder_that_cannot_be_listed_is_never_left_out(web: WebServer, status: int, rule: str) -> None:
    for end in ("/a/b", "/a/b/"):
        web.statuses[end] = (status, 10**9)
    with pytest.raises(TransferError, match=rf"/corpus/a/b: {rule}"):
        Folder(f"{web.url}/corpus").files()
    assert sum(count for path, count in web.seen.items() if path.rstrip("/").endswith("/a/b")) == 1


def test_a_fault_below_the_root_is_no_missing_root(memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = MemoryFileSystem.ls

    def gone(self: MemoryFileSystem, path: str, **more: Any) -> Any:
        if path.endswith("/a/b"):
            raise FileNotFoundError(path)
        return listing(self, path, **more)

    monkeypatch.setattr(MemoryFileSystem, "ls", gone)
    with pytest.raises(TransferError, match="memory://corpus/a/b: no such folder"):
        Folder("memory://corpus").files()
    with pytest.raises(FileNotFoundError, match="memory://nothing: no such folder, bucket or file"):
        Folder("memory://nothing").files()


def test_an_error_of_a_place_that_nobody_knows_is_a_transfer_error_with_its_cause(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OddError(Exception):
        pass

    def odd(*_: Any, **__: Any) -> None:
        raise OddError("the reel is jammed, says hunter2")

    monkeypatch.setattr(MemoryFileSystem, "ls", odd)
    with pytest.raises(TransferError, match=r"memory://corpus: refused; .* \(the reel is jammed") as refused:
        Folder("memory://corpus").files()
    assert isinstance(refused.value.__cause__, OddError)
    with pytest.raises(TransferError, match="says ") as refused:
        Folder("memory://corpus", {"nested": [{"password": "hunter2"}]}).files()
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_protocol_that_is_not_known_is_a_transfer_error() -> None:
    with pytest.raises(TransferError, match=r"tape://reel: refused; .*Protocol not known"):
        Folder("tape://reel").files()


def test_where_the_place_gives_no_mark_nothing_counts_as_unchanged(web: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    web.marks = False
    folder = Folder(f"{web.url}/corpus")
    first, second = folder.files(), folder.files()
    assert not {file.token for file in first} & {file.token for file in second}
    assert all(file.token.startswith(UNMARKED) for file in first)
    assert folder.read_bytes(first[1]) == FILES[first[1].path]
    said = [record.getMessage() for record in caplog.records if "does not say when" in record.getMessage()]
    assert said == [
        f"{folder.url}: the place does not say when its files changed; nothing made from them can be kept between runs"
    ]


def test_a_file_that_changes_at_a_web_server_is_another_file(web: WebServer, tmp_path: Path) -> None:
    folder = Folder(f"{web.url}/corpus")
    before = next(file for file in folder.files() if file.path == "a/x.edf")
    os.utime(tmp_path / "served/corpus/a/x.edf", (10**9, 10**9))
    with pytest.raises(TransferError, match=r"a/x\.edf: changed since it was listed"):
        folder.read_bytes(before)


def test_files_are_copied_into_memory_but_into_no_place_where_a_cut_leaves_half_a_file(
    memory: MemoryFileSystem, web: WebServer
) -> None:
    source, target = Folder(f"{web.url}/corpus"), Folder("memory://copies")
    populate(source, target, PopulateSettings())
    assert {path: memory.cat(f"/copies/{path}") for path in FILES} == FILES
    with pytest.raises(
        TransferError, match=r"copy_to ftp://host/there: files are copied to local folders, to S3 and to memory"
    ):
        populate(source, Folder("ftp://host/there"), PopulateSettings())
    with pytest.raises(CorpusError, match="elsewhere half a file may stay"):
        Folder(f"{web.url}/corpus").store(Path("/dev/null"), "x")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://me:hunter2@host/corpus",
        "simplecache::s3://me:hunter2@bucket/corpus",
        "s3://me:hun/ter2@bucket/corpus",
        "https://host/corpus?X-Amz-Signature=hunter2",
        "zip::https://host/corpus.zip?sig=hunter2",
        "s3://bucket/corpus?X-Amz-Signature=hunter2",
    ],
)
def test_a_url_with_a_secret_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(CorpusError, match=r"a URL with a (password|query).*conf/ENV/credentials\.yml") as refused:
        Folder(url)
    with pytest.raises(CorpusError) as refused_by_catalog:
        CorpusDataset(filepath=url)
    assert not [part for part in ("hun/ter2", "hunter2") if part in f"{refused.value}{refused_by_catalog.value}"]


@pytest.mark.parametrize(
    "url", ["http://host:8080/a@b", "s3://bucket/what?.edf", "memory://a", "/a:b@c?d=e", "s3://bucket/a:b/c"]
)
def test_a_url_without_a_secret_is_taken(url: str) -> None:
    assert Folder(url).url == url


def test_numbers_lists_and_users_of_servers_are_blanked_out_too() -> None:
    options = {
        "port": 271828,
        "keys": ["first-secret", ("second-secret", b"third-secret")],
        "client_kwargs": {"endpoint_url": "https://me:hunter2@host", "region_name": "us-east-1"},
    }
    text = "271828 first-secret second-secret third-secret me:hunter2 hunter2 https://host us-east-1"
    assert retries.without_secrets(text, options) == "*** *** *** *** *** *** https://host us-east-1"


@pytest.mark.parametrize("given", [{"key": "k"}, {"client_kwargs": {"aws_secret_access_key": "s"}}])
def test_anonymous_and_credentials_together_are_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=r"s3://open: anonymous is true .*conf/ENV/credentials.yml .* gives "):
        CorpusDataset(filepath="s3://open", anonymous=True, credentials=given).load()
    server = {"client_kwargs": {"endpoint_url": "https://host"}}
    folder = CorpusDataset(filepath="s3://open", anonymous=True, credentials=server).load()
    assert folder.options == {**server, "anon": True}
    assert CorpusDataset(filepath="https://host/a", anonymous=True).load().options == {}


def test_the_tracked_credentials_are_empty() -> None:
    tracked = yaml.safe_load((REPOSITORY / "conf/base/credentials.yml").read_text())
    assert set(map(str, tracked.values())) == {"{}"}
    catalog = yaml.safe_load((REPOSITORY / "conf/base/catalog.yml").read_text())
    wanted = {entry["credentials"] for entry in catalog.values() if isinstance(entry, dict) and "credentials" in entry}
    assert wanted == set(tracked)


@pytest.mark.parametrize(("env", "expected"), [("chosen", "of chosen"), (None, "of local")])
def test_a_run_reads_the_credentials_of_its_environment_and_no_other(tmp_path: Path, env: str | None, expected: str) -> None:
    for name in ("base", "local", "chosen"):
        (tmp_path / name).mkdir()
        content = {"corpus_credentials": {} if name == "base" else {"key": f"of {name}"}}
        (tmp_path / name / "credentials.yml").write_text(yaml.safe_dump(content))
    loader = OmegaConfigLoader(conf_source=str(tmp_path), env=env, **CONFIG_LOADER_ARGS)
    assert loader["credentials"] == {"corpus_credentials": {"key": expected}}


def header(n_signals: str, stated: str, kind: str) -> bytes:
    """The first 256 bytes of an EDF header, where it states its length, its kind and the number of its signals."""
    return (b"0".ljust(184) + stated.encode().ljust(8) + kind.encode().ljust(44)).ljust(252) + n_signals.encode().ljust(4)


@pytest.mark.parametrize(
    ("n_signals", "most"), [("2", 16_384), ("100", 25_856), ("+99", 25_600), ("-1", 16_384), ("x", 16_384)]
)
def test_no_more_of_a_header_is_fetched_than_its_signals_take(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, n_signals: str, most: int
) -> None:
    memory.pipe("/edf/a.edf", header(n_signals, "99999999", "") + bytes(200_000))
    asked = []
    head = Bucket.head

    def heard(self: Bucket, file: FileFacts, n_bytes: int) -> bytes:
        asked.append(n_bytes)
        return head(self, file, n_bytes)

    monkeypatch.setattr(Bucket, "head", heard)
    folder = Folder("memory://edf")
    with folder.local_header(folder.files()[0]) as path:
        assert path.stat().st_size == 200_256
    assert max(asked) == most


@pytest.mark.parametrize("kind", ["EDF+D", " EDF+D", "\0EDF+D", "BDF+D"])
def test_a_file_with_gaps_comes_whole_however_its_kind_is_padded(memory: MemoryFileSystem, kind: str) -> None:
    content = header("1", "512", kind) + b"7" * 20_000
    memory.pipe("/edf/a.edf", content)
    folder = Folder("memory://edf")
    with folder.local_header(folder.files()[0]) as path:
        assert path.read_bytes() == content


def test_a_place_whose_root_has_no_name_is_listed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        for path, content in FILES.items():
            packed.writestr(path, content)
    folder = Folder(f"zip://::file://{tmp_path}/x.zip")
    assert {file.path: folder.read_bytes(file) for file in folder.files()} == FILES


def test_the_loggers_that_show_tokens_are_set_when_a_bucket_is_opened_and_not_before(memory: MemoryFileSystem) -> None:
    logging.getLogger("botocore.auth").setLevel(logging.DEBUG)
    Folder("memory://corpus").files()
    assert logging.getLogger("botocore.auth").level == logging.INFO
