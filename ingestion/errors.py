"""The failures of ingestion, each with the sentence that a person may read."""

from __future__ import annotations


class IngestionError(Exception):
    def __init__(self, code: str, public_message: str, *, permanent: bool = True) -> None:
        super().__init__(f"{code}: {public_message}")
        self.code = code
        self.public_message = public_message
        self.permanent = permanent
