"""The words that a refused answer offers as perhaps the answer: places in passages, gated anew whenever they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assistant.models import Answer, AnswerState
from ingestion.models import Chunk
from specialists.composition.composing import MOST_OFFERED
from specialists.composition.types import Quote

MAYBE = 0.3  # the least probability of being right at which words are offered as perhaps the answer

CLOSEST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Words of a passage: `start` and `end` are characters of its text."""

    passage: int
    start: int
    end: int

    def words(self, chunk: Chunk) -> str:
        return chunk.text[self.start : self.end]


def as_rows(quotes: Sequence[Quote]) -> list[dict[str, int]]:
    """What Answer.refusal keeps; no words, so that a document that is gone or forbidden shows none."""
    return [{"passage": quote.passage, "start": quote.start, "end": quote.end} for quote in quotes]


def offers_of(answer: Answer) -> list[Place]:
    """Of a refused answer, the sentences that may be it, the likeliest first."""
    if answer.state != AnswerState.ABSTAINED:
        return []
    earlier: dict[str, Any] | None = answer.refusal.get("nearest")  # what was kept before there were several
    return [Place(**row) for row in answer.refusal.get("offered", [earlier] if earlier else [])][:MOST_OFFERED]


def closest_of(answer: Answer) -> list[tuple[int, Place | None]]:
    """Of a refused answer, what its asker is shown, the nearest first: passages with the words that may be the answer, then those
    that the search brought first (None: by their opening). Whoever else sees it sees of these only."""
    if answer.state != AnswerState.ABSTAINED:
        return []
    offers = offers_of(answer)
    named = {offer.passage for offer in offers}
    found = dict.fromkeys(item["passage"] for item in answer.passages[:CLOSEST_SHOWN])
    return [*((offer.passage, offer) for offer in offers), *((pk, None) for pk in found if pk not in named)][:CLOSEST_SHOWN]


def withheld_from(answer: Answer) -> list[Place]:
    """Of a refused answer, all that it would have quoted, had the reader been sure enough."""
    return [Place(**row) for row in answer.refusal.get("withheld", [])] if answer.state == AnswerState.ABSTAINED else []


def is_unsure(answer: Answer) -> bool:
    """Whether it was refused though the first words may well answer."""
    return bool(offers_of(answer)) and (answer.refusal.get("probability") or 0.0) >= MAYBE
