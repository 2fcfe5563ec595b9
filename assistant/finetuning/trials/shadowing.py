"""Has the candidate of an unseen trial write answers again, in the worker's line and after people were answered: for the same
passages, where the asker may still read all of them and all that the candidate was trained on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from assistant.errors import UNEXPECTED
from assistant.finetuning.folders import without_folders
from assistant.finetuning.permissions import is_in_audience
from assistant.finetuning.trials.editing import end_outlived_trials
from assistant.finetuning.trials.models import Trial, TrialAnswer, TrialAnswerState
from assistant.leases import FREED, change_held, is_abandoned, take
from assistant.ledger.measuring import measure
from assistant.models import Answer, AnswerState
from assistant.permissions import searchable_chunks, searchable_partitions
from assistant.tiers import STOPPED, Attempt, Question, evidence_of, try_tier
from ingestion.connections import lend_connection
from ingestion.models import Chunk
from ingestion.renewing import renewing
from specialists.errors import SpecialistError
from specialists.router.types import SPECIALIST
from specialists.squad_metrics import f1

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)
MOST_ATTEMPTS = 3
SLICE_S = 10.0  # the worker's other work waits meanwhile
STALE = timedelta(minutes=15)  # what waits longer was asked when the machine had no time for it
LATER = (STOPPED, "model_loading", "model_busy")
NOT_THERE = "The language model does not have this version."


def work_shadows(*, should_stop: Callable[[], bool] = lambda: False, slice_s: float = SLICE_S) -> int:
    """Write what waits, one after another, for a while, and leave off as soon as a person waits for an answer. Ends the trials
    that have outlived what they compare. Returns how many were taken up."""
    end = time.monotonic() + slice_s
    if not Trial.objects.filter(ended_at=None).exists():
        return 0
    end_outlived_trials()
    taken = 0
    while not should_stop() and time.monotonic() < end and not _people_wait():
        row = _claim()
        if row is None:
            break
        taken += 1
        if not _work(row, should_stop):
            break
        end_outlived_trials()
    return taken


def _people_wait() -> bool:
    waiting = Answer.objects.filter(state__in=[AnswerState.PENDING, AnswerState.ANSWERING], lease_until__gt=timezone.now())
    return waiting.filter(conversation__is_internal=False).exists()


def _claim() -> TrialAnswer | None:
    """The oldest that waits or whose holder is gone. What waits for too long is dropped."""
    waiting = TrialAnswer.objects.filter(state=TrialAnswerState.QUEUED, trial__ended_at=None)
    for row in waiting.select_related("trial__version__specialist", "answer__conversation"):
        if row.lease_owner and not is_abandoned(row.lease_owner, row.lease_until):
            continue
        if row.created_at < timezone.now() - STALE or row.attempts >= MOST_ATTEMPTS:
            _drop(row)
            continue
        if take(row, lease=LEASE, attempts=F("attempts") + 1):
            return row
    return None


def _drop(row: TrialAnswer) -> None:
    if TrialAnswer.objects.filter(pk=row.pk, lease_owner=row.lease_owner).delete()[0]:
        Trial.objects.filter(pk=row.trial_id).update(dropped=F("dropped") + 1)


def _change(row: TrialAnswer, **fields: Any) -> bool:
    """False when it is no longer this worker's, or its trial has ended."""
    return change_held(row, row.lease_owner, **fields)


def _work(row: TrialAnswer, should_stop: Callable[[], bool]) -> bool:
    """False when the model, or the worker, has no time for it now: it waits where it was."""

    def renew() -> bool:
        return _change(row, lease_until=timezone.now() + LEASE)

    question = _question(row, lambda: renew() and not should_stop())
    if question is None:  # the asker's rights or the documents are others now: there is nothing to compare
        _drop(row)
        return True
    try:
        with renewing(renew), measure() as cost:
            attempt = _write(question)
    except SpecialistError as error:
        if error.code in LATER:
            _change(row, **FREED, attempts=row.attempts - 1)
            return False
        fields: dict[str, Any] = {"state": TrialAnswerState.FAILED, "error_message": without_folders(error.public_message)[:300]}
    except Exception:  # a bug must end as a failed row, not as one that is written for ever
        logger.exception("Answer %s could not be written again", row.answer_id)
        fields = {"state": TrialAnswerState.FAILED, "error_message": UNEXPECTED}
    else:
        fields = {"state": TrialAnswerState.DONE, "candidate_ms": cost.latency_ms, **compared(row.answer, attempt)}
    return _change(row, **fields, **FREED)


def _question(row: TrialAnswer, is_wanted: Callable[[], bool]) -> Question | None:
    from retrieval.passages import Hit
    from retrieval.search import SearchResult

    answer, version = row.answer, row.trial.version
    partitions = [partition.pk for partition in searchable_partitions(answer.conversation)]
    if not is_in_audience(version, partitions):
        return None
    chunks = {chunk.pk: chunk for chunk in searchable_chunks(answer.conversation, [item["passage"] for item in answer.passages])}
    if not _are_same(answer, chunks):
        return None
    found = SearchResult(tuple(Hit(item["passage"], item["score"]) for item in answer.passages))
    return Question(
        answer.standalone_question, found, evidence_of(found, chunks), chunks, is_wanted, adapter=version.adapter_name
    )


def _are_same(answer: Answer, chunks: dict[int, Chunk]) -> bool:
    shown = {item["passage"]: item.get("revision") for item in answer.passages}
    return bool(shown) and shown == {pk: chunk.revision for pk, chunk in chunks.items()}


def _write(question: Question) -> Attempt:
    """Raises SpecialistError."""
    from specialists.language_models import get_language_model
    from specialists.language_models.types import usable_adapter

    model = get_language_model()
    lend_connection()  # a server may take a while to load it
    if model is None or not usable_adapter(model, question.adapter):
        raise SpecialistError("no_adapter", NOT_THERE)
    writing = try_tier(SPECIALIST, question)
    while True:
        try:
            next(writing)
        except StopIteration as end:
            attempt: Attempt = end.value
            return attempt


def compared(answer: Answer, attempt: Attempt) -> dict[str, Any]:
    """What the candidate wrote, and how it agrees with what was shown where a model wrote that."""
    composition = attempt.composition
    sentences: list[dict[str, Any]] = [
        {"text": item.text, "passages": sorted({composition.quotes[place].passage for place in item.quotes})}
        for item in composition.sentences
    ] if composition.is_answered else []  # fmt: skip
    kept: dict[str, Any] = {"is_answered": composition.is_answered, "sentences": sentences}
    if composition.is_answered and answer.route == SPECIALIST and answer.state == AnswerState.ANSWERED:
        cited = {passage for item in sentences for passage in item["passages"]}
        shown = set(answer.citations.values_list("passage_id", flat=True))
        kept["agreement"] = f1(" ".join(item["text"] for item in sentences), [answer.text])
        kept["same_sources"] = len(cited & shown) / len(cited | shown) if cited | shown else 1.0
    return kept
