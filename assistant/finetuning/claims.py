"""The trainer's hold on its work: claimed with a lease that a thread renews, given up when it is stopped or taken over.

Every change is a conditional UPDATE by the holder; work that was stopped, deleted or taken over turns the former holder's into
nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from assistant.finetuning.folders import without_folders
from assistant.finetuning.models import (
    OPEN_DATA_SETS,
    OPEN_VERSIONS,
    DataSet,
    DataSetState,
    SpecialistVersion,
    VersionState,
)
from assistant.leases import FREED, change_held, is_abandoned, take

LEASE = timedelta(seconds=90)
MAX_ATTEMPTS = 3
STOPPED = "stopped"  # the code of what a trainer raises when nobody wants its work any more
KILLED = "The trainer stopped three times at the same place, as it does when memory runs out. Take a smaller window or 4bit."


@dataclass(slots=True)
class Claim:
    """Work that this trainer holds. `furthest`: how far it was when it was claimed; `on_progress` is told what was done and how
    much there is; `should_stop`: whether the trainer is to end."""

    work: DataSet | SpecialistVersion
    owner: str
    on_progress: Callable[[int, int], object] = lambda *_: None
    should_stop: Callable[[], bool] = lambda: False
    furthest: int = 0

    def change(self, **fields: Any) -> bool:
        """False when the work is no longer this claim's."""
        return change_held(self.work, self.owner, **fields)

    def renew(self) -> bool:
        """False when the work is no longer this claim's."""
        return self.change(lease_until=timezone.now() + LEASE)

    def end(self, **fields: Any) -> bool:
        if "error_message" in fields:
            fields["error_message"] = without_folders(fields["error_message"])
        return self.change(**fields, **FREED, finished_at=timezone.now())

    def progress(self, **fields: Any) -> bool:
        """Where it is further than any trainer before, a later death is not one of three at the same place."""
        done = fields.get("done", 0)
        self.work.total = fields.get("total", self.work.total)
        self.on_progress(done, self.work.total)
        if done > self.furthest:
            fields["attempts"] = 1  # this one
        return self.change(**fields, lease_until=timezone.now() + LEASE) and not self.should_stop()

    def release(self) -> None:
        """Give the work back, to be taken up where it stands by whoever comes next."""
        self.change(**FREED, attempts=0)


def claim_work(
    *, only: DataSet | SpecialistVersion | None = None, should_stop: Callable[[], bool] = lambda: False
) -> Claim | None:  # fmt: skip
    """The oldest data set, else the oldest version, that waits or whose holder is gone."""
    for work in _open_work():
        if only is not None and work != only:
            continue
        begun = work.state not in (DataSetState.QUEUED, VersionState.QUEUED)
        if begun and not is_abandoned(work.lease_owner, work.lease_until):
            continue
        first = DataSetState.MAKING if isinstance(work, DataSet) else VersionState.TRAINING
        furthest = work.done if begun else 0
        state, since = work.state if begun else first, work.started_at or timezone.now()
        if owner := take(work, lease=LEASE, state=state, attempts=F("attempts") + 1, started_at=since):
            return Claim(work, owner, furthest=furthest, should_stop=should_stop)
    return None


def has_waiting() -> bool:
    """Work that nobody holds."""
    queued = (DataSetState.QUEUED, VersionState.QUEUED)
    return any(work.state in queued or is_abandoned(work.lease_owner, work.lease_until) for work in _open_work())


def _open_work() -> list[DataSet | SpecialistVersion]:
    data_sets = DataSet.objects.filter(state__in=OPEN_DATA_SETS).order_by("pk")
    return [*data_sets, *SpecialistVersion.objects.filter(state__in=OPEN_VERSIONS).order_by("pk")]
