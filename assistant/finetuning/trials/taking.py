"""Who is in a trial, and what of it is kept when an answer is there. By a hash of the person, so that nobody is answered by the
one version now and by the other then."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.models import F

from assistant.finetuning.models import SpecialistVersion
from assistant.finetuning.trials.models import Trial, TrialAnswer, TrialAnswerState, TrialKind
from assistant.ledger.models import TierUse
from assistant.ledger.recording import Use
from assistant.models import Answer
from specialists.router.types import SPECIALIST

logger = logging.getLogger(__name__)

MOST_WAITING = 20  # answers of a trial; beyond it the machine has no time to write them again


@dataclass(frozen=True, slots=True)
class Choice:
    """Who writes an answer. `adapter`: empty for the base model; `trial`: the one in which the answer counts, for the candidate
    where `is_candidate`."""

    adapter: str = ""
    trial: Trial | None = None
    is_candidate: bool = False


def running_trials(corpora: Collection[int]) -> dict[int, Trial]:
    """By specialist, of those that are for one of the corpora."""
    trials = Trial.objects.filter(ended_at=None, specialist__corpora__in=corpora).select_related("version__specialist").distinct()
    return {trial.specialist_id: trial for trial in trials}


def is_on_trial(version: SpecialistVersion) -> bool:
    """Whether some people are to be answered by it now."""
    return Trial.objects.filter(version=version, ended_at=None).exclude(kind=TrialKind.SHADOW).exists()


def is_served(trial: Trial, person: int) -> bool:
    """Whether this person is one of those whom the candidate answers."""
    if trial.kind == TrialKind.GROUP:
        return trial.group_id is not None and User.objects.filter(pk=person, groups=trial.group_id).exists()
    return trial.kind == TrialKind.PEOPLE and is_drawn(trial, person)


def is_drawn(trial: Trial, number: int) -> bool:
    """The same one of a trial always is, or never."""
    digest = hashlib.sha256(f"trial {trial.pk}: {number}".encode()).digest()
    return int.from_bytes(digest[:8]) % 100 < trial.share


def written_among(uses: Sequence[Use]) -> Use | None:
    """The try of a model that came to its end, with its own time: a copy, since the search is charged to the first try."""
    written = (TierUse.Outcome.ANSWERED, TierUse.Outcome.ABSTAINED)
    return next((replace(use) for use in uses if use.tier == SPECIALIST and use.outcome in written), None)


def keep_answer(answer: Answer, choice: Choice, use: Use | None) -> None:
    """Count a recorded answer in its trial, or have it written again, unseen. `use`: the model's try. That it cannot be counted
    costs no answer."""
    if choice.trial is None or use is None or use.decision.get("adapter", "") != choice.adapter:  # a server may not have it yet
        return
    try:
        with transaction.atomic():
            _keep(answer, choice.trial, use, is_candidate=choice.is_candidate)
    except DatabaseError:
        logger.exception("Answer %s could not be counted in trial %s", answer.pk, choice.trial.pk)


def _keep(answer: Answer, trial: Trial, use: Use, *, is_candidate: bool) -> None:
    """As many as are wanted, and none more: who counts an answer holds the trial, and what waits is counted, too."""
    if trial.is_shadow and not is_drawn(trial, answer.pk):
        return
    held = Trial.objects.select_for_update().filter(pk=trial.pk, ended_at=None).first()
    if held is None or held.answers.exclude(state=TrialAnswerState.FAILED).count() >= held.most_answers:
        return
    if held.is_shadow and held.answers.filter(state=TrialAnswerState.QUEUED).count() >= MOST_WAITING:
        Trial.objects.filter(pk=held.pk).update(dropped=F("dropped") + 1)
        return
    TrialAnswer.objects.create(
        trial=held, answer=answer, state=TrialAnswerState.QUEUED if held.is_shadow else TrialAnswerState.DONE,
        is_candidate=is_candidate, was_answered=use.outcome == TierUse.Outcome.ANSWERED, shown_ms=use.latency_ms,
    )  # fmt: skip
