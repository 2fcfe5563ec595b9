"""Reading one part of a channel anew, and making its document what Slack says now. Doing it twice is the same as once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

from django.db import transaction
from django.utils import timezone

from assistant.slack.client import SlackClient, SlackError
from assistant.slack.source.claims import SourceClaim, advance
from assistant.slack.source.marks import bounds_of, horizon, is_ts, mark_days
from assistant.slack.source.models import SlackPart
from assistant.slack.source.names import Names
from assistant.slack.source.writing import MOST_MESSAGES, Place, Written, is_said, write_day, write_thread
from ingestion.models import Document
from ingestion.services import add_document, delete_document

NO_THREAD = frozenset({"thread_not_found", "message_not_found"})


def next_part(claim: SourceClaim) -> SlackPart | None:
    """The newest of those that are due: what was said lately is asked about most."""
    return claim.source.parts.filter(due_at__isnull=False).order_by("-day", "-key").first()


def work_part(client: SlackClient, claim: SourceClaim, part: SlackPart, names: Names) -> None:
    """A mark that is made while the part is read stays."""
    advance(claim)
    if part.day < horizon():
        _forget(part)
        return
    us = client.identity()
    place = Place(us.url, claim.source.channel, claim.source.name, us.user)
    problem = _read_thread(client, claim, part, place, names) if part.is_thread else _read_day(client, claim, part, place, names)
    SlackPart.objects.filter(pk=part.pk, due_at=part.due_at).update(due_at=None)
    SlackPart.objects.filter(pk=part.pk).update(problem=problem[:300])


def _read_day(client: SlackClient, claim: SourceClaim, part: SlackPart, place: Place, names: Names) -> str:
    """What stands by itself becomes the day's document; the day's threads are marked where something is new in them."""
    said: list[dict[str, Any]] = []
    threads: dict[str, str] = {}
    is_cut = False
    for message in _messages_of_day(client, claim, part):
        ts, thread = str(message["ts"]), str(message.get("thread_ts") or "")
        if message.get("reply_count") and thread == ts:
            threads[ts] = _fingerprint(message)
        elif thread in ("", ts) and is_said(message, place.us):
            if len(said) < MOST_MESSAGES:
                said.append(message)
            else:
                is_cut = True
    _mark_threads_of_day(claim, part, threads)
    said.reverse()
    return _keep(claim, part, write_day(part.day, said, place, names, is_cut=is_cut) if said else None)


def _messages_of_day(client: SlackClient, claim: SourceClaim, part: SlackPart) -> Iterator[dict[str, Any]]:
    oldest, latest = bounds_of(part.day)
    has_more = True
    while has_more:
        messages, has_more = client.history(claim.source.channel, oldest=oldest, latest=latest)
        told = [message for message in messages if is_ts(message.get("ts"))]
        yield from told
        advance(claim)
        if not told:
            return
        latest = min((str(message["ts"]) for message in told), key=Decimal)


@transaction.atomic
def _mark_threads_of_day(claim: SourceClaim, part: SlackPart, threads: dict[str, str]) -> None:
    """New ones, those of which the history says something else than before, and those of which it says nothing any more."""
    source, now = claim.source, timezone.now()
    known = dict(source.parts.filter(day=part.day, key__contains=".").values_list("key", "fingerprint"))
    made = [SlackPart(source=source, key=ts, day=part.day, due_at=now, fingerprint=mark) for ts, mark in threads.items()]
    SlackPart.objects.bulk_create([row for row in made if row.key not in known], ignore_conflicts=True)
    for ts, mark in threads.items():
        if ts in known and known[ts] != mark:
            source.parts.filter(key=ts).update(due_at=now, fingerprint=mark)
    source.parts.filter(key__in=known.keys() - threads.keys()).update(due_at=now)


def _fingerprint(message: dict[str, Any]) -> str:
    """It begins with the last reply, so that living threads can be told."""
    edited = message.get("edited")
    when = edited.get("ts") if isinstance(edited, dict) else ""
    return f"{message.get('latest_reply') or message['ts']} {message['reply_count']} {when or ''}"[:100]


def _read_thread(client: SlackClient, claim: SourceClaim, part: SlackPart, place: Place, names: Names) -> str:
    said: list[dict[str, Any]] = []
    has_replies = is_cut = False
    try:
        for message in _once(client.thread(claim.source.channel, part.key)):
            has_replies = has_replies or str(message["ts"]) != part.key
            if not is_said(message, place.us):
                continue
            if len(said) >= MOST_MESSAGES:
                is_cut = True
                break
            said.append(message)
    except SlackError as error:
        if error.code not in NO_THREAD:
            raise
    advance(claim)
    if not has_replies:  # it is gone; or its replies are, and what began it stands by itself again
        if _forget(part):
            mark_days(claim.source, [part.day])
        return ""
    return _keep(claim, part, write_thread(said, place, names, is_cut=is_cut) if said else None)


def _once(messages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each page of a thread may begin with its first message."""
    last = Decimal(0)
    for message in messages:
        if is_ts(message.get("ts")) and Decimal(message["ts"]) > last:
            last = Decimal(message["ts"])
            yield message


def _keep(claim: SourceClaim, part: SlackPart, written: Written | None) -> str:
    """Make the document so. Returns why it could not be done."""
    advance(claim)
    if written is None:
        _delete(part)
        return ""
    added = add_document(
        corpus=claim.source.corpus, source_name=part.source_name, content=BytesIO(written.text.encode()), uploaded_by=None,
        title=written.title, source_url=written.url,
    )  # fmt: skip
    return added.message if added.outcome == "refused" else ""


def _forget(part: SlackPart) -> bool:
    """Whether there was a document."""
    was_there = _delete(part)
    SlackPart.objects.filter(pk=part.pk, due_at=part.due_at).delete()
    return was_there


def _delete(part: SlackPart) -> bool:
    document = Document.objects.filter(corpus=part.source.corpus_id, source_name=part.source_name).first()
    if document is not None:
        delete_document(document=document)
    return document is not None
