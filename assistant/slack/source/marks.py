"""Which parts of a channel are to be read anew. Whoever hears of a change marks; the synchronisation reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from assistant.slack.source.models import SlackPart, SlackSource
from assistant.slack.source.writing import moment_of

_TS = re.compile(r"\A[0-9]{9,11}\.[0-9]{1,9}\Z")
ABOUT_CHANNELS = frozenset(
    {"channel_archive", "channel_deleted", "channel_left", "channel_rename", "channel_shared", "channel_unarchive"}
)


def note_event(body: Mapping[str, Any]) -> bool:
    """Before an event is acknowledged: mark what it changes in a channel that fills a corpus. Whether that is all it means."""
    event = body.get("event")
    if not isinstance(event, Mapping):
        return False
    kind, subtype = str(event.get("type")), str(event.get("subtype") or "")
    if kind in ABOUT_CHANNELS or (kind == "message" and subtype.startswith("channel_")):
        place = event.get("channel")
        channel = place.get("id") if isinstance(place, Mapping) else place
        SlackSource.objects.filter(channel=str(channel)[:32]).update(next_at=timezone.now())
        return kind in ABOUT_CHANNELS
    if kind == "message":
        changed = _changed(event, subtype)
        source = SlackSource.objects.filter(channel=str(event.get("channel"))[:32]).first() if changed else None
        if source is not None:
            mark_message(source, *changed)
    return False


def _changed(event: Mapping[str, Any], subtype: str) -> tuple[str, str]:
    """The ts of the message that changed, and of its thread. Empty where nothing did: new messages are found anyway."""
    about: Any = event
    if subtype == "message_changed":
        about, before = event.get("message"), event.get("previous_message")
        if isinstance(about, Mapping) and isinstance(before, Mapping) and about.get("text") == before.get("text"):
            return "", ""  # a preview of a link came, or the like
    elif subtype == "message_deleted":
        about = event.get("previous_message") or {}
    if not isinstance(about, Mapping) or about.get("bot_id"):
        return "", ""
    ts = event.get("deleted_ts") if subtype == "message_deleted" else about.get("ts")
    thread = about.get("thread_ts") or ts
    if not (is_ts(ts) and is_ts(thread)) or (about is event and thread == ts):
        return "", ""
    return str(ts), str(thread)


def mark_message(source: SlackSource, ts: str, thread_ts: str) -> None:
    """This message is new, reworded or gone. One at the top may stand by itself, or begin a thread."""
    if not ts:
        return
    mark = source.parts.filter(key=thread_ts)
    is_known = bool(mark.update(due_at=timezone.now()))
    if thread_ts != ts and not is_known:
        mark_threads(source, [thread_ts])
    if thread_ts == ts or not is_known:  # whose first reply this is stood among the day's other messages until now
        mark_days(source, [day_of(thread_ts)])


def mark_days(source: SlackSource, days: Iterable[date]) -> None:
    _mark(source, {day.isoformat(): day for day in days})


def mark_threads(source: SlackSource, roots: Iterable[str]) -> None:
    _mark(source, {ts: day_of(ts) for ts in roots})


@transaction.atomic
def _mark(source: SlackSource, parts: Mapping[str, date]) -> None:
    now = timezone.now()
    made = [SlackPart(source=source, key=key, day=day, due_at=now) for key, day in parts.items()]
    SlackPart.objects.bulk_create(made, ignore_conflicts=True)
    source.parts.filter(key__in=list(parts)).update(due_at=now)


def compare_now(source: SlackSource) -> None:
    """Everything is read anew, threads without a recent reply included."""
    now = timezone.now()
    source.parts.update(due_at=now)
    SlackSource.objects.filter(pk=source.pk).update(compare_at=now, next_at=now, not_before=None)


def is_ts(value: Any) -> bool:
    return isinstance(value, str) and bool(_TS.match(value))


def day_of(ts: str) -> date:
    """In the product's time zone, as people see it on its pages."""
    return moment_of(ts).date()


def bounds_of(day: date) -> tuple[str, str]:
    """Slack's `oldest` and `latest` of a day, neither of which is in it."""
    return f"{int(_start(day).timestamp()) - 1}.999999", f"{int(_start(day + timedelta(days=1)).timestamp())}.000000"


def horizon() -> date:
    """The first day that is kept."""
    return timezone.localdate() - timedelta(days=settings.SLACK_SOURCE_DAYS)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.get_default_timezone())
