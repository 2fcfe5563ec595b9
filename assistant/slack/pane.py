"""The assistant's pane: whoever opens it is offered some questions. What they ask there comes as a direct message."""

from __future__ import annotations

from assistant.slack.blocks import plain
from assistant.slack.claims import Claim, advance, finish
from assistant.slack.client import SlackClient
from assistant.slack.models import Outcome
from assistant.slack.people import Directory
from assistant.slack.places import find_place
from assistant.slack.sentences import NOTHING_DIRECT, UNSEEN, WELCOME, NotAnsweredError
from assistant.suggestions import suggested_questions
from ingestion.permissions import readable_corpora

OFFERED = 4  # as many as Slack shows


def work_pane(client: SlackClient, claim: Claim) -> None:
    event = claim.event
    try:
        client.suggest(event.channel, event.thread_ts, WELCOME, _questions(client, claim))
    except NotAnsweredError as refusal:
        if not event.is_posting:  # at most once: it is only said so that nobody waits in vain
            advance(claim, is_posting=True)
            client.post(event.channel, event.thread_ts, plain(refusal.sentence), event=event.pk)
        finish(claim, refusal.outcome, refusal.reason)
        return
    finish(claim, Outcome.RECORDED)


def _questions(client: SlackClient, claim: Claim) -> list[str]:
    """Of documents that this person may read and that may be answered in Slack. Raises NotAnsweredError."""
    event, directory = claim.event, Directory(client)
    place = find_place(client, directory, channel=event.channel, slack_user=event.slack_user)
    if not place.is_direct:
        raise NotAnsweredError(Outcome.NO_PERMISSION, UNSEEN)
    corpora = list(readable_corpora(place.readers[0]).filter(is_for_slack=True))
    if not corpora:
        raise NotAnsweredError(Outcome.NO_PERMISSION, NOTHING_DIRECT)
    return suggested_questions(place.readers[0], corpora=corpora)[:OFFERED]
