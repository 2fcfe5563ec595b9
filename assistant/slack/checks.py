"""Whether the installation can do what it needs to in Slack, as sentences for the administrator."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from assistant.slack.client import SlackClient, SlackError
from assistant.slack.source.models import SlackSource
from assistant.slack.switch import takes_http, takes_socket

SCOPES = {
    "app_mentions:read": "to hear when it is mentioned",
    "assistant:write": "to suggest questions in the assistant's pane",
    "channels:history": "to hear follow-ups in threads of public channels",
    "channels:read": "to see who is in a public channel",
    "chat:write": "to answer",
    "commands": "to take the command /ask",
    "groups:history": "to hear follow-ups in threads of private channels",
    "groups:read": "to see who is in a private channel",
    "im:history": "to read direct messages to it",
    "im:read": "to see whose direct message it is",
    "mpim:read": "to see who is in a group message",
    "reactions:write": "to show that it has seen a question",
    "users:read": "to tell members from guests",
    "users:read.email": "to find the account that belongs to somebody",
}
SOURCE_SCOPES = {  # where channels fill a corpus
    "channels:history": "to read the channels that fill a corpus",
    "channels:read": "to see that they are still public",
    "users:read": "to name the authors of their messages",
}


@dataclass(frozen=True, slots=True)
class Check:
    is_good: bool
    sentence: str


def check_connection() -> list[Check]:
    """Asks Slack, and says what works and what is missing."""
    client = SlackClient()
    try:
        us = client.identity()
    except SlackError as error:
        return [Check(is_good=False, sentence=_why(error))]
    checks = [Check(is_good=True, sentence=f"Slack knows the token: it belongs to the workspace “{us.team_name}”.")]
    needs = _needs()
    missing = sorted(needs.keys() - us.scopes)
    checks += [Check(is_good=False, sentence=f"The scope {scope} is missing; it is needed {needs[scope]}.") for scope in missing]
    if not missing:
        checks.append(Check(is_good=True, sentence="The token has all the scopes that are needed."))
    return [*checks, *_ways_in(client), *_sources()]


def _needs() -> dict[str, str]:
    """The scopes that are needed, and what for."""
    more = SOURCE_SCOPES if SlackSource.objects.exists() else {}
    both = {scope: f"{why}, and {more[scope]}" if scope in more else why for scope, why in SCOPES.items()}
    return {**more, **both}


def _sources() -> list[Check]:
    followed = SlackSource.objects.select_related("corpus")
    return [
        Check(is_good=False, sentence=f"{source} does not fill “{source.corpus}” now: {source.problem}")
        if source.problem
        else Check(is_good=True, sentence=f"{source} fills “{source.corpus}”.")
        for source in followed
    ]


def _ways_in(client: SlackClient) -> list[Check]:
    checks = []
    if takes_http():
        checks.append(Check(is_good=True, sentence="Events are taken over HTTP at /slack/events."))
    if takes_socket():
        try:
            client.open_socket()
            checks.append(Check(is_good=True, sentence="Slack opens a connection for Socket Mode; manage.py run_slack uses it."))
        except SlackError as error:
            checks.append(Check(is_good=False, sentence=f"Socket Mode does not work: Slack says “{error.code}”."))
    if not checks:
        checks.append(
            Check(
                is_good=False, sentence="Set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP), or no event arrives."
            )
        )
    if not settings.PUBLIC_URL:
        checks.append(Check(is_good=False, sentence="PUBLIC_URL is not set, so answers have no links to their sources."))
    return checks


def _why(error: SlackError) -> str:
    if error.is_passing:
        return f"Slack cannot be reached now ({error.code}). Is the way to {settings.SLACK_API_URL} open?"
    return f"Slack does not accept the token: it says “{error.code}”."
