"""The life of an event: claimed with a lease, advanced step by step, ended with an outcome. Every step is a conditional UPDATE by
the claim's holder, so that one who lost the lease changes nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from assistant.leases import FREED, change_held, is_abandoned, take
from assistant.slack.models import OPEN_EVENTS, QUESTIONS, EventState, SlackEvent

LEASE = timedelta(minutes=5)
MAX_ATTEMPTS = 3
LOOKED_AT = 10  # events that are read at once
RETRY_AFTER = (timedelta(seconds=10), timedelta(minutes=2))  # after the first attempt, and after the second
UNREACHABLE = timedelta(minutes=30)  # so long a question waits for a way out that is closed; no attempt is counted
KEPT = timedelta(days=14)  # events that led to no answer


class LeaseLostError(Exception):
    """Another worker has the event, or it is gone."""


@dataclass(frozen=True, slots=True)
class Claim:
    event: SlackEvent
    owner: str


def claim_event() -> Claim | None:
    """Take the oldest event that waits, or whose holder is gone. Questions of one thread are taken one after another, so that a
    follow-up finds what it follows."""
    for event in _due_events(timezone.now()):
        if event.state == EventState.WORKING and not is_abandoned(event.lease_owner, event.lease_until):
            continue
        if event.is_message and _has_earlier(event):
            continue
        if owner := take(event, lease=LEASE, state=EventState.WORKING, attempts=F("attempts") + 1):
            return Claim(event, owner)
    return None


def _due_events(now: datetime) -> Iterator[SlackEvent]:
    """The oldest first, a few at a time: most often the first is free, and a thousand may wait."""
    due = SlackEvent.objects.filter(Q(not_before=None) | Q(not_before__lte=now), state__in=OPEN_EVENTS).order_by("pk")
    last = 0
    while some := list(due.filter(pk__gt=last)[:LOOKED_AT]):
        yield from some
        last = some[-1].pk


def _has_earlier(event: SlackEvent) -> bool:
    return SlackEvent.objects.filter(
        channel=event.channel, thread_ts=event.thread_ts, kind__in=QUESTIONS, state__in=OPEN_EVENTS, pk__lt=event.pk
    ).exists()


def advance(claim: Claim, **changes: Any) -> None:
    """Store a step and renew the lease. Raises LeaseLostError."""
    if not _held(claim, lease_until=timezone.now() + LEASE, **changes):
        raise LeaseLostError
    for name, value in changes.items():
        setattr(claim.event, name, value)


def finish(claim: Claim, outcome: str, reason: str = "") -> None:
    """The end. The words are not kept: what is worth keeping is in the conversation."""
    _end(claim, EventState.DONE, outcome, reason)


def fail(claim: Claim, outcome: str, reason: str) -> None:
    _end(claim, EventState.FAILED, outcome, reason)


def _end(claim: Claim, state: str, outcome: str, reason: str) -> None:
    _held(
        claim, state=state, outcome=outcome, reason=reason[:300], payload={}, finished_at=timezone.now(), **FREED
    )  # fmt: skip


def release(claim: Claim, *, after: timedelta, reason: str, is_counted: bool = True) -> None:
    """Give the event back, to be taken up again later. A wait that Slack asks for counts as no attempt."""
    _held(
        claim, state=EventState.WAITING, not_before=timezone.now() + after, reason=reason[:300],
        attempts=claim.event.attempts - (0 if is_counted else 1), **FREED,
    )  # fmt: skip


def _held(claim: Claim, **changes: Any) -> bool:
    return change_held(claim.event, claim.owner, **changes)


def forget_old() -> None:
    """Old events go, but for those whose answer is there: its message may still be changed or deleted."""
    SlackEvent.objects.filter(created_at__lt=timezone.now() - KEPT, answer=None).exclude(state__in=OPEN_EVENTS).delete()
