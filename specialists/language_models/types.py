"""The seam of generating models: messages go in, pieces of text come out, and at the end what it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it comes; pieces end anywhere, in the middle of a word too."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """`reason`: stop (the model had said all), length (it was cut at `most_tokens`). Tokens are 0 where the backend does not
    say them."""

    reason: str
    tokens_in: int = 0
    tokens_out: int = 0


class LanguageModel(Protocol):
    """A model that answers messages. `name` is kept with the answers; `window` is in tokens, prompt and answer together."""

    name: str
    window: int

    def generate(self, messages: Sequence[Message], *, most_tokens: int) -> Iterator[Piece | End]:
        """The answer, greedy. Ends with End. Closing the iterator stops the model. Raises SpecialistError: `model_busy`,
        `model_unreachable`, `model_broken`, `prompt_too_long`."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens of the window the text takes, never fewer than it does."""
        ...
