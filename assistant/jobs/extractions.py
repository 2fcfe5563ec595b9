"""The life of an extraction: queued by a person, claimed with a lease, read document by document, stopped or finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import Http404
from django.utils import timezone

from assistant.errors import QuestionError
from assistant.jobs.models import OPEN_EXTRACTIONS, Extraction, ExtractionRow, ExtractionState
from assistant.leases import FREED, change_held, is_abandoned, take
from assistant.limits.using import take_question
from ingestion.models import Corpus, Document
from ingestion.permissions import AnyUser, readable_documents

MOST_DOCUMENTS = 50
MOST_OPEN = 3
LEASE = timedelta(minutes=5)  # renewed with every cell
MOST_ATTEMPTS = 3
KILLER = "Reading this document stopped the worker three times."


@dataclass(frozen=True, slots=True)
class Claim:
    """An extraction that this worker holds."""

    extraction: Extraction
    owner: str


def extractions_of(user: AnyUser) -> QuerySet[Extraction]:
    if not (user.is_authenticated and user.is_active):
        return Extraction.objects.none()
    return Extraction.objects.filter(user=user.pk)


def get_extraction_for(user: AnyUser, extraction_id: int) -> Extraction:
    extraction = extractions_of(user).filter(pk=extraction_id).first()
    if extraction is None:
        raise Http404
    return extraction


def extractable_documents(user: AnyUser, corpus: Corpus) -> QuerySet[Document]:
    return readable_documents(user).filter(corpus=corpus, revision__gt=0)


def start_extraction(*, user: User, documents: Sequence[Document], fields: list[dict[str, str]]) -> Extraction:
    """Queue a table with a row for each document, which have passed the gate and are of one corpus. Raises QuestionError."""
    if not documents:
        raise QuestionError("no_documents", "Choose at least one document.")
    if len(documents) > MOST_DOCUMENTS:
        raise QuestionError("too_many_documents", f"These are {len(documents)} documents; {MOST_DOCUMENTS} fit into one table.")
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if extractions_of(user).filter(state__in=OPEN_EXTRACTIONS).count() >= MOST_OPEN:
            raise QuestionError("too_many", f"{MOST_OPEN} of your tables are still being read. Wait for one, or stop it.")
        take_question(user=user)
        extraction = Extraction.objects.create(user=user, corpus=documents[0].corpus, fields=fields)
        rows = [
            ExtractionRow(extraction=extraction, document=document, position=place) for place, document in enumerate(documents)
        ]
        ExtractionRow.objects.bulk_create(rows)
    return extraction


def stop_extraction(*, extraction: Extraction) -> None:
    """What is read stays."""
    Extraction.objects.filter(pk=extraction.pk, state__in=OPEN_EXTRACTIONS).update(
        state=ExtractionState.STOPPED, finished_at=timezone.now(), **FREED
    )


def delete_extraction(*, extraction: Extraction) -> None:
    extraction.delete()


def claim_extraction() -> Claim | None:
    """The oldest that waits or whose holder is gone."""
    for row in Extraction.objects.filter(state__in=OPEN_EXTRACTIONS).select_related("user").order_by("pk"):
        if row.state == ExtractionState.RUNNING and row.lease_owner and not is_abandoned(row.lease_owner, row.lease_until):
            continue
        if owner := take(row, lease=LEASE, state=ExtractionState.RUNNING, attempts=F("attempts") + 1):
            return Claim(row, owner)
    return None


def hold(claim: Claim, **changes: Any) -> bool:
    """Change what is claimed, and renew the lease. False when it was stopped, deleted or taken over."""
    return change_held(claim.extraction, claim.owner, **{"lease_until": timezone.now() + LEASE, **changes})


def release(claim: Claim) -> None:
    """Give it back, to be taken up by whoever comes next."""
    hold(claim, **FREED, attempts=0)


def finish(claim: Claim) -> None:
    hold(claim, state=ExtractionState.FINISHED, finished_at=timezone.now(), **FREED)


@transaction.atomic
def record_row(claim: Claim, row: ExtractionRow, *, cells: list[dict[str, Any]], problem: str = "") -> bool:
    """Keep a document's cells. False when the table is no longer this claim's."""
    if not hold(claim, attempts=0):
        return False
    ExtractionRow.objects.filter(pk=row.pk).update(is_done=True, cells=cells, problem=problem[:300])
    return True
