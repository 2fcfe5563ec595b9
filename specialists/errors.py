"""What can go wrong with a specialist, each with a sentence that says what to do."""

from __future__ import annotations


class SpecialistError(Exception):
    """`code` for programs, `public_message` for people; `permanent` when trying again changes nothing."""

    def __init__(self, code: str, public_message: str, *, permanent: bool = False) -> None:
        super().__init__(f"{code}: {public_message}")
        self.code = code
        self.public_message = public_message
        self.permanent = permanent


class DataError(SpecialistError):
    """A training file that cannot be used; the sentence names the file, the place and the remedy."""

    def __init__(self, public_message: str) -> None:
        super().__init__("training_data", public_message, permanent=True)
