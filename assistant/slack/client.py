"""Everything that is said to Slack: the one way out of the building, with limits on time. No other module imports Slack's SDK but
those that receive its events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient

TIMEOUT_S = 10
PAGE = 200
TITLE = 75  # characters of a suggested question that are shown
HOOKS = "hooks.slack.com"  # where Slack takes the answers to commands and buttons
METADATA = "intramural_answer"
LONGEST_WAIT_S = 300.0
A_DAY_S = 86_400
PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})


class SlackError(Exception):
    """Slack did not do it. `code` is Slack's own word; `is_passing`: it may do so later."""

    UNREACHABLE = "unreachable"

    def __init__(self, method: str, code: str, *, is_passing: bool = False) -> None:
        super().__init__(f"Slack did not do {method}: {code}")
        self.code = code
        self.is_passing = is_passing

    @property
    def is_unreachable(self) -> bool:
        return self.code == self.UNREACHABLE


class SlackBusyError(SlackError):
    """Slack asks to wait."""

    def __init__(self, method: str, wait_s: float) -> None:
        super().__init__(method, "ratelimited", is_passing=True)
        self.wait_s = min(max(wait_s, 1.0), LONGEST_WAIT_S)


@dataclass(frozen=True, slots=True)
class Message:
    """`text` stands in notifications; `blocks` is what is shown."""

    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the token belongs to."""

    team: str
    team_name: str
    user: str
    scopes: frozenset[str]
    url: str  # of the workspace, for links to its messages


class SlackClient:
    """Slack's Web API. Nothing is tried twice by itself: a message that was accepted, and whose acceptance was lost on the way,
    would stand there twice."""

    def __init__(self) -> None:
        self._web = make_web_client()
        self._identity: Identity | None = None

    # --- Asking ---

    def identity(self) -> Identity:
        if self._identity is None:
            response = self._do("auth.test", self._web.auth_test)
            scopes = {name.lower(): value for name, value in response.headers.items()}.get("x-oauth-scopes", "")
            self._identity = Identity(
                team=str(response.get("team_id") or ""), team_name=str(response.get("team") or ""),
                user=str(response.get("user_id") or ""),
                scopes=frozenset(scope.strip() for scope in scopes.split(",") if scope.strip()),
                url=str(response.get("url") or ""),
            )  # fmt: skip
        return self._identity

    def user(self, user: str) -> dict[str, Any]:
        return dict(self._do("users.info", lambda: self._web.users_info(user=user)).get("user") or {})

    def channel(self, channel: str) -> dict[str, Any]:
        found = self._do("conversations.info", lambda: self._web.conversations_info(channel=channel))
        return dict(found.get("channel") or {})

    def members(self, channel: str) -> Iterator[str]:
        """The ids of all members, page by page."""
        for page in self._pages("conversations.members", self._web.conversations_members, channel=channel):
            yield from page.get("members") or []

    def public_channels(self) -> Iterator[dict[str, Any]]:
        """The public channels that we are a member of."""
        calls = self._pages("users.conversations", self._web.users_conversations, types="public_channel", exclude_archived=True)
        for page in calls:
            yield from page.get("channels") or []

    def history(self, channel: str, *, oldest: str, latest: str) -> tuple[list[dict[str, Any]], bool]:
        """The newest messages between the two, neither of which is one of them, newest first; and whether there are more. Not by
        Slack's cursor: the next call begins at the last ts, which another worker knows as well. There is always a `latest`,
        which may be a time to come: with `oldest` alone, Slack may tell the oldest first."""
        latest = latest or f"{time.time() + A_DAY_S:.6f}"
        page = self._do("conversations.history", lambda: self._web.conversations_history(
            channel=channel, oldest=oldest, latest=latest, inclusive=False, limit=PAGE,
        ))  # fmt: skip
        return list(page.get("messages") or []), bool(page.get("has_more"))

    def thread(self, channel: str, ts: str) -> Iterator[dict[str, Any]]:
        """A thread's messages in their order, the first one included."""
        for page in self._pages("conversations.replies", self._web.conversations_replies, channel=channel, ts=ts):
            yield from page.get("messages") or []

    def find_reply(self, channel: str, thread_ts: str, event: int) -> str:
        """The message in this thread that was posted for our event of this number; empty when there is none."""
        calls = self._pages("conversations.replies", self._web.conversations_replies, channel=channel, ts=thread_ts,
                            include_all_metadata=True)  # fmt: skip
        for page in calls:
            for message in page.get("messages") or []:
                about = message.get("metadata") or {}
                if about.get("event_type") == METADATA and (about.get("event_payload") or {}).get("event") == event:
                    return str(message.get("ts") or "")
        return ""

    def _pages(self, method: str, call: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
        cursor = ""
        while True:
            at = {"cursor": cursor} if cursor else {}
            page = self._do(method, partial(call, limit=PAGE, **arguments, **at))
            yield page
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    # --- Telling ---

    def post(self, channel: str, thread_ts: str, message: Message, *, event: int) -> str:
        """The new message's ts."""
        about = {"event_type": METADATA, "event_payload": {"event": event}}
        done = self._do("chat.postMessage", lambda: self._web.chat_postMessage(
            channel=channel, thread_ts=thread_ts or None, text=message.text, blocks=message.blocks or None, metadata=about,
            unfurl_links=False, unfurl_media=False, link_names=False, parse="none",
        ))  # fmt: skip
        return str(done.get("ts") or "")

    def update(self, channel: str, ts: str, message: Message) -> None:
        self._do("chat.update", lambda: self._web.chat_update(
            channel=channel, ts=ts, text=message.text, blocks=message.blocks, link_names=False, parse="none",
            unfurl_links=False, unfurl_media=False,
        ))  # fmt: skip

    def delete(self, channel: str, ts: str) -> None:
        self._do("chat.delete", lambda: self._web.chat_delete(channel=channel, ts=ts))

    def tell(self, channel: str, user: str, message: Message, *, thread_ts: str = "") -> None:
        """A message that only this person sees, and that is gone with the window."""
        self._do("chat.postEphemeral", lambda: self._web.chat_postEphemeral(
            channel=channel, user=user, thread_ts=thread_ts or None, text=message.text, blocks=message.blocks or None,
            link_names=False, parse="none",
        ))  # fmt: skip

    def respond(self, url: str, message: Message, *, is_for_all: bool = False) -> None:
        """Answer a command or a button at the address that came with it, which must be Slack's."""
        if not is_slacks(url):
            raise SlackError("the response", "not Slack's address")
        hook = WebhookClient(url, timeout=TIMEOUT_S, retry_handlers=[])
        try:
            done = hook.send(
                text=message.text, blocks=message.blocks or None, response_type="in_channel" if is_for_all else "ephemeral",
                replace_original=False, unfurl_links=False, unfurl_media=False,
            )  # fmt: skip
        except (OSError, SlackClientError, ValueError):
            raise SlackError("the response", SlackError.UNREACHABLE, is_passing=True) from None
        if done.status_code == 429:
            raise SlackBusyError("the response", _seconds(done.headers))
        if done.status_code >= 400:
            raise SlackError("the response", f"status {done.status_code}", is_passing=done.status_code >= 500)

    def suggest(self, channel: str, thread_ts: str, title: str, questions: Sequence[str]) -> None:
        """Questions to choose from, in the assistant's pane."""
        prompts = [{"title": question[:TITLE], "message": question} for question in questions]
        self._do("assistant.threads.setSuggestedPrompts", lambda: self._web.assistant_threads_setSuggestedPrompts(
            channel_id=channel, thread_ts=thread_ts, title=title, prompts=prompts,
        ))  # fmt: skip

    def revoke(self) -> None:
        """Give the token back. It opens nothing after this."""
        self._do("auth.revoke", self._web.auth_revoke)

    def react(self, channel: str, ts: str, name: str) -> None:
        self._do("reactions.add", lambda: self._web.reactions_add(channel=channel, timestamp=ts, name=name))

    def take_reaction_back(self, channel: str, ts: str, name: str) -> None:
        self._do("reactions.remove", lambda: self._web.reactions_remove(channel=channel, timestamp=ts, name=name))

    def open_socket(self) -> None:
        """Whether Slack would open a connection for the app's token."""
        self._do("apps.connections.open", lambda: self._web.apps_connections_open(app_token=settings.SLACK_APP_TOKEN))

    def _do(self, method: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except SlackApiError as error:
            raise _from_api(method, error.response) from None
        except (OSError, SlackClientError, ValueError):
            raise SlackError(method, SlackError.UNREACHABLE, is_passing=True) from None


def make_web_client() -> WebClient:
    return WebClient(token=settings.SLACK_BOT_TOKEN, base_url=settings.SLACK_API_URL, timeout=TIMEOUT_S, retry_handlers=[])


def is_slacks(url: str) -> bool:
    """Whether an address that came with an event is Slack's own, so that no event leads us elsewhere."""
    try:
        given, api = urlsplit(url), urlsplit(settings.SLACK_API_URL)
        return (given.scheme, given.netloc) in {("https", HOOKS), (api.scheme, api.netloc)}
    except ValueError:
        return False


def _from_api(method: str, response: Any) -> SlackError:
    status = getattr(response, "status_code", None) or (response.get("status") if isinstance(response, dict) else None) or 0
    if status == 429:
        return SlackBusyError(
            method, _seconds(response.headers if hasattr(response, "headers") else response.get("headers") or {})
        )
    code = response.get("error") if hasattr(response, "get") else None
    code = code if isinstance(code, str) else f"status {status}"
    if code == "ratelimited":
        return SlackBusyError(method, 10.0)
    return SlackError(method, code[:80], is_passing=status >= 500 or code in PASSING)


def _seconds(headers: Any) -> float:
    value = {str(name).lower(): value for name, value in dict(headers).items()}.get("retry-after", "")
    value = value[0] if isinstance(value, list) and value else value
    return float(value) if str(value).isdigit() else 10.0
