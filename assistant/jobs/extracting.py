"""Works the queue of extractions: one question per field to one document, by the search, the reader and the cascade of answers.

The person's rights are read before a document and again after it: what they lost meanwhile leaves no word."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F

from assistant.cascading import Outcome, run_cascade
from assistant.errors import UNEXPECTED
from assistant.jobs.extractions import KILLER, MOST_ATTEMPTS, Claim, claim_extraction, finish, hold, record_row, release
from assistant.jobs.models import ExtractionRow
from assistant.ledger.models import TierUse
from assistant.ledger.prices import costs_of
from assistant.limits.using import count_work
from assistant.reranking.using import movable
from assistant.tiers import TIERS, Attempt, Question, Tiers, Trying, evidence_of, tell, writer_of
from ingestion.connections import lend_connection
from ingestion.models import Chunk, Document
from ingestion.permissions import readable_chunks, readable_documents
from retrieval.errors import RetrievalError
from specialists.composition.types import ComposedSentence
from specialists.errors import SpecialistError
from specialists.relaying import drained
from specialists.router.tiers import installed_tiers
from specialists.router.types import QUOTES, READER, SPECIALIST, Decision

logger = logging.getLogger(__name__)

SLICE_S = 3.0  # of the embedded worker's time, before its other work gets its turn again
GONE = "The document is gone, or you may not read it any more."
MOST_SENTENCES = 3  # of a cell
Cell = dict[str, Any]


def work_extractions(*, should_stop: Callable[[], bool] = lambda: False, slice_s: float = SLICE_S) -> int:
    """Read documents for a while. Returns how many rows were made."""
    end = time.monotonic() + slice_s
    made = 0
    while not should_stop() and time.monotonic() < end:
        claim = claim_extraction()
        if claim is None:
            break
        made += _work_on(claim, lambda: should_stop() or time.monotonic() > end)
    return made


def _work_on(claim: Claim, should_stop: Callable[[], bool]) -> int:
    """One row at least, so that a slice that is too short for it ends all the same."""
    made = 0
    while True:
        row = claim.extraction.rows.filter(is_done=False).select_related("document").first()
        if row is None:
            finish(claim)
            return made
        is_killer = claim.extraction.attempts > MOST_ATTEMPTS and not made
        cells, problem = ([], KILLER) if is_killer else _read_row(claim, row)
        if not record_row(claim, row, cells=cells, problem=problem):
            return made
        made += 1
        if should_stop():
            release(claim)
            return made


def _read_row(claim: Claim, row: ExtractionRow) -> tuple[list[Cell], str]:
    """The cells, or why there are none."""
    user = claim.extraction.user
    try:
        cells = []
        for field in claim.extraction.fields:
            document = readable_documents(user).filter(pk=row.document_id).first()
            if document is None:
                return [], GONE
            cells.append(_read_cell(claim, user, document, field["question"]))
        revision = Document.objects.filter(pk=row.document_id).values_list("revision", flat=True).first()
        is_same = readable_documents(user).filter(pk=row.document_id).exists() and revision == row.document.revision
    except (RetrievalError, SpecialistError) as error:
        return [], error.public_message
    except Exception:  # a bug must end as a row that says so, not as one that is read for ever
        logger.exception("Row %s of an extraction failed", row.pk)
        return [], UNEXPECTED
    return (cells, "") if is_same else ([], GONE)


def _read_cell(claim: Claim, user: User, document: Document, asked: str) -> Cell:
    question = _question(claim, user, document, asked)
    outcome = drained(run_cascade(_decision(), question, FILLING))
    _charge(claim, user, outcome)
    attempt = outcome.attempt
    if attempt is None or not attempt.composition.is_answered:
        return {"confidence": attempt.confidence if attempt else None, "problem": _problem_of(outcome)}
    return _cell(attempt, question.chunks)


def _problem_of(outcome: Outcome) -> str:
    """Why the language model did not work: a field that only the reader looked for may be in the document all the same."""
    failed = (use for use in outcome.uses if use.tier == SPECIALIST and use.outcome == TierUse.Outcome.FAILED)
    return next((use.reason for use in failed), "")


def _question(claim: Claim, user: User, document: Document, asked: str) -> Question:
    """The field's question with the document's passages that come closest, through the second gate."""
    from retrieval.search import search
    from specialists.reader.serving import ReaderPassage
    from specialists.reranker.choosing import CANDIDATES, choose

    ids = list(Chunk.objects.filter(document=document, revision=document.revision).values_list("pk", flat=True))
    lend_connection()
    found = search(asked, scope=[document.partition.key], top_k=CANDIDATES, only=ids)
    chunks = {chunk.pk: chunk for chunk in readable_chunks(user, [hit.id for hit in found.hits])}
    passages = [ReaderPassage(hit.id, chunks[hit.id].text, chunks[hit.id].context) for hit in found.hits if hit.id in chunks]
    among = movable(chunks.values())
    lend_connection()
    found = choose(asked, found, passages, among=among)
    return Question(asked, found, evidence_of(found, chunks), chunks, lambda: _is_wanted(claim))


def _fill(question: Question) -> Trying:
    from specialists.filling import fill
    from specialists.grounding.serving import get_head

    model, adapter = writer_of(question)
    filling = fill(model, question.text, question.evidence, get_head(), adapter=adapter)
    return (yield from tell(question, filling, model, adapter))


FILLING: Tiers = {**TIERS, SPECIALIST: _fill}


def _is_wanted(claim: Claim) -> bool:
    """Asked while a model works, whose lease this renews."""
    try:
        return hold(claim)
    finally:
        lend_connection()


def _decision() -> Decision:
    installed = installed_tiers()
    tiers = tuple(tier for tier in (READER, QUOTES, SPECIALIST) if tier in installed)
    return Decision("fact", 1.0, "neutral", "normal", tiers, None, "a field of a document")


def _cell(attempt: Attempt, chunks: Mapping[int, Chunk]) -> Cell:
    """The answering words where the reader marks them, else the sentence; with the first quote."""
    composition = attempt.composition
    quote = composition.quotes[composition.sentences[0].quotes[0]]
    chunk = chunks[quote.passage]
    return {
        "value": " / ".join(dict.fromkeys(_value(item) for item in composition.sentences[:MOST_SENTENCES])),
        "quote": quote.text,
        "start": chunk.start + quote.start,
        "end": chunk.start + quote.end,
        "page": chunk.page,
        "heading_path": chunk.heading_path,
        "confidence": round(attempt.confidence, 4),
        "tier": attempt.tier,
    }


def _value(sentence: ComposedSentence) -> str:
    marked = [sentence.text[start:end] for start, end in sentence.marks]
    return " … ".join(part.strip() for part in marked if part.strip()) or sentence.text


def _charge(claim: Claim, user: User, outcome: Outcome) -> None:
    """What the tries took, on the table and on the person's account of today."""
    tokens, seconds, cost = 0, 0.0, Decimal(0)
    for use in outcome.uses:
        tokens += use.tokens_in + use.tokens_out
        seconds += use.cpu_seconds
        cost += costs_of(use.tier).price(cpu_seconds=use.cpu_seconds, tokens_in=use.tokens_in, tokens_out=use.tokens_out)
    hold(claim, cpu_seconds=F("cpu_seconds") + seconds, tokens=F("tokens") + tokens)
    count_work(user=user, token_id=None, tokens=tokens, cost=cost)
