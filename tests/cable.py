"""A wire on loopback that can be cut and mended: what goes in at its one end comes out at the other."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Cable:
    """Carries connections to `port`. While it is cut, those that were there are reset and new ones refused."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: list[socket.socket] = []
        self._listening: socket.socket | None = None
        self.port = 0
        self.mend()

    @property
    def url(self) -> str:
        """Where its near end is."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Carry nothing from now on."""
        if self._listening is not None:
            _close(self._listening)
            self._listening = None
        while self._ends:
            _close(self._ends.pop())

    def mend(self) -> None:
        """Carry again, at the same address."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):  # it was cut
            while True:
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # it was cut
        while block := source.recv(65536):
            target.sendall(block)
    _close(source)
    _close(target)


def _close(end: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        end.shutdown(socket.SHUT_RDWR)
    end.close()
