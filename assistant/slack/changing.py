"""Questions that are reworded or withdrawn in Slack."""

from __future__ import annotations

from django.db.models import F
from django.utils import timezone

from assistant.services import delete_conversation, stop_answer
from assistant.slack.claims import Claim, finish
from assistant.slack.client import SlackClient, SlackError
from assistant.slack.models import MESSAGES, OPEN_EVENTS, EventState, Outcome, SlackEvent, SlackThread

NOT_OURS = "It was no question."


def work_changed(client: SlackClient, claim: Claim) -> None:
    """A question that waits, or is being answered, gets its new words; one that is answered keeps its answer."""
    question = _question(claim)
    if question is None:
        finish(claim, Outcome.IGNORED, NOT_OURS)
        return
    payload = {**question.payload, "text": claim.event.payload.get("text", "")}
    if not SlackEvent.objects.filter(pk=question.pk, state__in=OPEN_EVENTS).update(payload=payload):
        finish(claim, Outcome.IGNORED, "It was answered before it was changed.")
        return
    if question.answer is not None:
        stop_answer(answer=question.answer)  # whoever makes it then finds the new words
    finish(claim, Outcome.RECORDED, "The question was reworded.")


def work_deleted(client: SlackClient, claim: Claim) -> None:
    """The question goes, with our reply: the whole conversation where it began it, else its own answer."""
    question = _question(claim)
    if question is None:
        finish(claim, Outcome.IGNORED, NOT_OURS)
        return
    SlackEvent.objects.filter(pk=question.pk).update(
        state=EventState.DONE, outcome=Outcome.WITHDRAWN, reason="Its message was deleted.", payload={}, lease_owner="",
        lease_until=None, finished_at=timezone.now(),
    )  # fmt: skip
    answer = question.answer
    if answer is not None:
        stop_answer(answer=answer)
    if question.reply_ts:
        try:
            client.delete(question.channel, question.reply_ts)
        except SlackError as error:
            if error.is_passing:
                raise
    thread = SlackThread.objects.filter(channel=question.channel, thread_ts=question.ts).first()
    if thread is not None:
        delete_conversation(conversation=thread.conversation)
    elif answer is not None:
        answer.delete()
    finish(claim, Outcome.RECORDED, "The question was withdrawn.")


def was_deleted(event: SlackEvent) -> bool:
    """Slack may tell of the deletion first."""
    return SlackEvent.objects.filter(kind="deleted", channel=event.channel, ts=event.ts).exists()


def _question(claim: Claim) -> SlackEvent | None:
    event = claim.event
    of_message = SlackEvent.objects.select_related("answer").filter(channel=event.channel, ts=event.ts, kind__in=MESSAGES)
    return of_message.order_by(F("answer").desc(nulls_last=True), "-pk").first()  # somebody may have pointed at it again
