"""Finding what is new: pages of a channel's history from the newest message down to the last one that was seen."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from assistant.slack.client import SlackClient
from assistant.slack.source.claims import SourceClaim, advance
from assistant.slack.source.marks import bounds_of, day_of, horizon, is_ts, mark_days, mark_threads

COMPARED_EVERY = timedelta(days=1)


def begin_walk(claim: SourceClaim) -> None:
    """From the last message seen; once a day from the oldest that is kept, with every day and every living thread read anew: that
    finds what no event told of."""
    source, now = claim.source, timezone.now()
    floor = bounds_of(horizon())[0]
    is_comparison = source.compare_at <= now
    if not is_comparison and source.seen_ts:
        floor = max(floor, source.seen_ts, key=Decimal)
    changes: dict[str, Any] = {"walk_floor": floor, "walk_top": "", "walk_ts": ""}
    with transaction.atomic():
        if is_comparison:
            changes["compare_at"] = now + COMPARED_EVERY
            living = f"{int((now - timedelta(days=settings.SLACK_SOURCE_RECENT_DAYS)).timestamp())}"
            source.parts.exclude(key__contains=".").update(due_at=now)
            source.parts.filter(key__contains=".", fingerprint__gte=living).update(due_at=now)  # it begins with the last reply
        advance(claim, next_at=now + timedelta(minutes=settings.SLACK_SOURCE_MINUTES), **changes)


def walk_page(client: SlackClient, claim: SourceClaim) -> None:
    """One page: its days are marked in the transaction that remembers how far the walk has come."""
    source = claim.source
    messages, has_more = client.history(source.channel, oldest=source.walk_floor, latest=source.walk_ts)
    told = [message for message in messages if is_ts(message.get("ts"))]
    times = sorted((str(message["ts"]) for message in told), key=Decimal)
    # A reply that was sent to the channel, too, belongs to its thread.
    threads = {str(message["thread_ts"]) for message in told if is_ts(message.get("thread_ts"))} - set(times)
    top = source.walk_top or (times[-1] if times else "")
    with transaction.atomic():
        mark_days(source, {day_of(ts) for ts in times})
        mark_threads(source, threads)
        if has_more and times:
            advance(claim, walk_top=top, walk_ts=times[0])
        else:
            seen = max(filter(None, (source.seen_ts, top)), key=Decimal, default="")
            advance(claim, walk_floor="", walk_top="", walk_ts="", seen_ts=seen)
