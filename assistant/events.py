"""What happens while a question is answered, in order. Every door consumes these; none reads a model's output itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Understood:
    """The question as it is searched for; it differs from the typed one for a follow-up."""

    question: str


@dataclass(frozen=True, slots=True)
class Routed:
    route: str
    model: str


@dataclass(frozen=True, slots=True)
class Sources:
    """How much was searched, and how many passages went to the model after the second gate. `ids`: which, for whoever passes the
    model's words on."""

    corpora: int
    passages: int
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Queued:
    """It is busy. `before`: how many questions come before this one; None once it is this one's turn."""

    before: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A long document is read: `done` of `total` parts are."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A finished sentence with the numbers of its citations. `marks`: its answering words, as spans of the text; `lead`: words
    before it that no document says; `layout`: plain, or item for one of a list. `is_recorded`: its citations can be opened."""

    text: str
    citations: tuple[int, ...]
    marks: tuple[tuple[int, int], ...] = ()
    lead: str = ""
    layout: str = "plain"
    is_recorded: bool = True


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is recorded. `state` is answered, abstained or stopped."""

    state: str


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer. `message` is for the person."""

    message: str


AnswerEvent = Understood | Routed | Sources | Queued | Reading | Sentence | Finished | Failed
