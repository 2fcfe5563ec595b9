"""What is kept of an answer: while it is written, at its end, and of a failure. What was stopped or deleted stays so."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from django.db import transaction
from django.utils import timezone

from assistant.composing import answer_text, citation_rows, sentence_rows
from assistant.events import AnswerEvent, Failed, Finished
from assistant.ledger.recording import Use, count_uses, record_tiers
from assistant.models import OPEN_STATES, Answer, AnswerState, Citation
from assistant.offers import as_rows
from assistant.streams import LEASE
from assistant.tiers import Attempt
from assistant.writers import held
from ingestion.connections import lend_connection
from ingestion.models import Chunk, Document
from retrieval.passages import Hit
from specialists.router.types import SPECIALIST

# What an attempt and the way to it say; the rest of a row is its state.
_SAID = (
    "standalone_question", "corpora_searched", "text", "sentences", "route", "model", "confidence", "refusal", "passages",
)  # fmt: skip


class Told:
    """Keeps each sentence of a written answer before its asker sees it, so that it stays theirs should they stop the answer."""

    def __init__(self, row: Answer, hits: Sequence[Hit], chunks: dict[int, Chunk]) -> None:
        self._row, self._hits, self._chunks = row, hits, chunks
        self._cited = 0  # of the attempt's quotes, which only grow in number

    def keep(self, attempt: Attempt) -> bool:
        """False when the answer is no longer wanted. Renews its lease. One statement, two more where a quote is new."""
        try:
            with transaction.atomic():
                kept = copy(self._row)
                fill(kept, attempt, "", self._hits, self._chunks)
                said = {name: getattr(kept, name) for name in _SAID} | {"refusal": {**self._row.refusal, **kept.refusal}}
                if self._row.summary_of_id is not None:
                    said["summary_of"] = _summarised(self._row)
                if not _renew(self._row, **said):
                    return False
                new = citation_rows(self._row, self._chunks, attempt.composition)[self._cited :]
                _cite(new)
            self._cited += len(new)
            return True
        finally:
            lend_connection()


def is_wanted(row: Answer) -> bool:
    """Asked while an answer is being written, whose lease this renews."""
    try:
        return _renew(row)
    finally:
        lend_connection()


def _renew(row: Answer, **said: object) -> bool:
    lease = held() if row.written_by else timezone.now() + LEASE
    return bool(Answer.objects.filter(pk=row.pk, state__in=OPEN_STATES).update(lease_until=lease, **said))


def fill(row: Answer, attempt: Attempt, reason: str, hits: Sequence[Hit], chunks: dict[int, Chunk]) -> None:
    composition = attempt.composition
    row.state = AnswerState.ANSWERED if composition.is_answered else AnswerState.ABSTAINED
    row.sentences = sentence_rows(composition) if composition.is_answered else []
    row.text = answer_text(row.sentences)
    row.route, row.model, row.confidence = attempt.tier, attempt.model, attempt.confidence
    row.refusal = {**attempt.refusal, "route": reason}
    if composition.quotes and not composition.is_answered:
        row.refusal["offered"] = as_rows(composition.quotes)
        row.refusal["withheld"] = as_rows(attempt.withheld)
    row.passages = [
        {"passage": hit.id, "score": hit.score, "document": chunks[hit.id].document_id, "revision": chunks[hit.id].revision}
        for hit in hits
    ]  # fmt: skip


@transaction.atomic
def record(
    row: Answer,
    uses: Sequence[Use],
    timings_ms: dict[str, float],
    *,
    attempt: Attempt | None = None,
    chunks: dict[int, Chunk] | None = None,
) -> bool:
    """Store the answer with all that is needed to replay it. False when it was stopped (or deleted) meanwhile."""
    current = Answer.objects.select_for_update().filter(pk=row.pk, state__in=OPEN_STATES).first()
    if current is None:
        record_tries(row, uses)
        return False
    row.timings_ms, row.finished_at, row.lease_until = timings_ms, timezone.now(), None
    row.summary_of = _summarised(row)
    row.save()
    if any(use.tier == SPECIALIST for use in uses):  # which may have kept what it told
        row.citations.all().delete()
    if attempt is not None and attempt.composition.is_answered:
        _cite(citation_rows(row, chunks or {}, attempt.composition))
    record_tiers(answer=row, uses=uses)
    return True


def _summarised(row: Answer) -> Document | None:
    """None where it was deleted in the last moment."""
    is_there = Document.objects.select_for_update().filter(pk=row.summary_of_id or 0).exists()
    return row.summary_of if is_there else None


def _cite(citations: list[Citation]) -> None:
    """Of a document that was deleted in the last moment the citation is kept as of one that is deleted later: without it."""
    if not citations:
        return
    wanted = {citation.document_id for citation in citations if citation.document_id is not None}
    there = set(Document.objects.select_for_update().filter(pk__in=wanted).values_list("pk", flat=True))
    for citation in citations:
        citation.document_id = citation.document_id if citation.document_id in there else None
    Citation.objects.bulk_create(citations)


@transaction.atomic
def record_tries(row: Answer, uses: Sequence[Use]) -> None:
    """What was done for an answer that somebody stopped; one that was deleted takes its ledger with it, but counts."""
    if Answer.objects.select_for_update().filter(pk=row.pk).first() is not None:
        record_tiers(answer=row, uses=uses)
    else:
        count_uses(answer=row, uses=uses)


def record_failure(row: Answer, message: str, timings_ms: dict[str, float]) -> AnswerEvent:
    changed = Answer.objects.filter(pk=row.pk, state__in=OPEN_STATES).update(
        state=AnswerState.FAILED, error_message=message[:500], timings_ms=timings_ms, finished_at=timezone.now(),
        lease_until=None,
    )  # fmt: skip
    return Failed(message) if changed else Finished(AnswerState.STOPPED)
