"""The failures of retrieval, each with the sentence that a person may read."""

from __future__ import annotations


class RetrievalError(Exception):
    """A search or an index write that could not be done. `permanent` says whether trying again is useless."""

    def __init__(self, code: str, public_message: str, *, permanent: bool = False) -> None:
        super().__init__(f"{code}: {public_message}")
        self.code = code
        self.public_message = public_message
        self.permanent = permanent
