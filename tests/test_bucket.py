"""A corpus in a bucket, read from an S3 server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from seizure_pipeline.cache import PreparationSettings, open_signal
from seizure_pipeline.cache.build import cache_recording
from seizure_pipeline.corpora import CorpusSettings, Folder, RecordingRow, examine_entries, find_entries
from seizure_pipeline.montage import MontageSettings


@pytest.fixture
def bucket(small_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """The small corpus as objects below s3://recordings/tusz."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="recordings")
    for path in small_corpus.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "recordings", f"tusz/{path.relative_to(small_corpus)}")
    yield Folder("s3://recordings/tusz")
    server.stop()


def rows_of(corpus: Folder) -> list[RecordingRow]:
    return examine_entries(corpus, find_entries(corpus, CorpusSettings()), MontageSettings())


def test_a_bucket_gives_the_same_recordings_and_the_same_cache_as_a_folder(
    bucket: Folder, small_corpus: Path, tmp_path: Path
) -> None:
    here = Folder(str(small_corpus))
    ours, theirs = rows_of(here), rows_of(bucket)
    facts = [(row.recording_id, row.split, row.seizures, row.duration_s, row.header_sha256, row.size_bytes) for row in ours]
    assert facts == [
        (row.recording_id, row.split, row.seizures, row.duration_s, row.header_sha256, row.size_bytes) for row in theirs
    ]
    for place, corpus, row in (("here", here, ours[0]), ("there", bucket, theirs[0])):
        (tmp_path / place).mkdir()
        cache_recording(corpus, row, PreparationSettings(), MontageSettings(), tmp_path / place)
    first, second = (open_signal(tmp_path / place / f"{ours[0].recording_id}.npz").signal for place in ("here", "there"))
    assert (first == second).all()
