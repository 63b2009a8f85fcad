"""An HTTP proxy in front of an S3 server on loopback that does what networks and servers do on a bad day."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
INTERNAL = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"


@dataclass
class Fault:
    """What befalls requests of `method` whose path ends with `path`, the first `times` of them.

    `kind` is slow, cut (the connection ends half-way), truncate (half of the bytes as if they were all), spoil (one byte
    is another), error (status and body), or refuse (no answer at all). `before` is called first, once."""

    kind: str
    path: str = ".edf"
    times: int = 10**9
    method: str = "GET"
    status: int = 500
    body: bytes = INTERNAL
    before: Callable[[], object] | None = None


@dataclass
class Proxy:
    """Faults to come, and how many requests of each kind were seen; `url` is where clients ask."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.seen[method] += 1
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and path.split("?", maxsplit=1)[0].endswith(fault.path):
                    fault.times -= 1
                    self.seen[fault.kind] += 1
                    return fault
        return None


def start_proxy(host: str, port: int) -> tuple[ThreadingHTTPServer, Proxy]:
    """A running proxy before the server at `host`:`port`; the caller ends it by `shutdown` and `server_close`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def _pass_on(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault_for(self.command, self.path)
            if fault is not None and fault.before is not None:
                fault.before()
                fault.before = None
            if fault is not None and fault.kind == "refuse":
                self.close_connection = True
                return
            if fault is not None and fault.kind == "error":
                self._answer(fault.status, {"Content-Type": "application/xml"}, fault.body)
                return
            connection = http.client.HTTPConnection(host, port)
            connection.request(self.command, self.path, sent, dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
            headers = {
                k: v for k, v in answer.getheaders() if k.lower() not in ("content-length", "connection", "transfer-encoding")
            }
            if self.command == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length") or "0"
            connection.close()
            self._answer(answer.status, headers, body, fault.kind if fault is not None else "")

        def _answer(self, status: int, headers: dict[str, str], body: bytes, kind: str = "") -> None:
            half = len(body) // 2
            sent = body[:half] if kind in ("cut", "truncate") else body
            sent = bytes([sent[0] ^ 1]) + sent[1:] if kind == "spoil" else sent
            self.send_response(status)
            for name, value in headers.items():
                if kind == "truncate" and name.lower().startswith("x-amz-checksum"):
                    continue  # not every server sends one
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(half if kind == "truncate" else len(body)))
            self.end_headers()
            if kind == "slow":
                for start in range(0, len(sent), max(1, len(sent) // 8)):
                    self.wfile.write(sent[start : start + max(1, len(sent) // 8)])
                    self.wfile.flush()
                    time.sleep(0.05)
            elif self.command != "HEAD":
                self.wfile.write(sent)
            self.close_connection = kind == "cut" or self.close_connection

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server, proxy
