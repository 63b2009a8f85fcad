"""Whether Modal's client has a token to talk with."""

from __future__ import annotations

from modal.config import config


def has_token() -> bool:
    """Whether there is a whole one, in the environment or a profile; Modal is not asked, and it is not shown."""
    return bool(config.get("token_id") and config.get("token_secret"))
