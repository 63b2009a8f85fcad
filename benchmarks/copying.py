"""A bucket to a local folder: populate (checked, written down, flushed to disk) against plain s3fs, file after file.

usage: python benchmarks/copying.py       (an S3 server of its own on loopback; median of three interleaved rounds)

The server answers each request after DELAYS_S, as one that is near or far does; it is written in Python and shares the
cores, so that megabytes per second here are a floor and only the ratios travel.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import statistics
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import s3fs

from seizure_pipeline.copying import PopulateSettings, populate
from seizure_pipeline.corpora import Folder

FILES, FILE_BYTES, ROUNDS, DELAYS_S = 150, 4_000_000, 3, (0.0, 0.03)
CONTENT = np.random.default_rng(0).bytes(FILE_BYTES)
ETAG = f'"{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"'
KEYS = [f"cache/{number:04}.npz" for number in range(FILES)]


def main() -> None:
    logging.disable(logging.WARNING)
    for delay_s in DELAYS_S:
        ports: multiprocessing.Queue[int] = multiprocessing.Queue()
        server = multiprocessing.Process(target=_serve, args=(delay_s, ports), daemon=True)
        server.start()
        options = {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": f"http://127.0.0.1:{ports.get()}"}}
        ways = {
            "s3fs, one by one": _one_by_one,
            "s3fs.get, all at once": _all_at_once,
            "populate, 8 threads": _ours,
            "populate, read again": _ours_verified,
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, copy in ways.items():
                with tempfile.TemporaryDirectory() as folder:
                    began = time.perf_counter()
                    copy(options, folder)
                    times[name].append(time.perf_counter() - began)
                    assert len(list(Path(folder).rglob("*.npz"))) == FILES
        server.terminate()
        print(f"{FILES} files of {FILE_BYTES / 1e6:g} MB, {1000 * delay_s:g} ms to an answer")
        slowest = statistics.median(times["s3fs, one by one"])
        for name, values in times.items():
            median = statistics.median(values)
            print(f"  {name:<24}{FILES * FILE_BYTES / 1e6 / median:>7.0f} MB/s {slowest / median:>6.1f}x")


def _one_by_one(options: dict[str, object], folder: str) -> None:
    filesystem = s3fs.S3FileSystem(**options, skip_instance_cache=True)
    for path in filesystem.find("bucket/cache"):
        filesystem.get_file(path, f"{folder}/{Path(path).name}")


def _all_at_once(options: dict[str, object], folder: str) -> None:
    s3fs.S3FileSystem(**options, skip_instance_cache=True).get("bucket/cache", folder, recursive=True)


def _ours(options: dict[str, object], folder: str) -> None:
    populate(Folder("s3://bucket/cache", options), Folder(folder), PopulateSettings(verify=False))


def _ours_verified(options: dict[str, object], folder: str) -> None:
    populate(Folder("s3://bucket/cache", options), Folder(folder), PopulateSettings())


def _serve(delay_s: float, ports: multiprocessing.Queue[int]) -> None:
    """Just enough of S3 to list and to get, whole or by range."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            time.sleep(delay_s)
            if "list-type" in urlsplit(self.path).query:
                self._answer(200, _listing(), {"Content-Type": "application/xml"})
                return
            first, last = 0, FILE_BYTES - 1
            asked = self.headers.get("Range")
            if asked:
                first, last = (int(end or last) for end in asked.removeprefix("bytes=").split("-"))
            headers = {"ETag": ETAG, "Last-Modified": "Mon, 05 Jan 2026 00:00:00 GMT"}
            if asked:
                headers["Content-Range"] = f"bytes {first}-{last}/{FILE_BYTES}"
            self._answer(206 if asked else 200, memoryview(CONTENT)[first : last + 1], headers)

        def _answer(self, status: int, body: bytes | memoryview, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ports.put(server.server_port)
    server.serve_forever()


def _listing() -> bytes:
    items = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-01-05T00:00:00.000Z</LastModified><ETag>{ETAG}</ETag>"
        f"<Size>{FILE_BYTES}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in KEYS
    )
    head = f"<Name>bucket</Name><Prefix>cache/</Prefix><KeyCount>{FILES}</KeyCount><IsTruncated>false</IsTruncated>"
    return f'<?xml version="1.0"?><ListBucketResult>{head}{items}</ListBucketResult>'.encode()


if __name__ == "__main__":
    main()
