"""The summary of one document as an answer: which document is meant, its passages through the gate, and the tiers that do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db.models import F, Q

from assistant.events import Reading
from assistant.models import Answer
from assistant.permissions import searchable_chunks
from assistant.tiers import STOPPED, Attempt, Question, Tiers, Trying, about_tokens_of, tell, writer_of
from ingestion.models import Chunk, Document, Partition
from ingestion.versions import is_newer
from retrieval.passages import Hit
from retrieval.search import SearchResult
from specialists.errors import SpecialistError
from specialists.router.tiers import installed_tiers
from specialists.router.types import QUOTES, SPECIALIST, Decision
from specialists.summarising.picking import PICKING_MODEL, pick
from specialists.summarising.wish import document_named

MOST_PASSAGES = 400  # of a document that are read, about two hundred pages
GONE = "The document is gone, or you may not read it any more."


def document_to_summarise(row: Answer, decision: Decision, partitions: Sequence[Partition]) -> Document | None:
    """The one that was chosen, while it may be read; or the one that the message names, unless a rule of the administrators
    sends such a message elsewhere. None: an ordinary question. Raises SpecialistError."""
    documents = Document.objects.filter(partition__in=partitions, revision__gt=0)
    if row.summary_of_id is not None:
        chosen = documents.filter(pk=row.summary_of_id).first()
        if chosen is None:
            raise SpecialistError("document_gone", GONE)
        return chosen
    name = "" if decision.rule or decision.is_crisis else document_named(row.question)
    if not name:
        return None
    named = Q()
    for one in {name, name.removeprefix("the "), name.removeprefix("The ")}:
        named |= Q(title__iexact=one) | Q(source_name__iexact=one) | Q(source_name__iendswith=f"/{one}")
    found = list(documents.filter(named)[:20])
    latest = [one for one in found if not any(is_newer(other, one) for other in found)]
    return latest[0] if len(latest) == 1 else None


def as_summary(row: Answer, decision: Decision) -> Decision:
    """The same decision, for a summary: by the language model where there is one and the asker wants no other."""
    writes = SPECIALIST in installed_tiers() and row.tier_wanted in ("", SPECIALIST)
    tiers = (SPECIALIST, QUOTES) if writes else (QUOTES,)
    return replace(decision, intent="summarise", tiers=tiers, missing=(), reply="", reason="the summary of one document")


def passages_of(row: Answer, document: Document) -> tuple[SearchResult, dict[int, Chunk]]:
    """The document's passages in its order, as far as they are read, through the second gate."""
    live = Chunk.objects.filter(document=document, revision=F("document__revision")).order_by("position")
    ids = list(live.values_list("pk", flat=True)[:MOST_PASSAGES])
    chunks = {chunk.pk: chunk for chunk in searchable_chunks(row.conversation, ids)}
    return SearchResult(tuple(Hit(pk, 1.0) for pk in ids if pk in chunks)), chunks


def _pick(question: Question) -> Trying:
    picking = pick(question.evidence)
    while True:
        try:
            at = next(picking)
        except StopIteration as end:
            composition = end.value
            break
        yield Reading(at.done, at.total)
        if not question.is_wanted():
            raise SpecialistError(STOPPED, "The answer was stopped.")
    least = 1.0 if not composition.is_answered else 0.0
    return Attempt(QUOTES, PICKING_MODEL, composition, composition.confidence, least, tokens_in=about_tokens_of(question))


def _write(question: Question) -> Trying:
    from specialists.grounding.serving import get_head
    from specialists.summarising.writing import write_summary
    from specialists.writing import Draft

    (model, adapter), draft = writer_of(question), Draft()
    title = str(next(iter(question.chunks.values())).document) if question.chunks else ""
    writing = write_summary(model, title, question.evidence, get_head(), adapter=adapter, draft=draft)
    return (yield from tell(question, writing, model, adapter, draft))


SUMMARISING: Tiers = {SPECIALIST: _write, QUOTES: _pick}
