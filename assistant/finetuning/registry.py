"""Which version of a specialist is in use: a flip of rows, kept with who did it and why. Every answer reads it anew, so web
processes and workers follow at once."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from assistant.finetuning.errors import FinetuningError
from assistant.finetuning.models import OPEN_VERSIONS, Specialist, SpecialistVersion, VersionChange, VersionState
from assistant.finetuning.permissions import is_withdrawn
from assistant.finetuning.trials.ending import end_trials

WITHDRAWN = "One of the documents that it was trained on was deleted, so nobody may use it any more. Train a new version."


@transaction.atomic
def promote_version(*, version: SpecialistVersion, by: User | None, reason: str = "") -> VersionChange:
    """Put a version into use in place of the one before. Against the verdict it takes a reason, which is kept."""
    held = _lock(version)
    if held.state not in (VersionState.CANDIDATE, VersionState.RETIRED):
        raise FinetuningError("not_candidate", "Only a candidate, or a version that was retired, can be put into use.")
    if is_withdrawn(held):
        raise FinetuningError("withdrawn", WITHDRAWN)
    reason = " ".join(reason.split())[:300]
    against = why_against(held)
    if against and not reason:
        raise FinetuningError("no_reason", f"{against} Say why it is to be used nevertheless; it is kept.")
    end_trials(held.specialist, f"Version {held.number} was put into use.")
    _retire_others(held)
    SpecialistVersion.objects.filter(pk=held.pk).update(state=VersionState.PROMOTED)
    act = VersionChange.Act.OVERRULED if against else VersionChange.Act.PROMOTED
    return VersionChange.objects.create(version=held, act=act, reason=reason, changed_by=by)


@transaction.atomic
def roll_back(*, version: SpecialistVersion, by: User | None) -> SpecialistVersion | None:
    """Take the version out of use, and put the one that was used before it in again; None: the base model answers."""
    held = _lock(version)
    if held.state != VersionState.PROMOTED:
        raise FinetuningError("not_promoted", "Only the version that is in use can be rolled back.")
    end_trials(held.specialist, f"Version {held.number} was rolled back.")
    SpecialistVersion.objects.filter(pk=held.pk).update(state=VersionState.RETIRED)
    VersionChange.objects.create(version=held, act=VersionChange.Act.RETIRED, changed_by=by)
    before = _used_before(held)
    if before is not None:
        SpecialistVersion.objects.filter(pk=before.pk).update(state=VersionState.PROMOTED)
        VersionChange.objects.create(version=before, act=VersionChange.Act.ROLLED_BACK, changed_by=by)
    return before


def in_use(specialist: Specialist) -> SpecialistVersion | None:
    """The version that answers are written with; None: the base model's."""
    promoted = specialist.versions.filter(state=VersionState.PROMOTED).first()
    return promoted if promoted is not None and not is_withdrawn(promoted) else None


def why_against(version: SpecialistVersion) -> str:
    """What speaks against putting it into use, as a sentence: its verdict, or that it was given against something else than what
    is in use now."""
    if not version.is_better:
        return "The verdict is against it."
    used = in_use(version.specialist)
    if used is None or used.pk in (version.incumbent_id, version.pk):
        return ""
    return f"It was not judged against version {used.number}, which is in use now."


def stop_version(*, version: SpecialistVersion) -> bool:
    """Stop a version that has not ended; its last checkpoint stays."""
    return bool(
        SpecialistVersion.objects.filter(pk=version.pk, state__in=OPEN_VERSIONS).update(
            state=VersionState.STOPPED, finished_at=timezone.now(), lease_owner="", lease_until=None, seconds_left=None
        )
    )


def _lock(version: SpecialistVersion) -> SpecialistVersion:
    type(version.specialist).objects.select_for_update().get(pk=version.specialist_id)
    return SpecialistVersion.objects.select_for_update().select_related("specialist").get(pk=version.pk)


def _retire_others(version: SpecialistVersion) -> None:
    for other in SpecialistVersion.objects.filter(specialist=version.specialist_id, state=VersionState.PROMOTED):
        SpecialistVersion.objects.filter(pk=other.pk).update(state=VersionState.RETIRED)
        VersionChange.objects.create(version=other, act=VersionChange.Act.REPLACED, reason=f"version {version.number} is used")


def _used_before(version: SpecialistVersion) -> SpecialistVersion | None:
    """The one that was in use when this one was put into use, or the one before that: of those that may still be used."""
    used: list[SpecialistVersion] = []  # what a roll back goes down
    changes = VersionChange.objects.filter(version__specialist=version.specialist_id).order_by("pk")
    for change in changes.select_related("version"):
        if change.act in (VersionChange.Act.PROMOTED, VersionChange.Act.OVERRULED):
            used.append(change.version)
        elif change.act == VersionChange.Act.RETIRED:
            used = used[:-1]
        elif change.act == VersionChange.Act.ROLLED_BACK:
            while used and used[-1] != change.version:
                used.pop()
    return next((item for item in reversed(used) if item != version and not is_withdrawn(item)), None)
