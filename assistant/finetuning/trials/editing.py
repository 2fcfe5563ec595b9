"""Trials are started and stopped by people, and end by themselves when what they compare is no longer so."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from assistant.finetuning.errors import FinetuningError
from assistant.finetuning.models import Specialist, SpecialistVersion, VersionChange, VersionState
from assistant.finetuning.permissions import is_withdrawn
from assistant.finetuning.registry import WITHDRAWN, in_use, why_against
from assistant.finetuning.trials import ending
from assistant.finetuning.trials.models import Trial, TrialAnswerState, TrialKind

MOST_ANSWERS = 10_000


@transaction.atomic
def start_trial(
    *, version: SpecialistVersion, kind: str, by: User | None, share: int = 100, group: Group | None = None,
    most_answers: int = 200, reason: str = "",
) -> Trial:  # fmt: skip
    """Have a version that is not in use answer some questions. Where people are to see what it writes, and the verdict is against
    it, it takes a reason, which is kept. Raises FinetuningError."""
    specialist = Specialist.objects.select_for_update().get(pk=version.specialist_id)
    held = SpecialistVersion.objects.select_related("specialist").get(pk=version.pk)
    if held.state not in (VersionState.CANDIDATE, VersionState.RETIRED):
        raise FinetuningError("not_candidate", "Only a candidate, or a version that was retired, can be tried.")
    if is_withdrawn(held):
        raise FinetuningError("withdrawn", WITHDRAWN)
    if kind not in TrialKind or not 1 <= share <= 100 or not 1 <= most_answers <= MOST_ANSWERS:
        raise FinetuningError("bad_trial", f"A share is from 1 to 100 percent, and a trial has 1 to {MOST_ANSWERS:,} answers.")
    if kind == TrialKind.GROUP and group is None:
        raise FinetuningError("no_group", "Choose the group that is to be answered by it.")
    reason = " ".join(reason.split())[:300]
    against = why_against(held) if kind != TrialKind.SHADOW else ""
    if against and not reason:
        raise FinetuningError("no_reason", f"{against} Say why people are to see its answers nevertheless; it is kept.")
    try:
        with transaction.atomic():
            trial = Trial.objects.create(
                specialist=specialist, version=held, incumbent=in_use(specialist), kind=kind, share=share,
                group=group if kind == TrialKind.GROUP else None, most_answers=most_answers, started_by=by,
            )  # fmt: skip
    except IntegrityError:
        raise FinetuningError("on_trial", "A version of this specialist is being tried. Stop that trial first.") from None
    VersionChange.objects.create(version=held, act=VersionChange.Act.TRIED, reason=reason, changed_by=by)
    return trial


@transaction.atomic
def stop_trial(*, version: SpecialistVersion, by: User) -> bool:
    """False when the version is not being tried."""
    specialist = Specialist.objects.select_for_update().get(pk=version.specialist_id)
    if not Trial.objects.filter(version=version, ended_at=None).exists():
        return False
    return ending.end_trials(specialist, f"Stopped by {by.get_full_name() or by.username}.")


def end_outlived_trials() -> None:
    """End the trials whose comparison no longer holds, and those that have all the answers that were wanted."""
    for trial in Trial.objects.filter(ended_at=None).select_related("specialist", "version", "group"):
        because = _outlived(trial)
        if because:
            ending.end_trials(trial.specialist, because)


def _outlived(trial: Trial) -> str:
    used = in_use(trial.specialist)
    if is_withdrawn(trial.version):
        return ending.WITHDRAWN
    if trial.version.state == VersionState.PROMOTED or (used.pk if used else None) != trial.incumbent_id:
        return ending.ANOTHER_IN_USE
    if trial.kind == TrialKind.GROUP and trial.group_id is None:
        return ending.NO_GROUP
    done = trial.answers.filter(state=TrialAnswerState.DONE).count()
    return ending.ENOUGH if done >= trial.most_answers else ""
