"""Questions that people have reported with their feedback, as candidates for golden questions.

A conversation is its owner's alone. Only who says with a reason or in words what is wrong with an answer shows its question, to
those who may read what the answer was made from, and the form says so; a thumb alone shows nothing. The answer itself is not
shown here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from assistant.golden.editing import key_of
from assistant.golden.models import GoldenQuestion
from assistant.models import AnswerState, Feedback
from ingestion.models import Corpus
from ingestion.permissions import readable_documents

LOOKED_AT = 300
SHOWN = 12
BATCH = 200


@dataclass(frozen=True, slots=True)
class Reported:
    """A question that someone reported. `comment` is what they wrote."""

    feedback_id: int
    question: str
    reason: str
    comment: str
    state: str
    when: datetime

    @property
    def was_refused(self) -> bool:
        return self.state == AnswerState.ABSTAINED


def reported_feedback() -> QuerySet[Feedback]:
    """Feedback whose sender has read that the question is shown: sent with a reason or a comment."""
    rows = Feedback.objects.filter(verdict=Feedback.Verdict.NOT_HELPFUL, answer__conversation__is_internal=False)
    return rows.exclude(reason="", comment="").select_related("answer").order_by("-updated_at")


def readable_reports(viewer: User) -> Iterator[Feedback]:
    """What was reported of answers of which the viewer may read every document: those cited, else the one found first. Newest
    first, read in batches, since others' may stand before what is the viewer's."""
    rows = reported_feedback().prefetch_related("answer__citations").iterator(chunk_size=BATCH)
    while batch := list(islice(rows, BATCH)):
        yield from _readable(batch, viewer)


def _readable(rows: Sequence[Feedback], viewer: User) -> list[Feedback]:
    behind = {row.pk: _documents_behind(row) for row in rows}
    named = {pk for ids in behind.values() for pk in ids}
    readable = set(readable_documents(viewer).filter(pk__in=named).values_list("pk", flat=True))
    return [row for row in rows if behind[row.pk] <= readable]


def _documents_behind(row: Feedback) -> set[int]:
    """With 0, which nobody may read, for one that was deleted."""
    cited = {citation.document_id or 0 for citation in row.answer.citations.all()}
    return cited or {item["document"] for item in row.answer.passages[:1] if "document" in item}


def reported_in(corpus: Corpus, viewer: User) -> list[Reported]:
    """Reported questions whose answers cited or read documents of this corpus that the viewer may read, not golden yet."""
    known = set(GoldenQuestion.objects.filter(corpus=corpus).values_list("key", flat=True))
    may_be_its = Q(answer__refusal__corpus=corpus.pk) | Q(answer__citations__document__corpus=corpus)
    may_be_its |= Q(answer__state=AnswerState.ABSTAINED)  # the composer's refusals name no corpus
    rows = reported_feedback().filter(may_be_its).distinct().prefetch_related("answer__citations")
    feedback = _readable(list(rows[:LOOKED_AT]), viewer)
    documents = {row.pk: documents_of(row) for row in feedback}
    named = {pk for ids in documents.values() for pk in ids}
    own = set(readable_documents(viewer).filter(corpus=corpus, pk__in=named).values_list("pk", flat=True))
    found = [_reported(row) for row in feedback if documents[row.pk] & own]
    return [item for item in found if key_of(item.question) not in known][:SHOWN]


def reported_everywhere(viewer: User, limit: int) -> list[Reported]:
    return [_reported(row) for row in islice(readable_reports(viewer), limit)]


def documents_of(row: Feedback) -> set[int]:
    """The documents behind the answer: cited, else read."""
    cited = {citation.document_id for citation in row.answer.citations.all() if citation.document_id}
    return cited or {item["document"] for item in row.answer.passages if "document" in item}


def _reported(row: Feedback) -> Reported:
    return Reported(
        feedback_id=row.pk,
        question=row.answer.question,
        reason=Feedback.Reason(row.reason).label if row.reason else "",
        comment=row.comment,
        state=row.answer.state,
        when=row.updated_at,
    )
