"""Asking again: while a provider does not answer, with growing pauses, as long as the settings are patient."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from seizure_pipeline.remote.backend import LostContact

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Asks until there is an answer, or no contact for `patience_s`; `advice` says then what the user can do."""

    patience_s: float
    advice: str = ""

    def asking(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` returns; raises LostContact, with the advice, once patience is at its end."""
        lost_s: float | None = None
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                answer = ask()
            except LostContact as error:
                now_s = time.monotonic()
                lost_s = now_s if lost_s is None else lost_s
                left_s = lost_s + self.patience_s - now_s
                if left_s <= 0:
                    raise LostContact(f"no contact for {self.patience_s:.0f} s ({error}). {self.advice}".rstrip()) from error
                pause_s = min(pause_s, left_s)
                log.warning("no contact (%s); asked again in %.0f s, for %.0f s more", error, pause_s, left_s)
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                if lost_s is not None:
                    log.warning("contact again after %.0f s", time.monotonic() - lost_s)
                return answer
