"""Who somebody in Slack is here: by a full member's confirmed e-mail address that belongs to exactly one active account."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from assistant.slack.client import SlackClient, SlackError
from assistant.slack.models import Outcome
from assistant.slack.sentences import NOT_LINKED, OUTSIDER, NotAnsweredError

REMEMBERED_S = 60.0
SLACKBOT = "USLACKBOT"
_GUEST = ("is_restricted", "is_ultra_restricted", "is_stranger")


@dataclass(frozen=True, slots=True)
class Account:
    """`reads`: a person who may open Slack, and not a program or somebody who has left. `email` is empty unless Slack says that
    it was confirmed."""

    reads: bool
    is_outsider: bool
    email: str


class Directory:
    """Slack's accounts, remembered for a minute at most; who is here, and what they may read, is asked of the database anew."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client
        self._known: dict[str, tuple[float, Account]] = {}

    def account(self, slack_user: str) -> Account:
        at, known = self._known.get(slack_user, (0.0, None))
        if known is None or time.monotonic() - at > REMEMBERED_S:
            known = read_account(self._profile(slack_user), team=self._client.identity().team)
            self._known[slack_user] = time.monotonic(), known
        return known

    def _profile(self, slack_user: str) -> Mapping[str, Any]:
        """Somebody whom Slack does not let us see is not of this workspace."""
        try:
            return self._client.user(slack_user)
        except SlackError as error:
            if error.code in ("user_not_found", "user_not_visible"):
                return {}
            raise

    def person(self, slack_user: str) -> User:
        """Who asks. Raises NotAnsweredError with what to do."""
        account = self.account(slack_user)
        if account.is_outsider or not account.reads:
            raise NotAnsweredError(Outcome.OUTSIDERS, OUTSIDER)
        person = person_with(account.email)
        if person is None:
            raise NotAnsweredError(Outcome.NOT_LINKED, NOT_LINKED)
        return person


def read_account(user: Mapping[str, Any], *, team: str) -> Account:
    """What Slack's profile says, where silence is no consent: an address counts only if it is said to be confirmed."""
    is_bot = bool(user.get("is_bot")) or user.get("id") == SLACKBOT
    profile = user.get("profile")
    email = profile.get("email") if isinstance(profile, Mapping) and user.get("is_email_confirmed") is True else ""
    return Account(
        reads=not is_bot and not user.get("deleted"),
        is_outsider=any(user.get(flag) for flag in _GUEST) or not _is_of(user, team),
        email=email.strip() if isinstance(email, str) else "",
    )


def _is_of(user: Mapping[str, Any], team: str) -> bool:
    enterprise = user.get("enterprise_user")
    teams = enterprise.get("teams") if isinstance(enterprise, Mapping) else None
    return bool(team) and (user.get("team_id") == team or (isinstance(teams, list) and team in teams))


def person_with(email: str) -> User | None:
    """Letters outside ASCII are compared as they are: a database may take two of them for the same, and so two people."""
    if "@" not in email:
        return None
    found = [user for user in User.objects.filter(email__iexact=email, is_active=True) if _folded(user.email) == _folded(email)]
    return found[0] if len(found) == 1 else None


def _folded(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)
