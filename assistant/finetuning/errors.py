"""What goes wrong with specialists of the organization, each with the sentence that a person may read."""

from __future__ import annotations


class FinetuningError(Exception):
    """Nothing was changed."""

    def __init__(self, code: str, public_message: str) -> None:
        super().__init__(f"{code}: {public_message}")
        self.code = code
        self.public_message = public_message
