"""What composers read and what they make: evidence goes in, sentences with their quotes come out."""

from __future__ import annotations

from dataclasses import dataclass

Offsets = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage to quote from. `sentences` are spans of `text`; `relevance` is the passage's score in the search, as a
    share of the best passage's; `document` tells passages of one document from those of another."""

    passage: int
    context: str
    text: str
    sentences: tuple[Offsets, ...]
    relevance: float = 1.0
    document: int = 0

    @property
    def title(self) -> str:
        return self.context.partition("\n")[0].partition(" > ")[0]


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a passage: `text` is Evidence.text[start:end]."""

    passage: int
    start: int
    end: int
    text: str
    score: float  # log-odds that the quote answers the question


@dataclass(frozen=True, slots=True)
class ComposedSentence:
    """A sentence of the answer. `quotes` are places in Composition.quotes: the first is what `text` says word for word (a
    table's row is said with its column names), the others agree with it. `marks` are the answering words, as spans of `text`.
    `lead` is the only part that no document says. `layout` is plain, or item for one of a list. Without `is_quoted` a model wrote
    the text, and all of the quotes support it."""

    text: str
    quotes: tuple[int, ...]
    marks: tuple[Offsets, ...] = ()
    lead: str = ""
    layout: str = "plain"
    is_quoted: bool = True


@dataclass(frozen=True, slots=True)
class Composition:
    """A composer's answer. `quotes` are there even when it abstains; they are numbered from 1 as citations. `confidence` is
    the closest sentence's cosine for the sentence composer, the answering span's probability for the reader."""

    is_answered: bool
    confidence: float
    quotes: tuple[Quote, ...]
    sentences: tuple[ComposedSentence, ...] = ()
