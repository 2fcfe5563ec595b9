"""Who synchronises a source now: a lease, renewed with every step. Whoever lost it changes nothing any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from assistant.leases import FREED, change_held, is_abandoned, take
from assistant.slack.claims import LeaseLostError
from assistant.slack.source.models import SlackPart, SlackSource, SourceState

LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SourceClaim:
    source: SlackSource
    owner: str


def claim_source(*, channel: str = "") -> SourceClaim | None:
    """Take the source that has waited longest among those that are due: its time has come, or something was left or marked."""
    now = timezone.now()
    marked = SlackPart.objects.filter(source=OuterRef("pk"), due_at__isnull=False)
    is_due = Q(next_at__lte=now) | Q(state=SourceState.FOLLOWED) & (~Q(walk_floor="") | Exists(marked))
    due = SlackSource.objects.exclude(state=SourceState.CLOSED).filter(is_due, Q(not_before=None) | Q(not_before__lte=now))
    for source in (due.filter(channel=channel) if channel else due).order_by("next_at", "pk"):
        if source.lease_owner and not is_abandoned(source.lease_owner, source.lease_until):
            continue
        if owner := take(source, lease=LEASE):
            return SourceClaim(source, owner)
    return None


def advance(claim: SourceClaim, **changes: Any) -> None:
    """Store a step and renew the lease. Raises LeaseLostError."""
    if not change_held(claim.source, claim.owner, lease_until=timezone.now() + LEASE, **changes):
        raise LeaseLostError
    for name, value in changes.items():
        setattr(claim.source, name, value)


def release(claim: SourceClaim, **changes: Any) -> None:
    change_held(claim.source, claim.owner, **FREED, **changes)
