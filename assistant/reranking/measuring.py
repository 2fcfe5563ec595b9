"""Measures what the reranker does to a corpus's own questions, as a job: question by question, in the search's order and in the
reranker's. Runs in the embedded worker, in Celery workers and in manage.py measure_reranking.

No person's rights are asked: what is kept is ranks and means, no word of a question or a document."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from assistant.errors import UNEXPECTED
from assistant.golden.fingerprint import fingerprint_of, is_settled
from assistant.golden.models import Trigger
from assistant.leases import FREED, change_held, is_abandoned, take
from assistant.reranking.models import OPEN_MEASUREMENTS, CorpusReranking, MeasuringState
from assistant.reranking.questions import Known, corpora_with_questions, known_questions, stamp_of
from ingestion.connections import lend_connection
from ingestion.models import Chunk, Corpus
from retrieval.comparing import change
from retrieval.errors import RetrievalError
from retrieval.metrics import ndcg_at_k
from specialists.errors import SpecialistError

logger = logging.getLogger(__name__)

SLICE_S = 3.0  # of the embedded worker's time, before its other work gets its turn again
LOOK_EVERY_S = 60.0
QUIET = timedelta(seconds=60)  # after the last change to a document: uploads come one by one
AGAIN = timedelta(hours=1)  # after a measurement; sooner when a person asks for one
LEASE = timedelta(minutes=2)  # renewed with every question
MOST_ATTEMPTS = 3
NOT_INSTALLED = "No reranker is installed, so the search's order counts."

Row = dict[str, Any]  # of a question: {"before": rank or None, "after": …, "ndcg": [before, after], "accepted": …}; {}: left out

_looked_at = -LOOK_EVERY_S


@dataclass(frozen=True, slots=True)
class Claim:
    """A measurement that this worker holds."""

    row: CorpusReranking
    owner: str


def queue_measurement(corpus: Corpus) -> CorpusReranking:
    """Nothing changes while one is under way."""
    row, _ = CorpusReranking.objects.get_or_create(corpus=corpus)
    CorpusReranking.objects.filter(pk=row.pk).exclude(state__in=OPEN_MEASUREMENTS).update(
        state=MeasuringState.QUEUED, measuring="", found=[], total=0, attempts=0, error_message=""
    )
    row.refresh_from_db()
    return row


def queue_changed(*, now: datetime | None = None) -> list[CorpusReranking]:
    """A measurement for each corpus with questions whose questions, documents or models are others than those measured."""
    now = now or timezone.now()
    queued = []
    for corpus in Corpus.objects.filter(pk__in=corpora_with_questions()):
        row = CorpusReranking.objects.filter(corpus=corpus).first()
        if row is not None and (row.is_open or (row.measured_at is not None and row.measured_at > now - AGAIN)):
            continue
        if not is_settled(corpus) or corpus.documents.filter(updated_at__gt=now - QUIET).exists():
            continue
        if row is None or _fingerprint(corpus) not in (row.measured_on, row.measuring):
            queued.append(queue_measurement(corpus))
    return queued


def work_measurements(*, should_stop: Callable[[], bool] = lambda: False, slice_s: float = SLICE_S) -> int:
    """Measure for a while. Returns how many questions were asked."""
    _look_for_changes()
    end = time.monotonic() + slice_s
    asked = 0
    while not should_stop() and time.monotonic() < end:
        claim = claim_measurement()
        if claim is None:
            break
        asked += work_on(claim, should_stop=lambda: should_stop() or time.monotonic() > end)
    return asked


def claim_measurement(*, only: CorpusReranking | None = None) -> Claim | None:
    """The oldest that waits or whose holder is gone."""
    rows = CorpusReranking.objects.filter(state__in=OPEN_MEASUREMENTS).select_related("corpus").order_by("pk")
    for row in rows.filter(pk=only.pk) if only else rows:
        if row.state == MeasuringState.RUNNING and row.lease_owner and not is_abandoned(row.lease_owner, row.lease_until):
            continue
        if owner := take(row, lease=LEASE, state=MeasuringState.RUNNING, attempts=F("attempts") + 1):
            return Claim(row, owner)
    return None


def work_on(claim: Claim, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Bring a claimed measurement to its end, or give it back when `should_stop` says so. Returns how many questions it asked."""
    try:
        return _work_on(claim, should_stop)
    except (RetrievalError, SpecialistError) as error:
        _fail(claim, error.public_message)
    except Exception:  # a bug must end as a measurement that says so, not as one that is begun for ever
        logger.exception("The measurement of %s failed", claim.row.corpus)
        _fail(claim, UNEXPECTED)
    return 0


def _work_on(claim: Claim, should_stop: Callable[[], bool]) -> int:
    row = claim.row
    questions = known_questions(row.corpus)
    fingerprint = _fingerprint(row.corpus)
    if row.measuring != fingerprint:  # begun on other questions, documents or models, or not begun
        row.measuring, row.found = fingerprint, []
        if not _hold(claim, measuring=fingerprint, found=[], total=len(questions)):
            return 0
    asked = 0
    for known in questions[len(row.found) :]:
        is_killer = row.attempts > MOST_ATTEMPTS and not asked
        row.found.append({} if is_killer else measure(known))
        if not _hold(claim, found=row.found, attempts=0):
            return asked  # deleted or taken over meanwhile
        asked += 1
        if should_stop():
            _hold(claim, **FREED)
            return asked
    _finish(claim)
    return asked


def measure(known: Known) -> Row:
    """The rank of the first right passage in both orders. Raises RetrievalError and SpecialistError.

    An accepted answer cites what was read when it was given, in whichever order counted then; one whose source the other order
    would not have let the reader see can only speak for the order that was used. So of accepted answers only those count whose
    source is read in both orders."""
    from retrieval.search import search
    from specialists.reader.serving import ReaderPassage
    from specialists.reranker.choosing import CANDIDATES, PASSAGES_READ, can_rank
    from specialists.reranker.ordering import reorder
    from specialists.reranker.serving import get_reranker

    reranker = get_reranker()
    if reranker is None:
        raise SpecialistError("no_reranker", NOT_INSTALLED, permanent=True)
    asked = known.asked
    lend_connection()
    found = search(asked.question, scope=asked.scope, top_k=CANDIDATES)
    chunks = {chunk.pk: chunk for chunk in Chunk.objects.filter(pk__in=[hit.id for hit in found.hits])}
    before = [hit.id for hit in found.hits if hit.id in chunks]
    lend_connection()
    passages = [ReaderPassage(pk, chunks[pk].text, chunks[pk].context) for pk in before]
    relevance = reranker.relevance(asked.question, passages) if can_rank(asked.question) else {}
    orders = before, reorder(before, relevance, (found.dense, found.lexical))
    ranks = [_rank(order, asked.grades) for order in orders]
    if known.is_accepted and not all(rank is not None and rank <= PASSAGES_READ for rank in ranks):
        return {}
    gains = [_ndcg(order, asked.grades) for order in orders]
    return {"before": ranks[0], "after": ranks[1], "ndcg": gains, "accepted": known.is_accepted}


def _rank(order: Sequence[int], right: Iterable[int]) -> int | None:
    wanted = set(right)
    return next((rank for rank, passage in enumerate(order, start=1) if passage in wanted), None)


def _ndcg(order: Sequence[int], grades: Any) -> float:
    run = {str(passage): -float(rank) for rank, passage in enumerate(order)}
    return ndcg_at_k({"q": run}, {"q": {str(passage): grade for passage, grade in grades.items()}}, 10)


def _finish(claim: Claim) -> None:
    rows = [row for row in claim.row.found if row]
    figures: Row = {"questions": len(rows), "accepted": sum(row["accepted"] for row in rows)}
    figures |= {f"first_{side}": sum(row[side] == 1 for row in rows) for side in ("before", "after")}
    figures |= dict.fromkeys(("ndcg_before", "ndcg_after", "low", "high"))
    if rows:
        gained = change(*zip(*(row["ndcg"] for row in rows), strict=True))
        figures |= {"ndcg_before": gained.before, "ndcg_after": gained.after, "low": gained.low, "high": gained.high}
    _hold(
        claim, **figures, state=MeasuringState.IDLE, measured_at=timezone.now(), measured_on=claim.row.measuring, found=[],
        error_message="", **FREED,
    )  # fmt: skip


def _fail(claim: Claim, message: str) -> None:
    """It is tried again when something changes, or when a person asks for it."""
    _hold(claim, state=MeasuringState.FAILED, error_message=message[:300], found=[], **FREED)


def _hold(claim: Claim, **changes: Any) -> bool:
    """Change what is claimed, and renew the lease. False when it was deleted or taken over."""
    return change_held(claim.row, claim.owner, **{"lease_until": timezone.now() + LEASE, **changes})


def _fingerprint(corpus: Corpus) -> str:
    parts = fingerprint_of(corpus)
    rows = [stamp_of(corpus), *(parts[part] for part in (Trigger.MODEL, Trigger.PROMPT, Trigger.INDEX))]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:32]


def _look_for_changes() -> None:
    global _looked_at  # noqa: PLW0603 - one look per process and minute
    if not settings.GOLDEN_AUTOMATIC or time.monotonic() - _looked_at < LOOK_EVERY_S:
        return
    _looked_at = time.monotonic()
    queue_changed()
