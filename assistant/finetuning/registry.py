"""Which version of a specialist is in use: a flip of rows, kept with who did it and why. Every answer reads it anew, so web
processes and workers follow at once."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from assistant.finetuning.errors import FinetuningError
from assistant.finetuning.models import OPEN_VERSIONS, SpecialistVersion, VersionChange, VersionState
from assistant.finetuning.permissions import is_withdrawn

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
    if not held.is_better and not reason:
        raise FinetuningError("no_reason", "The verdict is against it. Say why it is to be used nevertheless; it is kept.")
    _retire_others(held)
    SpecialistVersion.objects.filter(pk=held.pk).update(state=VersionState.PROMOTED)
    act = VersionChange.Act.PROMOTED if held.is_better else VersionChange.Act.OVERRULED
    return VersionChange.objects.create(version=held, act=act, reason=reason, changed_by=by)


@transaction.atomic
def roll_back(*, version: SpecialistVersion, by: User | None) -> SpecialistVersion | None:
    """Take the version out of use, and put the one that was used before it in again; None: the base model answers."""
    held = _lock(version)
    if held.state != VersionState.PROMOTED:
        raise FinetuningError("not_promoted", "Only the version that is in use can be rolled back.")
    SpecialistVersion.objects.filter(pk=held.pk).update(state=VersionState.RETIRED)
    VersionChange.objects.create(version=held, act=VersionChange.Act.RETIRED, changed_by=by)
    before = _used_before(held)
    if before is not None:
        SpecialistVersion.objects.filter(pk=before.pk).update(state=VersionState.PROMOTED)
        VersionChange.objects.create(version=before, act=VersionChange.Act.ROLLED_BACK, changed_by=by)
    return before


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
        VersionChange.objects.create(version=other, act=VersionChange.Act.RETIRED, reason=f"version {version.number} is used")


def _used_before(version: SpecialistVersion) -> SpecialistVersion | None:
    """The one that was put into use last before this one was, and may still be used."""
    put_in = (VersionChange.Act.PROMOTED, VersionChange.Act.OVERRULED)
    changes = VersionChange.objects.filter(version__specialist=version.specialist_id, act__in=put_in).order_by("-pk")
    own = changes.filter(version=version).first()
    if own is None:
        return None
    for change in changes.filter(pk__lt=own.pk).exclude(version=version).select_related("version"):
        if change.version.state == VersionState.RETIRED and not is_withdrawn(change.version):
            return change.version
    return None
