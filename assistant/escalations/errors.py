"""The failures of asking a person and of replying, each with the sentence that a person may read."""

from __future__ import annotations


class EscalationError(Exception):
    """What was typed was not taken. `public_message` says what to do."""

    def __init__(self, code: str, public_message: str) -> None:
        super().__init__(f"{code}: {public_message}")
        self.code = code
        self.public_message = public_message
