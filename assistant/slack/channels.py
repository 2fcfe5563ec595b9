"""Channels that answer by themselves: an administrator switches them on, with how sure an answer must be."""

from __future__ import annotations

import re

from django.contrib.auth.models import User

from assistant.slack.client import SlackClient, SlackError
from assistant.slack.models import SlackChannel
from assistant.slack.places import EXTERNAL_FLAGS, UNSEEN_CODES

SURENESS = ((60, "60 % sure or more"), (75, "75 % sure or more"), (90, "90 % sure or more"))
_ID = re.compile(r"(?:^|/)([CG][A-Z0-9]{1,30})(?:$|[/?])")


class ChannelError(Exception):
    """A channel that cannot answer by itself. Nothing was stored."""

    def __init__(self, public_message: str) -> None:
        super().__init__(public_message)
        self.public_message = public_message


def switch_on(*, client: SlackClient, place: str, least_sure: int, by: User) -> SlackChannel:
    """`place`: the channel's id, or its link. Asks Slack whether we are there, and whether outsiders are."""
    found = _ID.search(place.strip())
    if found is None:
        raise ChannelError("Paste the channel’s link, or its ID, such as C0123ABCD: in Slack it stands in the channel’s details.")
    about = _about(client, found[1])
    name = f"#{about.get('name') or found[1]}"
    if about.get("is_im") or about.get("is_mpim"):
        raise ChannelError("In a direct message every message is answered anyway.")
    if any(about.get(flag) for flag in EXTERNAL_FLAGS):
        raise ChannelError(f"{name} is shared with another organization, so nothing is said there.")
    if about.get("is_member") is False:
        raise ChannelError(f"The app is not in {name}. Invite it there first.")
    values = {"name": name.removeprefix("#")[:80], "least_sure": least_sure, "switched_on_by": by}
    return SlackChannel.objects.update_or_create(channel=found[1], defaults=values)[0]


def switch_off(*, channel: SlackChannel) -> None:
    """What was answered there stays. A question that waits is not answered any more."""
    channel.delete()


def _about(client: SlackClient, channel: str) -> dict[str, object]:
    try:
        return client.channel(channel)
    except SlackError as error:
        if error.code in UNSEEN_CODES:
            raise ChannelError("The app cannot see this channel. Is the ID right, and was the app invited?") from None
        raise ChannelError(f"Slack could not be asked about this channel: it says “{error.code}”.") from None
