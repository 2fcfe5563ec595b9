"""The tiers that answer from passages: each reads the same evidence and says what it would answer and how sure it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assistant.calibration.services import decide_for
from ingestion.models import Chunk
from specialists.composition.composing import compose_spans, find, offer
from specialists.composition.types import Composition, Evidence, Quote
from specialists.errors import SpecialistError
from specialists.extractive import EXTRACTIVE_MODEL, compose, load_parameters
from specialists.refusal.calibrator import check_fitted_for
from specialists.router.types import QUOTES, READER

if TYPE_CHECKING:
    from retrieval.search import SearchResult

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what was found for it. `evidence`: the passages that the asker may read, best first, all of them in
    `chunks`."""

    text: str
    found: SearchResult
    evidence: Sequence[Evidence]
    chunks: Mapping[int, Chunk]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a tier would answer. `confidence` and `threshold` are on one scale, the tier's own; `refusal` is kept on the answer
    for its calibration."""

    tier: str
    model: str
    composition: Composition
    confidence: float
    threshold: float
    refusal: dict[str, Any] = field(default_factory=dict)
    withheld: tuple[Quote, ...] = ()  # of a refusal: what an answer would have quoted


def try_tier(tier: str, question: Question) -> Attempt:
    """Raises SpecialistError when the tier cannot work on this installation."""
    return TIERS[tier](question)


def _read(question: Question) -> Attempt:
    from specialists.reader.serving import ReaderPassage, get_reader

    reader = get_reader()
    check_fitted_for(reader.name)
    passages = [ReaderPassage(item.passage, item.text, item.context) for item in question.evidence]
    reading = reader.read(question.text, passages)
    spans = find(question.text, reading, question.evidence)
    refusal, kept = decide_for(question.text, reading, spans, question.evidence, question.found, question.chunks)
    composed = compose_spans(question.text, spans)
    if refusal.is_answered:
        return Attempt(READER, reader.name, composed, refusal.probability, refusal.threshold, kept)
    return Attempt(READER, reader.name, offer(spans), refusal.probability, refusal.threshold, kept, composed.quotes)


def _quote(question: Question) -> Attempt:
    composition = compose(question.text, question.evidence)
    return Attempt(QUOTES, EXTRACTIVE_MODEL, composition, composition.confidence, load_parameters().threshold)


TIERS: dict[str, Callable[[Question], Attempt]] = {READER: _read, QUOTES: _quote}


def first_that_works(tiers: Sequence[str], question: Question) -> tuple[Attempt, list[str]]:
    """The attempt of the first tier that can work, and a sentence for each that cannot. The composer needs no files of its own,
    so a damaged reader costs quality, never an answer."""
    failures: list[str] = []
    for tier in (*(tier for tier in tiers if tier in TIERS), QUOTES):
        try:
            return try_tier(tier, question), failures
        except SpecialistError as error:
            logger.warning("The tier %s cannot work: %s", tier, error.public_message)
            failures.append(error.public_message)
    raise SpecialistError("no_tier", "No model could read the passages. An administrator must run manage.py prepare.")
