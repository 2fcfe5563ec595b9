"""Says something in Slack for an event, once: in the message that stands there already, or in a new one.

Slack has no key that makes a post happen once. So the intention is stored, then the message is posted with the event's number in
its metadata, then its ts is stored. A worker that finds the intention without a ts looks for that number in the thread, and takes
over what it finds. What remains: a post that Slack accepted and does not list yet when it is looked for, seconds later. Messages
for one person's eyes cannot be found again; a kill between sending and storing may repeat such a message to that person.
"""

from __future__ import annotations

import logging
import time

from django.conf import settings

from assistant.events import Sentence
from assistant.slack.blocks import growing_message, plain
from assistant.slack.claims import Claim, LeaseLostError, advance
from assistant.slack.client import Message, SlackBusyError, SlackClient, SlackError
from assistant.slack.models import Kind, Outcome, SlackEvent
from assistant.slack.sentences import REACTIONS, SEEN
from assistant.wording import Wording

logger = logging.getLogger(__name__)

UPDATE_EVERY_S = 1.0


def show(client: SlackClient, claim: Claim, message: Message) -> None:
    """The reply that everybody in the place sees; for a command, what the asker alone sees."""
    event = claim.event
    if event.kind == Kind.COMMAND:
        client.respond(event.payload.get("response_url", ""), message)
        return
    if event.is_posting and not event.reply_ts:
        found = client.find_reply(event.channel, event.thread_ts, event.pk)
        if found:
            advance(claim, reply_ts=found)
    if event.reply_ts:
        client.update(event.channel, event.reply_ts, message)
        return
    advance(claim, is_posting=True)
    posted = client.post(event.channel, event.thread_ts, message, event=event.pk)
    try:
        advance(claim, reply_ts=posted)
    except LeaseLostError:
        if SlackEvent.objects.filter(pk=event.pk, outcome=Outcome.WITHDRAWN).exists():  # while it was posted
            client.delete(event.channel, posted)
        raise


def tell_asker(client: SlackClient, claim: Claim, sentence: str) -> None:
    """Why there is no answer. In a direct message it stays there, elsewhere only the asker sees it. What was said so far in an
    answer that broke off is replaced by it."""
    event = claim.event
    advance(claim)  # nobody is told about an event that was withdrawn meanwhile
    if event.kind == Kind.CHANNEL and sentence != settings.HELP_IN_DISTRESS:  # nobody asked us
        return
    if event.kind == Kind.SHORTCUT:  # it may have been used where we are no member
        client.respond(event.payload.get("response_url", ""), plain(sentence))
        return
    if event.kind in (Kind.DIRECT, Kind.COMMAND):
        show(client, claim, plain(sentence))
        return
    if event.reply_ts:
        try:
            client.delete(event.channel, event.reply_ts)
        except SlackError as error:
            if error.is_passing:
                raise
        advance(claim, reply_ts="", is_posting=False)
    client.tell(event.channel, event.slack_user, plain(sentence), thread_ts=_thread(event.ts, event.thread_ts))


def _thread(ts: str, thread_ts: str) -> str:
    """In the thread where the question stands in one; beside a question that began none, it would not be seen there."""
    return thread_ts if thread_ts != ts else ""


def react(client: SlackClient, claim: Claim, outcome: str = "") -> None:
    """The eyes while it works, then what became of it. A reaction is a courtesy: without one, the answer comes all the same."""
    event = claim.event
    if not event.is_message or (event.kind == Kind.CHANNEL and outcome != Outcome.ANSWERED):
        return
    steps = [(client.react, REACTIONS[outcome]), (client.take_reaction_back, SEEN)] if outcome else [(client.react, SEEN)]
    for step, name in steps:
        try:
            step(event.channel, event.ts, name)
        except SlackError as error:
            if error.code not in ("already_reacted", "no_reaction"):
                logger.warning("No reaction in Slack: %s", error.code)


class Growing:
    """The message of an answer that is being written: updated once a second at most, and not while Slack asks to wait."""

    def __init__(self, client: SlackClient, claim: Claim) -> None:
        self._client, self._claim = client, claim
        self._wording = Wording()
        self._next = 0.0

    @property
    def has_begun(self) -> bool:
        return bool(self._wording.text)

    def add(self, sentence: Sentence) -> None:
        self._wording.add(sentence.text, sentence.citations, lead=sentence.lead, is_item=sentence.layout == "item")
        if self._claim.event.kind in (Kind.COMMAND, Kind.CHANNEL) or time.monotonic() < self._next:
            return
        try:
            show(self._client, self._claim, growing_message(self._wording))
            self._next = time.monotonic() + UPDATE_EVERY_S
        except SlackBusyError as error:
            self._next = time.monotonic() + error.wait_s
