"""The failures of asking, each with the sentence that a person may read."""

from __future__ import annotations

UNEXPECTED = "Something went wrong while answering. Try again; if it happens again, tell an administrator the time it happened."
LOST = "The server was restarted while it was answering. Ask again."


class QuestionError(Exception):
    """A question that is not accepted. Nothing was stored."""

    def __init__(self, code: str, public_message: str) -> None:
        super().__init__(f"{code}: {public_message}")
        self.code = code
        self.public_message = public_message
