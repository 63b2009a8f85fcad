"""Asking again: while a provider does not answer, with growing pauses, as long as the settings are patient."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from seizure_pipeline.remote.backend import LostContact

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
TOLD_AGAIN_S = 300.0


class Patience:
    """Asks until there is an answer, or no contact for `patience_s`; `advice` says then what the user can do.

    The same trouble is told once, and not again for five minutes, however often it comes and goes."""

    def __init__(self, patience_s: float, advice: str = "") -> None:
        self._patience_s, self._advice = patience_s, advice
        self._told_s: dict[str, float] = {}

    def asking(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` returns; raises LostContact, with the advice, once patience is at its end."""
        lost_s: float | None = None
        pause_s = FIRST_PAUSE_S
        was_told = False
        while True:
            try:
                answer = ask()
            except LostContact as error:
                now_s = time.monotonic()
                lost_s = now_s if lost_s is None else lost_s
                left_s = lost_s + self._patience_s - now_s
                if left_s <= 0:
                    raise LostContact(f"no contact for {self._patience_s:.0f} s ({error}). {self._advice}".rstrip()) from error
                was_told |= self._tell(str(error), left_s)
                pause_s = min(pause_s, left_s)
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                if lost_s is not None and was_told:
                    log.warning("contact again after %.0f s", time.monotonic() - lost_s)
                return answer

    def _tell(self, trouble: str, left_s: float) -> bool:
        """Tell it, unless it was told a moment ago; whether it was told now."""
        now_s = time.monotonic()
        if now_s - self._told_s.get(trouble, -TOLD_AGAIN_S) < TOLD_AGAIN_S:
            return False
        self._told_s[trouble] = now_s
        log.warning("no contact (%s); asked again and again for %.0f s", trouble, left_s)
        return True
