"""What Slack sends, by whichever way, is stored once before it is acknowledged; the work comes later.

A message in a channel that mentions nobody of us and stands in no thread of ours is not stored at all, unless the channel answers
by itself and the message is a question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from assistant.services import plain_text
from assistant.slack.doorbell import ring
from assistant.slack.models import ASKED, MESSAGES, EventState, Kind, Outcome, SlackChannel, SlackEvent, SlackThread
from assistant.slack.sentences import SEARCHING
from assistant.slack.source.marks import note_event
from assistant.slack.texts import asks_everybody

LONGEST_TEXT = 40_000  # Slack's own limit
ACTIONS = frozenset({"helpful", "not_helpful", "reason", "ask_person", "share"})
_MESSAGE_SUBTYPES = frozenset({"", "file_share", "thread_broadcast", "me_message"})
SHORTCUT = "answer_this"  # its callback_id in the app's manifest
OF_A_BOT = "A message of a bot."


@dataclass(slots=True)
class Told:
    """An event as it is stored. `ignored`: why there is nothing to do."""

    event_id: str
    kind: str
    slack_user: str = ""
    channel: str = ""
    ts: str = ""
    thread_ts: str = ""
    payload: dict[str, str] = field(default_factory=dict)
    ignored: str = ""


def receive(body: Mapping[str, Any]) -> SlackEvent | None:
    """Store the event. None when it is known already, or not for us.

    One INSERT and nothing around it: the database's own rules find out what is known, and on SQLite, where writers queue, the
    acknowledgement waits for one short write and holds nobody up with a second. A change in a channel that fills a corpus is one
    more: it is only marked.
    """
    if note_event(body):
        return None
    told = read(body)
    if told is None:
        return None
    fields: dict[str, Any] = {name: getattr(told, name) for name in ("kind", "slack_user", "channel", "ts", "thread_ts")}
    if told.ignored:
        done = {"state": EventState.DONE, "outcome": Outcome.IGNORED, "reason": told.ignored, "finished_at": timezone.now()}
        fields |= done
    else:
        fields["payload"] = told.payload
    event = SlackEvent(event_id=told.event_id, **fields)
    try:
        event.save(force_insert=True)
    except IntegrityError:  # told before, or the same message told as a mention and as a message
        return None
    if not told.ignored:
        transaction.on_commit(ring)
    return event


def acknowledgement(body: Mapping[str, Any]) -> dict[str, str] | None:
    """What the asker of a command sees at once."""
    return {"response_type": "ephemeral", "text": SEARCHING} if "command" in body else None


def read(body: Mapping[str, Any]) -> Told | None:
    if body.get("type") == "event_callback":
        return _read_event(body)
    if "command" in body:
        return Told(
            event_id=_id("command", body), kind=Kind.COMMAND, slack_user=_word(body.get("user_id")),
            channel=_word(body.get("channel_id")),
            payload=_payload(body, text=_text(body.get("text")), response_url=_text(body.get("response_url"))),
        )  # fmt: skip
    if body.get("type") == "block_actions":
        return _read_button(body)
    if body.get("type") == "message_action":
        return _read_shortcut(body)
    return Told(event_id=_id("other", body), kind=Kind.OTHER, ignored="An unknown kind of event.")


def _read_event(body: Mapping[str, Any]) -> Told | None:
    event = _part(body, "event")
    event_id = _text(body.get("event_id"))[:200] or _id("event", body)
    told = Told(
        event_id=event_id, kind=Kind.OTHER, slack_user=_word(event.get("user")), channel=_word(event.get("channel")),
        ts=_word(event.get("ts")), thread_ts=_word(event.get("thread_ts")) or _word(event.get("ts")),
        payload=_payload(body, text=_text(event.get("text"))),
    )  # fmt: skip
    kind, subtype = event.get("type"), _text(event.get("subtype"))
    if kind == "message" and subtype in ("message_changed", "message_deleted"):
        return _read_change(told, event, subtype)
    if kind == "assistant_thread_started":
        return _read_pane(told, _part(event, "assistant_thread"))
    if kind in ("app_uninstalled", "tokens_revoked"):
        return _read_end(told, event)
    if kind == "app_mention":
        told.kind = Kind.MENTION
    elif kind == "message":
        found = Kind.DIRECT if event.get("channel_type") == "im" else _kind_in_channel(told)
        if found is None:
            return None
        told.kind = found
    else:
        told.ignored = "An unknown kind of event."
    if event.get("bot_id") or subtype == "bot_message":
        told.ignored = OF_A_BOT
    elif subtype not in _MESSAGE_SUBTYPES:
        told.ignored = "A kind of message that asks nothing."
    elif not told.ignored and not (told.slack_user and told.channel and told.ts):
        told.ignored = "A message without its author or place."
    if told.ignored:
        told.kind = Kind.OTHER  # it is no question, and does not stand in the way of one
    return told


def _kind_in_channel(told: Told) -> Kind | None:
    """A follow-up in a thread where we were asked (whose question may still wait), or a question where nobody need ask us. In a
    thread that we began by ourselves people go on talking with one another: there, too, only questions count."""
    place, text = {"channel": told.channel, "thread_ts": told.thread_ts}, told.payload.get("text", "")
    if told.thread_ts == told.ts:
        by_itself = asks_everybody(text) and SlackChannel.objects.filter(channel=told.channel).exists()
        return Kind.CHANNEL if by_itself else None
    if SlackEvent.objects.filter(**place, kind__in=ASKED).exists():
        return Kind.REPLY
    if not SlackThread.objects.filter(**place).exists():
        return None
    was_unasked = SlackEvent.objects.filter(**place, kind=Kind.CHANNEL).exists()
    return Kind.REPLY if not was_unasked or asks_everybody(text) else None


def _read_pane(told: Told, thread: Mapping[str, Any]) -> Told:
    told.kind, told.slack_user = Kind.PANE, _word(thread.get("user_id"))
    told.channel, told.ts = _word(thread.get("channel_id")), _word(thread.get("thread_ts"))
    told.thread_ts = told.ts
    told.ignored = "" if told.slack_user and told.channel and told.ts else "A pane without its person or place."
    return told


def _read_end(told: Told, event: Mapping[str, Any]) -> Told:
    """The app was removed, or its token was; a token of some user means nothing to us."""
    told.kind = Kind.GONE
    is_bots = event.get("type") == "app_uninstalled" or bool(_part(event, "tokens").get("bot"))
    told.ignored = "" if is_bots else "No token of ours was revoked."
    return told


def _read_shortcut(body: Mapping[str, Any]) -> Told:
    """Somebody points at a message, their own or another's, and asks for its answer."""
    message = _part(body, "message")
    told = Told(
        event_id=_id("shortcut", body), kind=Kind.SHORTCUT, slack_user=_word(_part(body, "user").get("id")),
        channel=_word(_part(body, "channel").get("id")), ts=_word(message.get("ts")),
        thread_ts=_word(message.get("thread_ts")) or _word(message.get("ts")),
        payload=_payload(body, text=_text(message.get("text")), response_url=_text(body.get("response_url"))),
    )  # fmt: skip
    if body.get("callback_id") != SHORTCUT:
        told.ignored = "An unknown shortcut."
    elif not (told.slack_user and told.channel and told.ts):
        told.ignored = "A shortcut without its person or message."
    if told.ignored:
        told.kind = Kind.OTHER
    return told


def _read_change(told: Told, event: Mapping[str, Any], subtype: str) -> Told | None:
    """A change is for us when the message is; a deletion is kept anyway, without words, since it may come before its message."""
    is_deleted = subtype == "message_deleted"
    now, before = _part(event, "message"), _part(event, "previous_message")
    told.kind = Kind.DELETED if is_deleted else Kind.CHANGED
    told.ts = _word(event.get("deleted_ts")) if is_deleted else _word(now.get("ts"))
    about = before if is_deleted else now
    told.slack_user, told.thread_ts = _word(about.get("user")), _word(about.get("thread_ts")) or told.ts
    told.payload = {} if is_deleted else {**told.payload, "text": _text(now.get("text"))}
    if about.get("bot_id"):
        told.ignored = OF_A_BOT
    elif not is_deleted and now.get("text") == before.get("text"):
        told.ignored = "Its words did not change."
    elif not is_deleted and not SlackEvent.objects.filter(channel=told.channel, ts=told.ts, kind__in=MESSAGES).exists():
        return None
    return told


def _read_button(body: Mapping[str, Any]) -> Told:
    actions = body.get("actions")
    action = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], Mapping) else {}
    container, name = _part(body, "container"), _text(action.get("action_id")).split(":")[0]
    return Told(
        event_id=_id("button", body), kind=Kind.BUTTON, slack_user=_word(_part(body, "user").get("id")),
        channel=_word(_part(body, "channel").get("id")), ts=_word(container.get("message_ts")),
        thread_ts=_word(container.get("thread_ts")),
        payload=_payload(body, action=name, value=_text(action.get("value"))[:80], response_url=_text(body.get("response_url"))),
        ignored="" if name in ACTIONS else "A button that needs nothing done.",
    )  # fmt: skip


def _payload(body: Mapping[str, Any], **values: str) -> dict[str, str]:
    return {"team": _word(body.get("team_id") or _part(body, "team").get("id")), **values}


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = of.get(name)
    return part if isinstance(part, Mapping) else {}


def _word(value: Any) -> str:
    """One of Slack's ids; anything else is none."""
    return (
        value
        if isinstance(value, str) and len(value) <= 32 and all(c.isascii() and (c.isalnum() or c == ".") for c in value)
        else ""
    )


def _text(value: Any) -> str:
    return plain_text(value)[:LONGEST_TEXT] if isinstance(value, str) else ""


def _id(prefix: str, body: Mapping[str, Any]) -> str:
    """Commands and buttons have no event_id: Slack's trigger id is made for one press of a button, or one command."""
    trigger = _text(body.get("trigger_id"))[:150]
    return f"{prefix}:{trigger or hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()}"
