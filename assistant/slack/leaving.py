"""The end of the installation in a workspace: what waits is withdrawn, and all that we know of Slack is forgotten.

Answers stay in the record, without a word on where in Slack they stood; those of a channel are still shown to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from assistant.models import Answer
from assistant.services import stop_answer
from assistant.slack.claims import Claim, finish
from assistant.slack.client import SlackClient, SlackError
from assistant.slack.models import OPEN_EVENTS, QUESTIONS, Outcome, SlackChannel, SlackEvent, SlackThread
from assistant.slack.source.following import close_corpus
from assistant.slack.source.models import SlackSource

STILL_VALID = "Our token is still good: it was another workspace, or the app was installed again."


@dataclass(frozen=True, slots=True)
class Forgotten:
    waiting: int  # questions that nobody will answer
    events: int
    threads: int
    channels: int
    sources: int  # channels that filled a corpus

    def __str__(self) -> str:
        return (
            f"Withdrawn: {self.waiting} open questions. Forgotten: {self.events} events, {self.threads} threads, "
            f"{self.channels} channels that answered by themselves. Closed: {self.sources} corpora that channels filled."
        )


def work_end(client: SlackClient, claim: Claim) -> None:
    """Slack says that we were removed. It is believed when our token is void, and not by what the event says of itself."""
    try:
        client.identity()
    except SlackError as error:
        if error.is_passing:
            raise
        forgotten = forget_workspace(but=claim.event)
        finish(claim, Outcome.RECORDED, str(forgotten))
        return
    finish(claim, Outcome.IGNORED, STILL_VALID)


def disconnect(client: SlackClient) -> tuple[Forgotten, str]:
    """By an administrator: our token is given back, then all is forgotten, whether or not Slack could be told. Returns what was
    forgotten, and why Slack could not be told, in Slack's own word."""
    code = ""
    try:
        client.revoke()
    except SlackError as error:
        code = error.code
    return forget_workspace(), code


@transaction.atomic
def forget_workspace(*, but: SlackEvent | None = None) -> Forgotten:
    """A worker that holds one of the events finds it gone at its next step, and says nothing more. A corpus that a channel filled
    is closed: nobody tells us any more of what is deleted there, or that the channel turns private."""
    events = SlackEvent.objects.exclude(pk=but.pk if but else 0)
    waiting = events.filter(kind__in=QUESTIONS, state__in=OPEN_EVENTS)
    count = waiting.count()
    for answer in Answer.objects.filter(slack_event__in=waiting):
        stop_answer(answer=answer)
    threads, channels, gone = SlackThread.objects.count(), SlackChannel.objects.count(), events.count()
    sources = list(SlackSource.objects.select_related("corpus"))
    for source in sources:
        close_corpus(source.corpus)
    SlackSource.objects.all().delete()
    SlackThread.objects.all().delete()
    SlackChannel.objects.all().delete()
    events.delete()
    return Forgotten(count, gone, threads, channels, len(sources))
