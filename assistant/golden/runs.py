"""The life of a run: queued with a copy of its questions, claimed with a lease, advanced question by question, ended.

Every step is a conditional UPDATE by the claim's holder; a run that was stopped, deleted or taken over turns the work of the
former holder into nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from assistant.golden.errors import GoldenError
from assistant.golden.fingerprint import fingerprint_of
from assistant.golden.judging import Gate
from assistant.golden.models import OPEN_RUNS, GoldenQuestion, GoldenResult, GoldenRun, RunState, Trigger
from assistant.golden.permissions import may_ask
from assistant.leases import FREED, change_held, is_abandoned, take
from ingestion.models import Corpus
from ingestion.permissions import readable_partitions

LEASE = timedelta(seconds=120)  # renewed with every answer
MAX_ATTEMPTS = 3
NOT_READABLE = "{} may not read this corpus, so a run would find nothing. Let its owner start it."


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this worker holds."""

    run: GoldenRun
    owner: str


# --- Queue and stop ---------------------------------------------------------------------------------------------------


def queue_run(*, corpus: Corpus, asked_as: User, started_by: User | None, trigger: str = Trigger.MANUAL) -> GoldenRun:
    """Queue all golden questions of the corpus, to be asked with the rights of `asked_as`. Raises GoldenError."""
    from assistant.golden.doorbell import ring

    if not may_ask(asked_as, corpus):
        raise GoldenError("not_readable", NOT_READABLE.format(asked_as.get_full_name() or asked_as.get_username()))
    questions = list(GoldenQuestion.objects.filter(corpus=corpus))
    if not questions:
        raise GoldenError("no_questions", "There is no golden question yet. Add one first.")
    try:
        with transaction.atomic():
            run = GoldenRun.objects.create(
                corpus=corpus, trigger=trigger, asked_as=asked_as, started_by=started_by, scope=_scope(asked_as, corpus),
                fingerprint=fingerprint_of(corpus), total=len(questions),
            )  # fmt: skip
            GoldenResult.objects.bulk_create([_waiting(run, place, question) for place, question in enumerate(questions, 1)])
            transaction.on_commit(ring)
    except IntegrityError:
        raise GoldenError("running", "A run of this corpus is under way. Wait for it, or stop it.") from None
    return run


def _scope(person: User, corpus: Corpus) -> list[int]:
    return sorted(set(readable_partitions(person, corpora=[corpus]).values_list("pk", flat=True)))


def _waiting(run: GoldenRun, position: int, question: GoldenQuestion) -> GoldenResult:
    return GoldenResult(
        run=run, position=position, question=question, key=question.key, text=question.question, expects=question.expects,
        must_contain=question.must_contain, document_name=question.document_name, tags=question.tags,
    )  # fmt: skip


def stop_run(*, run: GoldenRun) -> bool:
    """Stop a run that has not ended; what was asked stays."""
    return bool(
        GoldenRun.objects.filter(pk=run.pk, state__in=OPEN_RUNS).update(
            state=RunState.STOPPED, finished_at=timezone.now(), **FREED
        )
    )


# --- The lease --------------------------------------------------------------------------------------------------------


def claim_run(*, only: GoldenRun | None = None) -> Claim | None:
    """Take the oldest run that is queued or whose holder is gone: its lease is over, or its process on this host is dead."""
    runs = GoldenRun.objects.filter(state__in=OPEN_RUNS).select_related("corpus", "asked_as").order_by("pk")
    for run in runs.filter(pk=only.pk) if only else runs:
        if run.state == RunState.RUNNING and not is_abandoned(run.lease_owner, run.lease_until):
            continue
        begun = run.started_at or timezone.now()
        if owner := take(run, lease=LEASE, state=RunState.RUNNING, attempts=F("attempts") + 1, started_at=begun):
            return Claim(run, owner)
    return None


def release(claim: Claim) -> None:
    """Give the run back, to be taken up by whoever comes next."""
    _held(claim, **FREED, attempts=0)


def _held(claim: Claim, **changes: Any) -> bool:
    return change_held(claim.run, claim.owner, **changes)


# --- The steps --------------------------------------------------------------------------------------------------------


def next_waiting(claim: Claim) -> GoldenResult | None:
    return claim.run.results.filter(outcome="").first()


@transaction.atomic
def record_result(claim: Claim, result: GoldenResult, fields: Mapping[str, Any]) -> bool:
    """Keep what came of one question. False when the run is no longer this claim's."""
    right = int(bool(fields["is_correct"]))
    lease = timezone.now() + LEASE
    if not _held(claim, done=F("done") + 1, correct=F("correct") + right, attempts=0, lease_until=lease):
        return False
    GoldenResult.objects.filter(pk=result.pk).update(**fields)
    return True


def fail_run(claim: Claim, message: str) -> None:
    _held(claim, state=RunState.FAILED, error_message=message[:500], finished_at=timezone.now(), **FREED)


def finish_run(claim: Claim) -> None:
    """Compare with the run before it, and give the verdict."""
    run = claim.run
    run.refresh_from_db()
    baseline = find_baseline(run)
    broken, fixed = count_changes(baseline, run) if baseline else (None, None)
    passed, verdict = gate().verdict(correct=run.correct, total=run.total, broken=broken)
    _held(
        claim, state=RunState.FINISHED, baseline=baseline, broken=broken, fixed=fixed, passed=passed, verdict=verdict[:300],
        finished_at=timezone.now(), **FREED,
    )  # fmt: skip


def gate() -> Gate:
    return Gate(settings.GOLDEN_MINIMUM_CORRECT / 100, settings.GOLDEN_MAXIMUM_BROKEN)


def find_baseline(run: GoldenRun) -> GoldenRun | None:
    """The latest passed run before this one that could read the same (other rights give other answers; for the same person,
    partitions may have been added since), else the latest finished one. A run that did not pass is no measure: what it broke
    would count as settled."""
    before = GoldenRun.objects.filter(corpus=run.corpus_id, state=RunState.FINISHED, pk__lt=run.pk)
    alike = [other for other in before[:50] if _could_read(other, run)]
    return next((other for other in alike if other.passed), alike[0] if alike else None)


def _could_read(other: GoldenRun, run: GoldenRun) -> bool:
    is_same_person = other.asked_as_id == run.asked_as_id
    return other.scope == run.scope or (is_same_person and set(other.scope) <= set(run.scope))


def count_changes(before: GoldenRun, after: GoldenRun) -> tuple[int, int]:
    """How many questions are newly wrong, and how many newly right. A question whose expectation changed counts as new."""
    was = {result_key(result): result.is_correct for result in before.results.all()}
    now = [(was.get(result_key(result)), result.is_correct) for result in after.results.all()]
    return now.count((True, False)), now.count((False, True))


def result_key(result: GoldenResult) -> str:
    return repr((result.key, result.expects, result.must_contain, result.document_name))
