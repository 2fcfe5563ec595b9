"""Answers a question asked in Slack: who asks, who reads along, the one answer path, and the reply in its place."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from assistant.answering import answer
from assistant.errors import LOST, QuestionError
from assistant.events import Routed, Sentence
from assistant.limits.using import OVER, take_question
from assistant.models import OPEN_STATES, Answer, AnswerState, Conversation, Door
from assistant.permissions import searchable_partitions
from assistant.presentation import PresentedAnswer, present_answer
from assistant.services import Manner, check_question, create_answer, stop_answer
from assistant.slack.blocks import answer_message
from assistant.slack.claims import Claim, advance, finish
from assistant.slack.client import SlackClient
from assistant.slack.models import (
    MESSAGES,
    OPEN_EVENTS,
    QUESTIONS,
    EventState,
    Kind,
    Outcome,
    SlackChannel,
    SlackEvent,
    SlackThread,
)
from assistant.slack.people import Directory
from assistant.slack.places import Place, find_place, may_all_read
from assistant.slack.sentences import (
    ALREADY_ASKED,
    ANSWERED_ALREADY,
    BUSY,
    CHANGED,
    NOT_SURE,
    NOTHING_DIRECT,
    NOTHING_HERE,
    PER_CHANNEL,
    PER_PERSON,
    STOPPED,
    TOLD_ALONE,
    NotAnsweredError,
)
from assistant.slack.showing import Growing, react, show, tell_asker
from assistant.slack.texts import question_in
from assistant.streams import LEASE

MINUTE = timedelta(minutes=1)
MOST_PER_PERSON = 10  # questions in a minute
MOST_PER_CHANNEL = 30
MOST_WAITING = 500
MOST_REWORDINGS = 5


def work_question(client: SlackClient, claim: Claim) -> None:
    """Bring a question to its end, which is never silence."""
    react(client, claim)
    try:
        outcome = Asking(client, claim).run()
    except NotAnsweredError as refusal:
        if claim.event.kind == Kind.CHANNEL:
            forget_question(claim)
        tell_asker(client, claim, refusal.sentence)
        react(client, claim, refusal.outcome)
        finish(claim, refusal.outcome, refusal.reason)
        return
    react(client, claim, outcome)
    finish(claim, outcome)


class Asking:
    """One question. The place is found three times: when it is asked, before the second gate, and before words appear."""

    def __init__(self, client: SlackClient, claim: Claim) -> None:
        self.client, self.claim, self.event = client, claim, claim.event
        self.directory = Directory(client)

    def run(self) -> str:
        check_rate(self.event)
        if self.event.kind == Kind.SHORTCUT:
            check_it_is_first(self.event)
        row = self._row(self._place())
        for _ in range(MOST_REWORDINGS):
            if not row.is_final:
                row = self._make(row)
            if row.state != AnswerState.STOPPED or not self._is_reworded(row):
                break
            row.delete()  # which nobody saw the end of
            row = self._ask(self._place())
        return self._show(row)

    def _place(self) -> Place:
        return find_place(self.client, self.directory, channel=self.event.channel, slack_user=self.event.slack_user)

    # --- Asking ---

    def _row(self, place: Place) -> Answer:
        """The answer: a new one, or that of an attempt which ended too early, to be made or told again."""
        row = Answer.objects.filter(pk=self.event.answer_id or 0).first()
        if row is None:
            return self._ask(place)
        is_lost = row.state == AnswerState.FAILED and row.error_message == LOST
        if is_lost:
            Answer.objects.filter(pk=row.pk).update(state=AnswerState.PENDING, error_message="", finished_at=None)
            row.refresh_from_db()
        return row

    def _ask(self, place: Place) -> Answer:
        asker = self.directory.person(self.event.slack_user)
        try:
            text = check_question(question_in(self.event.payload.get("text", "")))
            with transaction.atomic():
                User.objects.select_for_update(no_key=True).get(pk=asker.pk)
                take_question(user=asker)
                row = create_answer(user=asker, question=text, conversation=self._thread(), manner=self._manner())
                self._keep(row.conversation, place)
                advance(self.claim, answer_id=row.pk)
        except QuestionError as error:
            outcome = Outcome.OVER_LIMIT if error.code == OVER else Outcome.REFUSED
            raise NotAnsweredError(outcome, error.public_message) from None
        return row

    def _manner(self) -> Manner:
        """What nobody put to us is looked up and nothing else: it is neither talked about nor sent to a person."""
        return Manner(door=Door.SLACK, search_anyway=self.event.kind == Kind.CHANNEL)

    def _thread(self) -> Conversation | None:
        """The conversation of the thread that the question stands in; a command begins one of its own."""
        if not self.event.is_message:
            return None
        thread = SlackThread.objects.filter(channel=self.event.channel, thread_ts=self.event.thread_ts).first()
        return thread.conversation if thread else None

    def _keep(self, conversation: Conversation, place: Place) -> None:
        """Who reads along now. What a command is told is for the asker alone, who may share it later. Raises NotAnsweredError
        where there is nothing to search; nothing of the question is stored then."""
        is_common = not place.is_direct and self.event.is_message
        Conversation.objects.filter(pk=conversation.pk).update(is_common=is_common)
        conversation.is_common = is_common
        conversation.readers.set(place.readers if is_common else ())
        if not searchable_partitions(conversation).exists():
            raise NotAnsweredError(Outcome.NO_PERMISSION, NOTHING_HERE if is_common else NOTHING_DIRECT)
        if self.event.is_message:
            place_in_slack = {"channel": self.event.channel, "thread_ts": self.event.thread_ts}
            SlackThread.objects.get_or_create(**place_in_slack, defaults={"conversation": conversation})

    # --- Answering ---

    def _make(self, row: Answer) -> Answer:
        still_open = Answer.objects.filter(pk=row.pk, state__in=OPEN_STATES)
        still_open.update(state=AnswerState.ANSWERING, lease_until=timezone.now() + LEASE)
        row = Answer.objects.select_related("conversation__user").get(pk=row.pk)
        growing = Growing(self.client, self.claim)
        try:
            with closing(answer(row)) as events:
                for told in events:
                    advance(self.claim)
                    if isinstance(told, Routed):
                        self._keep(row.conversation, self._place())  # before the second gate, which asks who reads along
                    elif isinstance(told, Sentence) and not told.is_recorded:
                        if not growing.has_begun:
                            self._check_nobody_joined(row.conversation)
                        growing.add(told)
        except NotAnsweredError:
            stop_answer(answer=row)
            raise
        return self._fresh(row)

    def _check_nobody_joined(self, conversation: Conversation) -> None:
        """Before the first words: what was found is for those who were there then."""
        readers = {person.pk for person in self._place().readers}
        if conversation.is_common and not readers <= set(conversation.readers.values_list("pk", flat=True)):
            raise NotAnsweredError(Outcome.NO_PERMISSION, CHANGED)

    def _fresh(self, row: Answer) -> Answer:
        found = Answer.objects.select_related("conversation").filter(pk=row.pk).first()
        if found is None:  # its conversation was deleted meanwhile
            raise NotAnsweredError(Outcome.STOPPED, STOPPED)
        return found

    def _is_reworded(self, row: Answer) -> bool:
        """Whether its message was changed while it was answered."""
        self.event.refresh_from_db(fields=["payload"])
        return check_or_empty(question_in(self.event.payload.get("text", ""))) != row.question

    # --- Telling ---

    def _show(self, row: Answer) -> str:
        place = self._place()
        if row.state == AnswerState.STOPPED:
            raise NotAnsweredError(Outcome.STOPPED, STOPPED)
        is_private = place.is_direct or not self.event.is_message
        asker = self.directory.person(self.event.slack_user)
        if not may_all_read(row, (asker,) if is_private else place.readers):
            raise NotAnsweredError(Outcome.NO_PERMISSION, CHANGED)
        item = present_answer(row, asker)
        if row.state == AnswerState.FAILED:
            sentence = f"{row.error_message} {item.help_in_distress}".strip()
            raise NotAnsweredError(Outcome.BROKEN, sentence, reason=row.error_message)
        if item.help_in_distress and not is_private:  # nothing that others would read, the administrators included
            raise NotAnsweredError(outcome_of(item), item.help_in_distress, reason=TOLD_ALONE)
        if self.event.kind == Kind.CHANNEL and not is_sure_enough(row, self.event.channel):
            raise NotAnsweredError(Outcome.IGNORED, NOT_SURE)
        is_shareable = not place.is_direct and self.event.kind == Kind.COMMAND
        show(self.client, self.claim, answer_message(item, is_direct=is_private, is_share_offered=is_shareable))
        return outcome_of(item)


def is_sure_enough(row: Answer, channel: str) -> bool:
    """For a channel that answers by itself, by its own measure; one that was switched off meanwhile has none."""
    found = SlackChannel.objects.filter(channel=channel).first()
    stated = row.refusal.get("probability") or 0.0
    return row.state == AnswerState.ANSWERED and found is not None and stated * 100 >= found.least_sure


def forget_question(claim: Claim) -> None:
    """Of what nobody put to us and we did not answer, nothing is kept."""
    Conversation.objects.filter(answers=claim.event.answer_id or 0).delete()


def check_it_is_first(event: SlackEvent) -> None:
    """A message is answered once, whoever points at it again. Raises NotAnsweredError."""
    before = SlackEvent.objects.filter(channel=event.channel, ts=event.ts, kind__in=MESSAGES, pk__lt=event.pk)
    if before.filter(outcome__in=(Outcome.ANSWERED, Outcome.NO_EVIDENCE, Outcome.SENT_ON)).exists():
        raise NotAnsweredError(Outcome.IGNORED, ANSWERED_ALREADY)
    if before.filter(state__in=OPEN_EVENTS).exclude(kind=Kind.CHANNEL).exists():
        raise NotAnsweredError(Outcome.IGNORED, ALREADY_ASKED)


def outcome_of(item: PresentedAnswer) -> str:
    if item.state == AnswerState.ANSWERED:
        return Outcome.ANSWERED
    return Outcome.SENT_ON if item.escalation else Outcome.NO_EVIDENCE


def check_or_empty(text: str) -> str:
    try:
        return check_question(text)
    except QuestionError:
        return ""


def check_rate(event: SlackEvent) -> None:
    """Limits of a minute, beside those of a day. Raises NotAnsweredError."""
    before = SlackEvent.objects.filter(kind__in=QUESTIONS, pk__lt=event.pk)
    recent = before.filter(created_at__gt=event.created_at - MINUTE)
    if recent.filter(slack_user=event.slack_user).count() >= MOST_PER_PERSON:
        raise NotAnsweredError(Outcome.OVER_LIMIT, PER_PERSON.format(most=MOST_PER_PERSON))
    if recent.filter(channel=event.channel).count() >= MOST_PER_CHANNEL:
        raise NotAnsweredError(Outcome.OVER_LIMIT, PER_CHANNEL.format(most=MOST_PER_CHANNEL))
    if SlackEvent.objects.filter(state=EventState.WAITING, kind__in=QUESTIONS, pk__gt=event.pk).count() >= MOST_WAITING:
        raise NotAnsweredError(Outcome.BUSY, BUSY)
