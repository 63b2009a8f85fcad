"""A web server on loopback that shows a folder as pages, with or without ranges, marks of change and faults."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class WebServer:
    """What the server answers: `statuses` by the end of a path, for so many requests; `seen` counts the paths asked for."""

    url: str = ""
    ranges: bool = True
    marks: bool = True
    statuses: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    def status_for(self, path: str) -> int:
        self.seen[path] += 1
        for end, (status, times) in self.statuses.items():
            if path.endswith(end) and times > 0:
                self.statuses[end] = (status, times - 1)
                return status
        return 0


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, web: WebServer, **more: object) -> None:
        self._web = web
        super().__init__(*arguments, **more)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None: ...

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Last-Modified" or self._web.marks:
            super().send_header(keyword, value)

    def do_HEAD(self) -> None:
        if not self._refused():
            super().do_HEAD()

    def do_GET(self) -> None:
        if self._refused():
            return
        file, asked = Path(self.translate_path(self.path)), self.headers.get("Range", "")
        if not (self._web.ranges and asked and file.is_file()):
            super().do_GET()
            return
        first, last = (int(end) for end in asked.removeprefix("bytes=").split("-"))
        content = file.read_bytes()
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(len(content[first : last + 1])))
        self.end_headers()
        self.wfile.write(content[first : last + 1])

    def _refused(self) -> bool:
        if status := self._web.status_for(self.path):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return bool(status)


@contextmanager
def web_server(folder: Path) -> Iterator[WebServer]:
    """A running server of `folder`."""
    web = WebServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, web=web, directory=str(folder)))
    server.daemon_threads = True
    web.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield web
    server.shutdown()
    server.server_close()
