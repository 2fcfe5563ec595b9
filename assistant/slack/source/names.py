"""The names of people and channels in Slack, as others see them there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assistant.services import plain_text
from assistant.slack.client import SlackClient, SlackError

MOST_KEPT = 5_000
NOBODY, NOWHERE = "somebody", "a-channel"


class Names:
    """Asked of Slack once, and kept for as long as the synchronisation takes."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    def person(self, slack_user: str) -> str:
        return self._name(slack_user, lambda: _name_of(self._client.user(slack_user)), NOBODY)

    def channel(self, channel: str) -> str:
        """A private channel's name is not for others."""
        return self._name(channel, lambda: _public_name(self._client.channel(channel)), NOWHERE)

    def _name(self, slack_id: str, ask: Callable[[], str], otherwise: str) -> str:
        if slack_id not in self._known:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            try:
                self._known[slack_id] = ask() or otherwise
            except SlackError as error:
                if error.is_passing:
                    raise
                self._known[slack_id] = otherwise
        return self._known[slack_id]


def _name_of(user: dict[str, Any]) -> str:
    profile = user.get("profile")
    shown = profile if isinstance(profile, dict) else {}
    name = shown.get("display_name") or shown.get("real_name") or user.get("real_name") or user.get("name")
    return " ".join(plain_text(str(name or "")).split())[:80]


def _public_name(channel: dict[str, Any]) -> str:
    return "" if channel.get("is_private") else str(channel.get("name") or "")[:80]
