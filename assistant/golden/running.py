"""Works the queue of golden runs: asks question after question through the one answer path, with the rights of the run's
person, in conversations that nobody sees. Runs in the embedded worker, in Celery workers and in manage.py run_golden."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from assistant.calibration.services import record_golden
from assistant.errors import QuestionError
from assistant.finetuning.choosing import documents_behind
from assistant.golden.automatic import queue_changed_runs
from assistant.golden.editing import calibration_key
from assistant.golden.judging import judge
from assistant.golden.models import Expectation, GoldenQuestion, GoldenResult, GoldenRun
from assistant.golden.permissions import may_ask
from assistant.golden.runs import (
    MAX_ATTEMPTS,
    NOT_READABLE,
    Claim,
    claim_run,
    fail_run,
    finish_run,
    next_waiting,
    record_result,
    release,
)
from assistant.models import Answer, AnswerState, Conversation
from assistant.offers import withheld_from
from assistant.services import Manner, create_answer
from assistant.streams import run_now
from ingestion.models import Chunk

logger = logging.getLogger(__name__)

SLICE_S = 3.0  # of the embedded worker's time, before documents get their turn again
LOOK_EVERY_S = 30.0
LEFT_BEHIND = timedelta(minutes=10)
KILLER = "Answering this question stopped the worker three times."
UNSURE = "It refused, and should have answered: the words that it held back are right."

_looked_at = -LOOK_EVERY_S


def work_golden_runs(*, should_stop: Callable[[], bool] = lambda: False, slice_s: float = SLICE_S) -> int:
    """Ask golden questions for a while. Returns how many were asked."""
    _look_for_changes()
    end = time.monotonic() + slice_s
    asked = 0
    while not should_stop() and time.monotonic() < end:
        claim = claim_run()
        if claim is None:
            break
        asked += work_on(claim, should_stop=lambda: should_stop() or time.monotonic() > end)
    return asked


def _look_for_changes() -> None:
    global _looked_at  # noqa: PLW0603 - one look per process and half minute
    if not settings.GOLDEN_AUTOMATIC or time.monotonic() - _looked_at < LOOK_EVERY_S:
        return
    _looked_at = time.monotonic()
    queue_changed_runs()


def work_on(
    claim: Claim, *, should_stop: Callable[[], bool] = lambda: False, on_answer: Callable[[], object] = lambda: None
) -> int:
    """Bring a claimed run to its end, or give it back when `should_stop` says so. Returns how many questions were asked."""
    _forget_left_behind()
    asked = 0
    if claim.run.attempts > MAX_ATTEMPTS:  # nothing was recorded since the worker died three times: it is this question
        _skip_killer(claim)
    while not should_stop():
        waiting = next_waiting(claim)
        if waiting is None:
            finish_run(claim)
            return asked
        person = claim.run.asked_as
        if person is None or not may_ask(person, claim.run.corpus):
            fail_run(claim, NOT_READABLE.format(person.get_username() if person else "The person who started this run"))
            return asked
        if not record_result(claim, waiting, ask_golden(claim.run, waiting)):
            return asked  # stopped, deleted or taken over meanwhile
        asked += 1
        on_answer()
    release(claim)
    return asked


def _skip_killer(claim: Claim) -> None:
    waiting = next_waiting(claim)
    if waiting is not None:
        logger.warning("Golden question %s of run %s stopped the worker three times", waiting.position, claim.run.pk)
        record_result(claim, waiting, {"outcome": AnswerState.FAILED, "is_correct": False, "problem": KILLER})


def ask_golden(run: GoldenRun, waiting: GoldenResult) -> dict[str, Any]:
    """Ask one question, and what there is to keep of the answer. The conversation is internal, and gone afterwards."""
    assert run.asked_as is not None
    try:
        row = create_answer(user=run.asked_as, question=waiting.text, corpora=[run.corpus], manner=Manner(is_internal=True))
    except QuestionError as error:
        return {"outcome": AnswerState.FAILED, "is_correct": False, "problem": error.public_message[:300]}
    try:
        run_now(row)
        row.refresh_from_db()
        judged = _judged(waiting, row)
        is_right = _has_right_words(waiting, row, is_correct=bool(judged["is_correct"]))
        _teach_calibration(waiting, row, is_right=is_right)
        return judged | ({"problem": UNSURE} if is_right and row.state == AnswerState.ABSTAINED else {})
    finally:
        row.conversation.delete()


def _teach_calibration(waiting: GoldenResult, row: Answer, *, is_right: bool) -> None:
    """Unless the question was changed or deleted since the run was queued, or asks for a document and no words: then any words of
    that document would be right."""
    question = GoldenQuestion.objects.filter(pk=waiting.question_id or 0).first()
    judged_by = ("key", "expects", "must_contain", "document_name")
    if question is None or any(getattr(question, name) != getattr(waiting, name) for name in judged_by):
        return
    is_unanswerable = waiting.expects == Expectation.REFUSAL
    if (is_unanswerable or waiting.must_contain) and row.state in (AnswerState.ANSWERED, AnswerState.ABSTAINED):
        record_golden(answer=row, key=calibration_key(question.pk), is_right=is_right, is_unanswerable=is_unanswerable)


def _has_right_words(waiting: GoldenResult, row: Answer, *, is_correct: bool) -> bool:
    """Whether the words that were shown, or that would have been had the reader been surer, answer the question. To a question
    that no document answers all words are wrong."""
    if row.state == AnswerState.ANSWERED:
        return is_correct
    places = withheld_from(row)
    chunks = {
        chunk.pk: chunk for chunk in Chunk.objects.select_related("document").filter(pk__in={item.passage for item in places})
    }
    if not places or len(chunks) < len({item.passage for item in places}) or not waiting.must_contain:
        return False
    judgement = judge(
        expects=waiting.expects,
        must_contain=waiting.must_contain,
        document_name=waiting.document_name,
        state=AnswerState.ANSWERED,
        text="\n".join(item.words(chunks[item.passage]) for item in places),
        cited={chunk.document.source_name for chunk in chunks.values()},
    )
    return judgement.is_correct


def _judged(waiting: GoldenResult, row: Answer) -> dict[str, Any]:
    citations = list(row.citations.select_related("document"))
    documents = {citation.number: citation.document for citation in citations}
    judgement = judge(
        expects=waiting.expects,
        must_contain=waiting.must_contain,
        document_name=waiting.document_name,
        state=row.state,
        text=row.text,
        cited={document.source_name for document in documents.values() if document},
    )
    behind = documents_behind(row)
    failed = row.state == AnswerState.FAILED
    return {
        "outcome": row.state if row.state != AnswerState.STOPPED else AnswerState.FAILED,
        "is_correct": judgement.is_correct,
        "is_cited": judgement.is_cited,
        "problem": (row.error_message if failed else judgement.problem)[:300],
        "sentences": [
            {"text": item["text"], "documents": sorted({*_ids(item["citations"], documents), *behind})} for item in row.sentences
        ],
        "cited": [
            {"document": document.pk, "name": document.source_name, "title": document.title or document.source_name}
            for document in {document.pk: document for document in documents.values() if document}.values()
        ],
        "route": row.route,
        "confidence": row.confidence,
        "latency_ms": row.timings_ms.get("total"),
        "price": _price(row),
    }  # fmt: skip


def _ids(numbers: list[int], documents: dict[int, Any]) -> list[int]:
    return sorted({document.pk for number in numbers if (document := documents.get(number))})


def _price(row: Answer) -> Decimal | None:
    """What the ledger says; None when nothing was recorded."""
    total = row.tier_uses.aggregate(total=Sum("price"))["total"]
    return Decimal(total) if total is not None else None


def _forget_left_behind() -> None:
    """Internal conversations of workers and commands that were killed while they asked."""
    Conversation.objects.filter(is_internal=True, updated_at__lt=timezone.now() - LEFT_BEHIND).delete()
