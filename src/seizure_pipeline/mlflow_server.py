"""Whether a server of MLflow's answers."""

from __future__ import annotations

import re
import urllib.request
from urllib.error import HTTPError

LONGEST_ANSWER_S = 5.0


def ask_health(uri: str) -> int:
    """The status that the server at `uri` answers with, whichever; raises OSError where none comes within 5 s."""
    without_user = re.sub(r"//[^/@]*@", "//", uri).rstrip("/")
    try:
        with urllib.request.urlopen(f"{without_user}/health", timeout=LONGEST_ANSWER_S) as answer:
            return int(answer.status)
    except HTTPError as refusal:
        return refusal.code
