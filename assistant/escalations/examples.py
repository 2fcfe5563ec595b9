"""Training examples out of replies and feedback: made by whoever curates the corpus, reviewed word for word, exported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from assistant.escalations.errors import EscalationError
from assistant.escalations.models import Escalation, EscalationMessage
from assistant.escalations.permissions import curated_corpora, curated_examples
from assistant.golden.suggesting import readable_reports
from assistant.models import Answer, Feedback
from ingestion.models import Chunk, Corpus, Document
from ingestion.permissions import readable_chunks
from specialists.errors import DataError
from specialists.examples import as_squad, check_example
from specialists.models import TrainingExample

FEEDBACK_SHOWN = 200
BATCH = 200
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")  # near enough for a first proposal
_UNFIT = frozenset({Feedback.Reason.WRONG_SOURCE, Feedback.Reason.OUTDATED})


@dataclass(frozen=True, slots=True)
class FeedbackToUse:
    """What somebody said of an answer, and the passage it is about, which the curator may read. It names no person."""

    id: int
    question: str
    verdict: str
    reason: str
    comment: str
    title: str
    passage: str


# --- Making them ------------------------------------------------------------------------------------------------------


def make_from_escalation(*, escalation: Escalation, curator: User) -> TrainingExample:
    """The last reply as the passage, its first sentence as the answer; the curator chooses the words when reviewing."""
    message = EscalationMessage.objects.filter(escalation=escalation, is_reply=True).last()
    if message is None:
        raise EscalationError("no_reply", "Answer the question first. The example is made of the answer.")
    document = escalation.document
    if document is None and escalation.corpus_id is None:
        raise EscalationError(
            "no_corpus",
            "The question belongs to no corpus, so no export would hold the example. Make the reply a document first.",
        )
    question = escalation.standalone_question or escalation.question
    return _make(
        source=f"escalation:{escalation.pk}", question=question, title=str(document) if document else question[:300],
        passage=message.text, answer=_SENTENCE_END.split(message.text, maxsplit=1)[0], label=TrainingExample.Label.ANSWERABLE,
        corpus_id=document.corpus_id if document else escalation.corpus_id, document_id=document.pk if document else None,
        provenance={"from": "reply", "escalation": escalation.pk}, created_by=curator,
    )  # fmt: skip


def feedback_to_use(curator: User) -> list[FeedbackToUse]:
    """The newest feedback on passages that the curator may use, without what is made into an example already.

    Only what its sender has read to be shown: a thumb alone stays with the asker. All is read until there is enough.
    """
    rows = readable_reports(curator)
    found: list[FeedbackToUse] = []
    while len(found) < FEEDBACK_SHOWN and (batch := list(islice(rows, BATCH))):
        found += _usable(batch, curator)
    return found[:FEEDBACK_SHOWN]


def _usable(rows: Sequence[Feedback], curator: User) -> list[FeedbackToUse]:
    made = set(TrainingExample.objects.filter(source__in=[_source(row) for row in rows]).values_list("source", flat=True))
    open_rows = [row for row in rows if _source(row) not in made]
    chunks = _usable_chunks(open_rows, curator)
    return [_to_use(row, chunk) for row in open_rows if (chunk := _chunk_of(row.answer, chunks)) is not None]


def make_from_feedback(*, feedback: Feedback, curator: User) -> TrainingExample:
    """An example of the passage that the answer quoted (or, where it abstained, found first). To be reviewed."""
    chunk = _chunk_of(feedback.answer, _usable_chunks([feedback], curator))
    if chunk is None:
        raise EscalationError("no_passage", "The passage is no longer there for you, so no example can be made of it.")
    is_unfit = feedback.verdict == Feedback.Verdict.NOT_HELPFUL and feedback.reason in _UNFIT
    return _make(
        source=_source(feedback), question=feedback.answer.question,
        title=str(chunk.document), passage=chunk.text, answer="" if is_unfit else _words(feedback, chunk),
        label=TrainingExample.Label.UNANSWERABLE if is_unfit else TrainingExample.Label.ANSWERABLE,
        corpus_id=chunk.document.corpus_id, document_id=chunk.document_id, created_by=curator,
        provenance={"from": "feedback", "verdict": feedback.verdict, "reason": feedback.reason, "comment": feedback.comment},
    )  # fmt: skip


def _words(feedback: Feedback, chunk: Chunk) -> str:
    """The correction where it is in the passage; else nothing, for the curator to choose."""
    comment = feedback.comment.strip()
    return comment if comment in chunk.text else ""


@transaction.atomic
def _make(*, source: str, **values: Any) -> TrainingExample:
    """Made once; one that was removed is made anew."""
    TrainingExample.objects.filter(source=source, is_removed=True).delete()
    return TrainingExample.objects.get_or_create(source=source, defaults=values)[0]


def _source(feedback: Feedback) -> str:
    return f"feedback:{feedback.pk}"


def _passage_ids(answer: Answer) -> list[int]:
    cited = [citation.passage_id for citation in answer.citations.all()]
    return cited or [item["passage"] for item in answer.passages[:1]]


def _usable_chunks(rows: Sequence[Feedback], curator: User) -> dict[int, Chunk]:
    """Readable by the curator, and of a corpus that is theirs to curate."""
    ids = [pk for row in rows for pk in _passage_ids(row.answer)]
    chunks = readable_chunks(curator, ids).filter(document__corpus__in=curated_corpora(curator).values("pk"))
    return {chunk.pk: chunk for chunk in chunks}


def _chunk_of(answer: Answer, chunks: dict[int, Chunk]) -> Chunk | None:
    return next((chunks[pk] for pk in _passage_ids(answer) if pk in chunks), None)


def _to_use(row: Feedback, chunk: Chunk) -> FeedbackToUse:
    question = row.answer.question  # not as it was understood: that repeats earlier questions, which stay the sender's
    reason = Feedback.Reason(row.reason).label if row.reason else ""
    return FeedbackToUse(
        row.pk, question, Feedback.Verdict(row.verdict).label, reason, row.comment, str(chunk.document), chunk.text
    )


# --- Reviewing and exporting them -------------------------------------------------------------------------------------


def review_example(*, example: TrainingExample, question: str, passage: str, answer: str, label: str) -> None:
    """Keep the example as the curator wants it. Raises EscalationError with what a reader could not learn from."""
    is_answerable = label == TrainingExample.Label.ANSWERABLE
    words = answer.replace("\r\n", "\n").strip() if is_answerable else ""
    text, asked = passage.replace("\r\n", "\n").strip(), " ".join(question.split())
    if label not in TrainingExample.Label.values:
        raise EscalationError("unknown_label", "Say whether the passage answers the question.")
    try:
        check_example(question=asked, passage=text, answer=words, label=label)
    except DataError as error:
        raise EscalationError(error.code, error.public_message) from error
    TrainingExample.objects.filter(pk=example.pk).update(
        question=asked, passage=text, answer=words, label=label, is_reviewed=True
    )  # fmt: skip


def remove_example(*, example: TrainingExample) -> None:
    """It stays as an empty row that nobody sees, so that the same feedback is not offered again."""
    TrainingExample.objects.filter(pk=example.pk).update(
        question="", passage="", answer="", title="", provenance={}, corpus_id=None, document_id=None, is_reviewed=False,
        is_removed=True,
    )  # fmt: skip


def exportable_examples(corpora: Sequence[Corpus]) -> QuerySet[TrainingExample]:
    """What was reviewed, of documents that are still there: deleting a document takes its words out of the training too."""
    there = Q(document_id__isnull=True) | Q(document_id__in=Document.objects.values("pk"))
    rows = TrainingExample.objects.filter(there, is_reviewed=True, is_removed=False)
    return rows.filter(corpus_id__in=[corpus.pk for corpus in corpora]).order_by("pk")


def drop_orphaned_examples() -> int:
    """Delete the copies of texts whose corpus or document is deleted. Nobody is shown them; the export takes them away."""
    gone = Q(corpus_id__isnull=False) & ~Q(corpus_id__in=Corpus.objects.values("pk"))
    gone |= Q(document_id__isnull=False) & ~Q(document_id__in=Document.objects.values("pk"))
    return TrainingExample.objects.filter(gone).delete()[0]


def export_squad(corpora: Sequence[Corpus], curator: User | None = None) -> dict[str, Any]:
    """In SQuAD's form; with a curator, only what this person may see. Raises EscalationError where there is nothing."""
    rows = exportable_examples(corpora)
    if curator is not None:
        rows = rows.filter(pk__in=curated_examples(curator).values("pk"))
    if not rows:
        raise EscalationError("nothing_reviewed", "There is no reviewed example yet. Review some on the page “Examples” first.")
    return as_squad(rows)
