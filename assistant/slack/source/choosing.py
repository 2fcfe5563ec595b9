"""An administrator chooses a channel, and the corpus that it fills; stops it; or lets it go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils import timezone

from assistant.slack.channels import ChannelError
from assistant.slack.client import SlackClient, SlackError
from assistant.slack.source.following import UNSEEN, state_of
from assistant.slack.source.marks import compare_now
from assistant.slack.source.models import SlackSource, SourceState
from ingestion.services import create_corpus

MOST_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A channel as it is offered. `refusal`: why it cannot be chosen."""

    channel: str
    name: str
    refusal: str


def offered_channels(client: SlackClient) -> list[Choice]:
    """The public channels that the app is in, by name; those that outsiders read with the reason why not."""
    taken = set(SlackSource.objects.values_list("channel", flat=True))
    found: list[Choice] = []
    try:
        for about in client.public_channels():
            channel = str(about.get("id") or "")
            why = "It fills a corpus already." if channel in taken else state_of(about)[1]
            found.append(Choice(channel, str(about.get("name") or channel), why))
            if len(found) >= MOST_LISTED:
                break
    except SlackError as error:
        raise ChannelError(f"Slack does not list the channels: it says “{error.code}”.") from None
    return sorted(found, key=lambda choice: (choice.name, choice.channel))


def choose_channel(
    *, client: SlackClient, channel: str, corpus_name: str, groups: Iterable[Group] | None, is_for_slack: bool, by: User
) -> SlackSource:
    """Begin to follow a public channel, with a new corpus for it. Raises ChannelError and IngestionError."""
    name = _checked(client, channel)
    if SlackSource.objects.filter(channel=channel).exists():
        raise ChannelError(f"#{name} fills a corpus already.")
    with transaction.atomic():
        corpus = create_corpus(
            name=corpus_name, owner=by, description=f"What is said in #{name} in Slack.", groups=groups, is_for_slack=is_for_slack
        )
        return SlackSource.objects.create(channel=channel, name=name[:80], corpus=corpus, chosen_by=by)


def go_on(*, client: SlackClient, source: SlackSource) -> None:
    """Follow a channel again that was closed. Its corpus stays closed until somebody opens it in its settings."""
    name = _checked(client, source.channel)
    now = timezone.now()
    SlackSource.objects.filter(pk=source.pk).update(
        state=SourceState.FOLLOWED, problem="", name=name[:80], next_at=now, not_before=None
    )
    compare_now(source)


def stop_following(*, source: SlackSource) -> None:
    """The corpus stays as it is, and is a corpus like any other from now on."""
    source.delete()


def _checked(client: SlackClient, channel: str) -> str:
    """The channel's name, when it may fill a corpus."""
    try:
        about = client.channel(channel)
    except SlackError as error:
        if error.code in UNSEEN:
            raise ChannelError("The app cannot see this channel: it is private, or it does not exist.") from None
        raise ChannelError(f"Slack could not be asked about this channel: it says “{error.code}”.") from None
    state, why = state_of(about)
    if state != SourceState.FOLLOWED:
        raise ChannelError(f"Only public channels that the app is in can fill a corpus. {why}")
    return str(about.get("name") or channel)
