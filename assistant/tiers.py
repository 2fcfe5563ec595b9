"""The tiers that answer from passages: each reads the same evidence and says what it would answer and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from assistant.calibration.services import decide_for
from assistant.events import Queued, Reading, Sentence
from assistant.ledger.recording import about_tokens
from ingestion.models import Chunk
from specialists.composition.composing import compose_spans, find, offer
from specialists.composition.types import ComposedSentence, Composition, Evidence, Quote
from specialists.errors import SpecialistError
from specialists.extractive import EXTRACTIVE_MODEL, compose, load_parameters
from specialists.language_models.types import MOST_NAME, LanguageModel, Waiting
from specialists.refusal.calibrator import check_fitted_for
from specialists.router.types import QUOTES, READER, SPECIALIST
from specialists.summarising.progress import Progress

if TYPE_CHECKING:
    from retrieval.search import SearchResult
    from specialists.writing import Draft

STOPPED = "stopped"  # the code of what is raised when the asker no longer waits
GONE = "passages_gone"
LEAST_SUPPORT = 0.5  # of a written answer's sentences: with less, what is left would say something else than was written


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what was found for it. `evidence`: the passages that the asker may read, best first, all of them in
    `chunks`. `is_wanted`: whether the asker still waits for the answer; `is_readable`: whether they may still read all of the
    evidence, and use the adapter; `adapter`: of the specialist that is to write it, all of
    whose documents the asker may read; empty for the base model. `keep`: keeps what is written before it is told; False when the
    asker has stopped the answer."""

    text: str
    found: SearchResult
    evidence: Sequence[Evidence]
    chunks: Mapping[int, Chunk]
    is_wanted: Callable[[], bool] = lambda: True
    is_readable: Callable[[], bool] = lambda: True
    adapter: str = ""
    keep: Callable[[Attempt], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a tier would answer. `confidence` and `threshold` are on one scale, the tier's own; `refusal` is kept on the answer
    for its calibration. `is_told`: its sentences have gone out as events already."""

    tier: str
    model: str
    composition: Composition
    confidence: float
    threshold: float
    refusal: dict[str, Any] = field(default_factory=dict)
    withheld: tuple[Quote, ...] = ()  # of a refusal: what an answer would have quoted
    tokens_in: int = 0
    tokens_out: int = 0
    is_told: bool = False


Trying = Generator[Queued | Reading | Sentence, None, Attempt]
Tiers = Mapping[str, Callable[[Question], Trying]]


def try_tier(tier: str, question: Question) -> Trying:
    """Yields what can be shown before the end; returns the attempt. Raises SpecialistError when the tier cannot work on this
    installation, or cannot now."""
    return TIERS[tier](question)


def _read(question: Question) -> Trying:
    from specialists.reader.serving import ReaderPassage, get_reader

    yield from ()
    reader = get_reader()
    check_fitted_for(reader.name)
    passages = [ReaderPassage(item.passage, item.text, item.context) for item in question.evidence]
    reading = reader.read(question.text, passages)
    spans = find(question.text, reading, question.evidence)
    refusal, kept = decide_for(question.text, reading, spans, question.evidence, question.found, question.chunks)
    composed = compose_spans(question.text, spans)
    tokens = about_tokens_of(question)
    if refusal.is_answered:
        return Attempt(READER, reader.name, composed, refusal.probability, refusal.threshold, kept, tokens_in=tokens)
    offered = offer(spans)
    return Attempt(READER, reader.name, offered, refusal.probability, refusal.threshold, kept, composed.quotes, tokens)


def _quote(question: Question) -> Trying:
    yield from ()
    composition = compose(question.text, question.evidence)
    least, tokens = load_parameters().threshold, about_tokens_of(question)
    return Attempt(QUOTES, EXTRACTIVE_MODEL, composition, composition.confidence, least, tokens_in=tokens)


def _write(question: Question) -> Trying:
    from specialists.grounding.serving import get_head
    from specialists.writing import Draft, write

    (model, adapter), draft = writer_of(question), Draft()
    writing = write(model, question.text, question.evidence, get_head(), adapter=adapter, draft=draft)
    return (yield from tell(question, writing, model, adapter, draft))


def writer_of(question: Question) -> tuple[LanguageModel, str]:
    """The language model, and the adapter with which it writes. Raises SpecialistError where there is no model."""
    from specialists.language_models import get_language_model
    from specialists.language_models.types import usable_adapter

    model = get_language_model()
    if model is None:
        raise SpecialistError("no_model", "No language model is installed.")
    return model, usable_adapter(model, question.adapter)


def tell(
    question: Question,
    writing: Generator[ComposedSentence | Waiting | Progress, None, Draft],
    model: LanguageModel,
    adapter: str,
    growing: Draft | None = None,
) -> Trying:
    """The sentences as they are written, each while its asker may read all that the model had before it, and the attempt that
    they make. `growing`: the draft that `writing` fills, where its sentences are kept before they are told."""
    before: int | None = None
    while True:
        try:
            told = next(writing)
        except StopIteration as end:
            draft = end.value
            break
        is_sentence = isinstance(told, ComposedSentence)
        if is_sentence and not question.is_readable():
            writing.close()  # which stops the model
            raise SpecialistError(GONE, "A passage that the model had before it was deleted or closed to its asker.")
        is_open = question.keep(_attempt(growing, model, adapter)) if is_sentence and growing else question.is_wanted()
        if not is_open:
            writing.close()
            raise SpecialistError(STOPPED, "The answer was stopped.")
        if isinstance(told, ComposedSentence):
            yield Sentence(told.text, tuple(place + 1 for place in told.quotes), layout=told.layout, is_recorded=False)
        elif isinstance(told, Progress):
            yield Reading(told.done, told.total)
        elif told.before != before:
            yield Queued(before := told.before)
    is_answered = draft.support >= LEAST_SUPPORT
    attempt = _attempt(draft, model, adapter)
    return attempt if is_answered else replace(attempt, composition=replace(attempt.composition, is_answered=False, quotes=()))


def _attempt(draft: Draft, model: LanguageModel, adapter: str) -> Attempt:
    """What is written so far, as an answer."""
    composition = Composition(True, draft.support, tuple(draft.quotes), tuple(draft.sentences))
    return Attempt(
        SPECIALIST, f"{model.name} + {adapter}"[-MOST_NAME:] if adapter else model.name, composition, draft.support,
        LEAST_SUPPORT, {"left_out": draft.left_out, "is_cut": draft.is_cut, "adapter": adapter},
        tokens_in=draft.end.tokens_in, tokens_out=draft.end.tokens_out, is_told=True,
    )  # fmt: skip


def evidence_of(found: SearchResult, chunks: Mapping[int, Chunk]) -> list[Evidence]:
    """What was found, as the tiers read it."""
    best = max((hit.score for hit in found.hits), default=1.0)
    return [
        Evidence(
            passage=hit.id,
            context=chunks[hit.id].context,
            text=chunks[hit.id].text,
            sentences=_sentences(chunks[hit.id]),
            relevance=hit.score / best,
            document=chunks[hit.id].document_id,
        )
        for hit in found.hits
    ]


def _sentences(chunk: Chunk) -> tuple[tuple[int, int], ...]:
    """The sentences as spans of the chunk's own text."""
    return tuple((start - chunk.start, end - chunk.start) for start, end in chunk.sentences)


def about_tokens_of(question: Question) -> int:
    return about_tokens(question.text, *(item.text for item in question.evidence))


TIERS: Tiers = {READER: _read, QUOTES: _quote, SPECIALIST: _write}
