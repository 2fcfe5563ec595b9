"""The one answer path, behind every door: authorize → understand → route → retrieve → second gate → compose → record.

A failure is a failed answer with a sentence; it never becomes an answer without sources. No database connection is held
while a model works.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from assistant.errors import UNEXPECTED
from assistant.events import AnswerEvent, Failed, Finished, Routed, Sentence, Sources, Understood
from assistant.followups import standalone_question, topic
from assistant.models import Answer, AnswerState, Citation
from ingestion.connections import release_connection
from ingestion.models import Chunk, Partition
from ingestion.permissions import readable_chunks, readable_partitions
from retrieval.errors import RetrievalError
from retrieval.passages import Hit
from specialists.extractive import EXTRACTIVE_MODEL, EXTRACTIVE_ROUTE, Composition, Evidence, compose

if TYPE_CHECKING:
    from retrieval.search import SearchResult

logger = logging.getLogger(__name__)

PASSAGES_READ = 12
TURNS_REMEMBERED = 20
OPEN_STATES = (AnswerState.PENDING, AnswerState.ANSWERING)


@dataclass(slots=True)
class _Timings:
    started: float = field(default_factory=time.perf_counter)
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str, since: float) -> None:
        self.marks[stage] = round((time.perf_counter() - since) * 1000, 2)

    def total(self) -> dict[str, float]:
        return {**self.marks, "total": round((time.perf_counter() - self.started) * 1000, 2)}


def answer(row: Answer) -> Iterator[AnswerEvent]:
    """Answer the question of `row` and record what became of it. Ends with Finished or Failed, always."""
    timings = _Timings()
    try:
        yield from _answer(row, timings)
    except RetrievalError as error:
        yield _record_failure(row, error.public_message, timings)
    except Exception:  # a bug must end as a failed answer, not as a page that waits for ever
        logger.exception("Answer %s failed", row.pk)
        yield _record_failure(row, UNEXPECTED, timings)


def _answer(row: Answer, timings: _Timings) -> Iterator[AnswerEvent]:
    since = time.perf_counter()
    partitions = _authorize(row)
    question = _understand(row)
    timings.mark("authorize", since)
    yield Understood(question)
    yield Routed(EXTRACTIVE_ROUTE, EXTRACTIVE_MODEL)

    since = time.perf_counter()
    found = _retrieve(question, partitions)
    hits = found.hits
    timings.mark("retrieve", since)
    since = time.perf_counter()
    chunks = _second_gate(row, hits)
    timings.mark("gate", since)
    corpora = len({partition.corpus_id for partition in partitions})
    yield Sources(corpora, len(chunks))

    since = time.perf_counter()
    composition = _compose(question, found, chunks)
    timings.mark("compose", since)
    if not _record(row, question, corpora, hits, chunks, composition, timings):
        yield Finished(AnswerState.STOPPED)
        return
    for sentence in row.sentences:
        yield Sentence(sentence["text"], tuple(sentence["citations"]))
    yield Finished(row.state)


def _authorize(row: Answer) -> list[Partition]:
    """The partitions that the asker may read now, narrowed to the conversation's corpora."""
    corpora = list(row.conversation.corpora.all())
    return list(readable_partitions(row.conversation.user, corpora=corpora or None))


def _understand(row: Answer) -> str:
    if row.standalone_question:  # a retry keeps the understanding of the first time
        return row.standalone_question
    turns = (
        Answer.objects.filter(conversation=row.conversation_id, pk__lt=row.pk)
        .exclude(state__in=[AnswerState.FAILED, AnswerState.STOPPED])
        .order_by("-pk")
        .values_list("question", "standalone_question")[:TURNS_REMEMBERED]
    )
    return standalone_question(row.question, topic([(asked, whole or asked) for asked, whole in reversed(turns)]))


def _retrieve(question: str, partitions: Sequence[Partition]) -> SearchResult:
    from retrieval.search import search

    release_connection()  # the model works now
    return search(question, scope=[partition.key for partition in partitions], top_k=PASSAGES_READ)


def _second_gate(row: Answer, hits: Sequence[Hit]) -> dict[int, Chunk]:
    """Every hit is read again under the same rule; what the index has and the database has not is dropped."""
    return {chunk.pk: chunk for chunk in readable_chunks(row.conversation.user, [hit.id for hit in hits])}


def _compose(question: str, found: SearchResult, chunks: dict[int, Chunk]) -> Composition:
    evidence = [
        Evidence(
            passage=hit.id,
            context=chunks[hit.id].context,
            text=chunks[hit.id].text,
            sentences=_sentences(chunks[hit.id]),
            relevance=hit.score / found.hits[0].score,
        )
        for hit in found.hits
        if hit.id in chunks
    ]
    release_connection()
    return compose(question, evidence)


def _sentences(chunk: Chunk) -> tuple[tuple[int, int], ...]:
    """The sentences as spans of the chunk's own text."""
    return tuple((start - chunk.start, end - chunk.start) for start, end in chunk.sentences)


@transaction.atomic
def _record(
    row: Answer, question: str, corpora: int, hits: Sequence[Hit], chunks: dict[int, Chunk], composition: Composition,
    timings: _Timings,
) -> bool:  # fmt: skip
    """Store the answer with all that is needed to replay it. False when it was stopped (or deleted) meanwhile."""
    current = Answer.objects.select_for_update().filter(pk=row.pk, state__in=OPEN_STATES).first()
    if current is None:
        return False
    citations = _citations(row, chunks, composition)
    row.standalone_question = question
    row.state = AnswerState.ANSWERED if composition.is_answered else AnswerState.ABSTAINED
    row.sentences = [
        {"text": quote.text, "citations": [number]} for number, quote in enumerate(composition.quotes, start=1)
    ] if composition.is_answered else []  # fmt: skip
    row.text = " ".join(sentence["text"] for sentence in row.sentences)
    row.route, row.model, row.confidence = EXTRACTIVE_ROUTE, EXTRACTIVE_MODEL, composition.confidence
    row.corpora_searched = corpora
    row.passages = [
        {"passage": hit.id, "score": hit.score, "document": chunks[hit.id].document_id, "revision": chunks[hit.id].revision}
        for hit in hits if hit.id in chunks
    ]  # fmt: skip
    row.timings_ms, row.finished_at, row.lease_until = timings.total(), timezone.now(), None
    row.save()
    Citation.objects.bulk_create(citations)
    return True


def _citations(row: Answer, chunks: dict[int, Chunk], composition: Composition) -> list[Citation]:
    if not composition.is_answered:
        return []
    citations = []
    for number, quote in enumerate(composition.quotes, start=1):
        chunk = chunks[quote.passage]
        citations.append(
            Citation(
                answer=row,
                number=number,
                document_id=chunk.document_id,
                document_revision=chunk.revision,
                passage_id=chunk.pk,
                title=chunk.document.title or chunk.document.source_name,
                page=chunk.page,
                heading_path=chunk.heading_path,
                quote=quote.text,
                start=chunk.start + quote.start,
                end=chunk.start + quote.end,
            )
        )
    return citations


def _record_failure(row: Answer, message: str, timings: _Timings) -> AnswerEvent:
    changed = Answer.objects.filter(pk=row.pk, state__in=OPEN_STATES).update(
        state=AnswerState.FAILED, error_message=message[:500], timings_ms=timings.total(), finished_at=timezone.now(),
        lease_until=None,
    )  # fmt: skip
    return Failed(message) if changed else Finished(AnswerState.STOPPED)
