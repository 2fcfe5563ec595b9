"""What the buttons under an answer do. Each is the asker's alone."""

from __future__ import annotations

from django.contrib.auth.models import User

from assistant.escalations.errors import EscalationError
from assistant.escalations.services import ask_person
from assistant.models import Answer, Door, Feedback
from assistant.presentation import present_answer
from assistant.services import record_feedback
from assistant.slack.blocks import answer_message, plain, reasons_message
from assistant.slack.claims import Claim, advance, finish
from assistant.slack.client import Message, SlackClient
from assistant.slack.models import Outcome
from assistant.slack.people import Directory
from assistant.slack.places import find_place, may_all_read
from assistant.slack.sentences import GONE, HELPFUL, NOT_SHARED, ONLY_ASKER, WISH, NotAnsweredError


def work_button(client: SlackClient, claim: Claim) -> None:
    try:
        _press(client, claim)
    except NotAnsweredError as refusal:
        _say(client, claim, plain(refusal.sentence))
        finish(claim, refusal.outcome, refusal.reason)


def _press(client: SlackClient, claim: Claim) -> None:
    event, directory = claim.event, Directory(client)
    person = directory.person(event.slack_user)
    answer_id, _, reason = event.payload.get("value", "").partition(":")
    answer = _answer(person, answer_id)
    action = event.payload.get("action", "")
    if action == "share":
        _share(client, claim, directory, answer)
        return
    if action == "ask_person":
        _say(client, claim, _ask_person(answer, person, has_turns=reason == "turns"))
    else:
        _say(client, claim, _give_opinion(answer, person, action, reason))
    finish(claim, Outcome.RECORDED)


def _answer(person: User, number: str) -> Answer:
    """Asked in Slack, and by this person; another's is not theirs to judge, to send on or to share."""
    known = number.isascii() and number.isdigit() and len(number) < 19
    answers = Answer.objects.select_related("conversation__user", "asked_by")
    answer = answers.filter(pk=int(number), conversation__door=Door.SLACK).first() if known else None
    if answer is None:
        raise NotAnsweredError(Outcome.IGNORED, GONE)
    if answer.asker != person:
        raise NotAnsweredError(Outcome.NO_PERMISSION, ONLY_ASKER)
    return answer


def _give_opinion(answer: Answer, person: User, action: str, reason: str) -> Message:
    verdict = Feedback.Verdict.HELPFUL if action == "helpful" else Feedback.Verdict.NOT_HELPFUL
    known = reason if reason in Feedback.Reason.values else ""
    record_feedback(answer=answer, user=person, verdict=verdict, reason=known)
    return reasons_message(answer.pk) if action == "not_helpful" else plain(HELPFUL)


def _ask_person(answer: Answer, person: User, *, has_turns: bool) -> Message:
    """`has_turns`: by the button that says so, and only where the questions before it are all the asker's own."""
    if answer.refusal.get("is_wish"):
        return plain(WISH)
    try:
        ask_person(answer=answer, asker=person, has_turns=has_turns and not answer.conversation.is_common)
    except EscalationError as error:
        return plain(error.public_message)
    item = present_answer(answer, person).escalation
    return plain(f"Sent to {item.to if item else 'a person'}. The reply comes to “Replies” in the browser.")


def _share(client: SlackClient, claim: Claim, directory: Directory, answer: Answer) -> None:
    """The answer, for all to see, where all may read what it was made from. At most once: what was sent cannot be found again."""
    event = claim.event
    place = find_place(client, directory, channel=event.channel, slack_user=event.slack_user)
    if place.is_direct or not may_all_read(answer, place.readers):
        raise NotAnsweredError(Outcome.NO_PERMISSION, NOT_SHARED)
    if not event.is_posting:
        advance(claim, is_posting=True)
        message = answer_message(present_answer(answer, answer.asker), is_direct=False, has_buttons=False)
        asked = plain(f"{answer.asker.get_full_name() or answer.asker.get_username()} asked: {answer.question}"[:2000])
        shared = Message(message.text, [*asked.blocks, *message.blocks])
        client.respond(event.payload.get("response_url", ""), shared, is_for_all=True)
    finish(claim, Outcome.RECORDED)


def _say(client: SlackClient, claim: Claim, message: Message) -> None:
    """To the one who pressed: in the thread where the button stands, or where Slack shows answers to buttons."""
    event = claim.event
    if event.thread_ts:
        client.tell(event.channel, event.slack_user, message, thread_ts=event.thread_ts)
    else:
        client.respond(event.payload.get("response_url", ""), message)
