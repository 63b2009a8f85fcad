"""An S3 server on loopback, a client of it, and a proxy before it that can be told to fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from fault_proxy import Proxy, start_proxy
from moto.server import ThreadedMotoServer

from seizure_pipeline.corpora import retries

BUCKET = "recordings"
KEY = "AKIAPLANTEDKEY"
SECRET = "wJalrXUtnFEMI-planted-secret-K7MDENG"
TOKEN = "planted-session-token-FQoGZXIv"


def options(url: str) -> dict[str, Any]:
    """Credentials for the server at `url`, each request asked once: the attempts that tests count are the project's own."""
    once = {"retries": {"mode": "standard", "total_max_attempts": 1}, "read_timeout": 2}
    region = {"endpoint_url": url, "region_name": "us-east-1"}
    return {"key": KEY, "secret": SECRET, "client_kwargs": region, "config_kwargs": once}


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, int]]:
    served = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    served.start()
    yield served.get_host_and_port()
    served.stop()


@pytest.fixture
def client(server: tuple[str, int]) -> Iterator[Any]:
    """A boto3 client of the server, which has an empty bucket."""
    made = boto3.client(
        "s3",
        endpoint_url=f"http://{server[0]}:{server[1]}",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    made.create_bucket(Bucket=BUCKET)
    yield made
    for item in made.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        made.delete_object(Bucket=BUCKET, Key=item["Key"])
    made.close()


@pytest.fixture
def proxy(server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that all folders of a test ask through; pauses between attempts are hundredths of a second."""
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.01)
    served, made = start_proxy(*server)
    yield made
    served.shutdown()
    served.server_close()
