"""Corpora in a bucket: an S3 server on loopback, and what networks and servers do on a bad day."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from bucket_fixtures import KEY, SECRET, TOKEN, options
from fault_proxy import SLOW_DOWN, Fault, Proxy

from seizure_pipeline.cache import PreparationSettings, build_cache
from seizure_pipeline.corpora import CorpusError, CorpusSettings, Folder, RecordingRow, examine_entries, find_entries
from seizure_pipeline.corpora import bucket as bucket_module
from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.datasets import CorpusDataset
from seizure_pipeline.montage import MontageSettings

CONTENT = np.random.default_rng(5).bytes(300_000)
ODD_NAMES = ("a b/c+d #1 100%.edf", "Ünïcødé/чb01.edf", "[x]*?.edf", "a%20b.edf", "&=;,$@.edf")


@pytest.fixture
def recordings(client: object, proxy: Proxy) -> Folder:
    """One file in s3://recordings/corpus, asked for through the proxy."""
    client.put_object(Bucket="recordings", Key="corpus/a.edf", Body=CONTENT)
    return Folder("s3://recordings/corpus", options(proxy.url))


def content(folder: Folder) -> bytes:
    (file,) = folder.files()
    return folder.read_bytes(file)


def rows_of(corpus: Folder) -> list[RecordingRow]:
    return examine_entries(corpus, find_entries(corpus, CorpusSettings()), MontageSettings())


def test_a_bucket_gives_the_same_recordings_and_the_same_cache_as_a_folder(
    client: object, proxy: Proxy, small_corpus: Path, tmp_path: Path
) -> None:
    for path in small_corpus.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "recordings", f"tusz/{path.relative_to(small_corpus)}")
    here, bucket = Folder(str(small_corpus)), Folder("s3://recordings/tusz", options(proxy.url))
    ours, theirs = rows_of(here), rows_of(bucket)
    facts = [(row.recording_id, row.split, row.seizures, row.duration_s, row.header_sha256, row.size_bytes) for row in ours]
    assert facts == [
        (row.recording_id, row.split, row.seizures, row.duration_s, row.header_sha256, row.size_bytes) for row in theirs
    ]
    signals = []
    for place, corpus, row in (("here", here, ours[0]), ("there", bucket, theirs[0])):
        (made,) = build_cache(corpus, [row], PreparationSettings(workers=1), MontageSettings(), tmp_path / place)
        with np.load(tmp_path / place / made.file) as file:
            signals.append(file["signal"])
    assert (signals[0] == signals[1]).all()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("slow"),
        Fault("cut", times=3),
        Fault("truncate", times=3),
        Fault("spoil", times=3),
        Fault("refuse", times=3),
        Fault("error", times=3),
        Fault("error", times=3, status=503, body=SLOW_DOWN),
        Fault("error", times=3, path="/recordings", status=503, body=SLOW_DOWN),
    ],
    ids=["slow", "cut", "truncated", "other bytes", "no answer", "500", "503 slow down", "503 while listing"],
)
def test_a_fault_that_passes_is_tried_again_and_the_file_is_whole(
    recordings: Folder, proxy: Proxy, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.faults.append(fault)
    assert content(recordings) == CONTENT
    if fault.kind != "slow":
        said = [record.getMessage() for record in caplog.records if "attempt" in record.getMessage()]
        attempts = [line.split("attempt ")[1][0] for line in said]
        assert attempts == (["2"] if fault.kind == "refuse" else ["2", "3", "4"])  # aiohttp asks twice by itself
        assert all(line.startswith("s3://recordings/corpus") for line in said)


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        (Fault("cut"), "payload"),
        (Fault("truncate"), "150000 bytes came of the 300000"),
        (Fault("error"), "InternalError, 500"),
        (Fault("error", status=503, body=SLOW_DOWN), "SlowDown, 503"),
    ],
    ids=["cut", "truncated", "500", "503 slow down"],
)
def test_a_fault_that_lasts_stops_after_six_attempts(recordings: Folder, proxy: Proxy, fault: Fault, value: str) -> None:
    proxy.faults.append(fault)
    with pytest.raises(TransferError, match=r"s3://recordings/corpus/a.edf: .*after 6 attempts.*goes on from here") as refused:
        content(recordings)
    assert value in str(refused.value)
    assert proxy.seen[fault.kind] == 6


def test_wrong_bytes_of_the_right_length_are_read_again_and_then_refused(
    recordings: Folder, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = bucket_module.Bucket._get_object

    def wrong(self: bucket_module.Bucket, *arguments: object) -> bucket_module.Piece:
        piece = read(self, *arguments)
        return bucket_module.Piece(bytes([piece.content[0] ^ 1]) + piece.content[1:], piece.file_md5)

    monkeypatch.setattr(bucket_module.Bucket, "_get_object", wrong)
    with pytest.raises(TransferError, match=r"a.edf: MD5 is [0-9a-f]{32} in each of 3 reads; it must be"):
        content(recordings)


def test_an_object_that_changes_after_the_listing_is_refused_at_once(recordings: Folder, proxy: Proxy, client: object) -> None:
    (file,) = recordings.files()
    client.put_object(Bucket="recordings", Key="corpus/a.edf", Body=CONTENT[::-1])
    with pytest.raises(TransferError, match=r"a\.edf: changed since it was listed"):
        recordings.read_bytes(file)
    assert proxy.seen["GET"] == 2


def test_an_object_that_changes_between_two_pieces_is_refused(
    recordings: Folder, client: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "PIECE_BYTES", 100_000)
    (file,) = recordings.files()
    heard = []

    def change(n_bytes: int) -> None:
        heard.append(n_bytes)
        client.put_object(Bucket="recordings", Key="corpus/a.edf", Body=CONTENT[::-1])

    with pytest.raises(TransferError, match=r"a\.edf: changed since it was listed"):
        recordings.fetch(file, Path("/dev/null"), change)
    assert heard == [100_000]


def test_an_object_of_several_parts_comes_whole_although_its_etag_is_no_check_sum(
    recordings: Folder, client: object, tmp_path: Path
) -> None:
    whole = np.random.default_rng(6).bytes(2 * 5 * 2**20)
    upload = client.create_multipart_upload(Bucket="recordings", Key="corpus/a.edf")["UploadId"]
    parts = []
    for number in (1, 2):
        body = whole[(number - 1) * 5 * 2**20 : number * 5 * 2**20]
        part = client.upload_part(Bucket="recordings", Key="corpus/a.edf", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    client.complete_multipart_upload(Bucket="recordings", Key="corpus/a.edf", UploadId=upload, MultipartUpload={"Parts": parts})
    assert "-" in recordings.files()[0].token
    assert content(recordings) == whole


def test_a_key_that_is_gone_is_refused_at_once(recordings: Folder, proxy: Proxy, client: object) -> None:
    (file,) = recordings.files()
    client.delete_object(Bucket="recordings", Key="corpus/a.edf")
    with pytest.raises(TransferError, match=r"a.edf: no such folder, bucket or file; .*NoSuchKey"):
        recordings.read_bytes(file)
    assert proxy.seen["GET"] == 2


@pytest.mark.parametrize("url", ["s3://recordings/nothing", "s3://nobodys/corpus"])
def test_a_prefix_or_bucket_that_is_not_there_stops(proxy: Proxy, client: object, url: str) -> None:
    with pytest.raises(CorpusError, match=f"{url}: no such folder, bucket or file; set where"):
        find_entries(Folder(url, options(proxy.url)), CorpusSettings())


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken"])
def test_wrong_credentials_are_refused_at_once_without_a_secret(proxy: Proxy, client: object, code: str) -> None:
    body = f"<Error><Code>{code}</Code><Message>no entry for {KEY} and {SECRET}</Message></Error>".encode()
    proxy.faults.append(Fault("error", path="", status=403, body=body))
    with pytest.raises(TransferError, match=f"s3://recordings/corpus: access is denied; .*{code}") as refused:
        Folder("s3://recordings/corpus", options(proxy.url)).files()
    assert SECRET not in str(refused.value)
    assert KEY not in str(refused.value)
    assert proxy.seen["error"] == 1


def test_no_credentials_at_all_say_what_to_give(proxy: Proxy, client: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    without = {name: value for name, value in options(proxy.url).items() if name not in ("key", "secret")}
    with pytest.raises(TransferError, match=r"no credentials; give them in conf/ENV/credentials.yml .*, or .*anonymous: true"):
        Folder("s3://recordings/corpus", without).files()


def test_an_open_bucket_is_read_unsigned(recordings: Folder, proxy: Proxy, client: object) -> None:
    client.put_object_acl(Bucket="recordings", Key="corpus/a.edf", ACL="public-read")
    signed = options(proxy.url)
    unsigned = {name: signed[name] for name in ("client_kwargs", "config_kwargs")}
    assert content(Folder("s3://recordings/corpus", {**unsigned, "anon": True})) == CONTENT


def test_a_network_fault_never_refuses_a_recording(client: object, proxy: Proxy, small_corpus: Path) -> None:
    for path in small_corpus.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "recordings", f"tusz/{path.relative_to(small_corpus)}")
    proxy.faults.append(Fault("error"))
    with pytest.raises(TransferError, match=r"\.edf: InternalError, 500"):
        rows_of(Folder("s3://recordings/tusz", options(proxy.url)))


def test_a_header_is_fetched_without_its_samples(recordings: Folder, client: object, small_corpus: Path) -> None:
    edf = next(small_corpus.rglob("*.edf"))
    client.put_object(Bucket="recordings", Key="corpus/a.edf", Body=edf.read_bytes())
    (file,) = recordings.files()
    with recordings.local_header(file) as path:
        n_bytes = int(edf.read_bytes()[184:192])
        assert path.read_bytes()[:n_bytes] == edf.read_bytes()[:n_bytes]
        assert path.stat().st_size == edf.stat().st_size
        assert path.stat().st_blocks * 512 < 65536


def test_a_full_disk_for_copies_stops_and_refuses_no_recording(recordings: Folder, tmp_path: Path) -> None:
    (file,) = recordings.files()
    with (
        pytest.raises(TransferError, match=r"nowhere: a\.edf: No such file or directory; it must hold a copy"),
        recordings.local(file, tmp_path / "nowhere"),
    ):
        pass


def test_odd_names_are_files_like_others_in_a_bucket_and_in_a_folder(client: object, proxy: Proxy, tmp_path: Path) -> None:
    for number, name in enumerate(ODD_NAMES):
        client.put_object(Bucket="recordings", Key=f"odd +%41/{name}", Body=bytes([number]))
        (tmp_path / "odd +%41" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "odd +%41" / name).write_bytes(bytes([number]))
    for folder in (Folder("s3://recordings/odd +%41", options(proxy.url)), Folder(str(tmp_path / "odd +%41"))):
        assert {file.path: folder.read_bytes(file) for file in folder.files()} == {
            name: bytes([number]) for number, name in enumerate(ODD_NAMES)
        }
    (one,) = Folder(f"s3://recordings/odd +%41/{ODD_NAMES[2]}", options(proxy.url)).files()
    assert one.path == ODD_NAMES[2]


def test_secrets_show_nowhere(recordings: Folder, proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    dataset = CorpusDataset(filepath="s3://recordings/corpus", credentials={**options(proxy.url), "token": TOKEN})
    folder = dataset.load()
    with caplog.at_level(logging.DEBUG):
        assert content(folder) == CONTENT
        proxy.faults.append(Fault("error"))
        with pytest.raises(TransferError) as refused:
            content(folder)
    for shown in (repr(folder), str(folder), repr(dataset), str(dataset), str(dataset._describe()), str(refused.value)):
        assert not [planted for planted in (SECRET, KEY, TOKEN) if planted in shown]
    assert "s3fs" in {record.name for record in caplog.records}
    assert SECRET not in caplog.text
    assert TOKEN not in caplog.text
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(folder)


def test_a_folder_without_secrets_travels() -> None:
    folder = Folder("s3://recordings/corpus", {"anon": True})
    assert pickle.loads(pickle.dumps(folder)) == folder


def test_a_url_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(CorpusError, match=r"ftp://\*\*\*@host/corpus: a URL with a password") as refused:
        Folder("ftp://me:hunter2@host/corpus")
    assert "hunter2" not in str(refused.value)


def test_loops_of_links_end_and_a_folder_linked_twice_is_listed_twice(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "a").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "corpus/a/x.edf").write_bytes(b"x")
    (tmp_path / "elsewhere/y.edf").write_bytes(b"yy")
    links = {"up": "..", "a/self": ".", "a/root": str(tmp_path / "corpus"), "b": str(tmp_path / "elsewhere"), "loop": "loop"}
    for link, aim in links.items():
        (tmp_path / "corpus" / link).symlink_to(aim)
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "corpus/a")
    files = Folder(str(tmp_path / "corpus")).files()
    assert [(file.path, file.size_bytes) for file in files] == [
        ("a/x.edf", 1),
        ("b/back/x.edf", 1),
        ("b/y.edf", 2),
        ("loop", 0),
    ]
