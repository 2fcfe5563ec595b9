"""A workspace on loopback that speaks Slack's Web API: accounts, channels, and what was said in them."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

TEAM, BOT = "T1", "UBOT"
SECRET = "a-signing-secret"
SCOPES = (
    "app_mentions:read,assistant:write,channels:history,channels:read,chat:write,commands,groups:history,groups:read,im:history,im:read,mpim:read,"
    "reactions:write,users:read,users:read.email"
)
JSON_FIELDS = ("blocks", "metadata")


@dataclass
class Call:
    method: str
    fields: dict[str, Any]

    @property
    def words(self) -> str:
        """All that a person could read of it."""
        return json.dumps([self.fields.get("text"), self.fields.get("blocks")], ensure_ascii=False)


@dataclass
class SlackServer:
    """`before`: called with each call before it is answered; it may return the answer itself, as (status, headers, body)."""

    url: str
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # by channel and ts, those of the bot
    spoken: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # by channel and ts, what people said
    calls: list[Call] = field(default_factory=list)
    scopes: str = SCOPES
    page: int = 2  # members or messages told at once
    before: Callable[[Call], tuple[int, dict[str, str], dict[str, Any]] | None] = lambda call: None

    def add_user(self, slack_id: str, email: str, **fields: Any) -> None:
        about = {"id": slack_id, "team_id": TEAM, "is_email_confirmed": True, "profile": {"email": email}}
        self.users[slack_id] = {**about, **fields}

    def add_channel(self, channel: str, members: list[str], **fields: Any) -> None:
        self.channels[channel] = {"id": channel, **fields}
        self.members[channel] = [*members, BOT]

    def say(self, channel: str, ts: str, text: str, *, user: str = "UBEN", **fields: Any) -> dict[str, Any]:
        message = {"type": "message", "user": user, "ts": ts, "text": text, **fields}
        self.spoken.setdefault(channel, {})[ts] = message
        return message

    def called(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    @property
    def reactions(self) -> list[str]:
        return [call.fields["name"] for call in self.called("reactions.add")]

    def said(self) -> str:
        """All that anybody could read."""
        return "\n".join(call.words for call in self.calls if call.method.startswith(("chat.", "response")))

    def answer(self, call: Call) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912 - one for each method
        fields = call.fields
        if call.method == "auth.test":
            return {"ok": True, "team_id": TEAM, "team": "Example", "user_id": BOT, "url": "https://example.slack.com/"}
        if call.method == "users.info":
            found = self.users.get(fields["user"])
            return {"ok": True, "user": found} if found else {"ok": False, "error": "user_not_found"}
        if call.method == "conversations.info":
            found = self.channels.get(fields["channel"])
            return {"ok": True, "channel": found} if found else {"ok": False, "error": "channel_not_found"}
        if call.method == "conversations.members":
            start, listed = int(fields.get("cursor") or 0), self.members[fields["channel"]]
            end = start + self.page
            cursor = str(end) if end < len(listed) else ""
            return {"ok": True, "members": listed[start:end], "response_metadata": {"next_cursor": cursor}}
        if call.method == "users.conversations":
            return {"ok": True, "channels": [about for about in self.channels.values() if about.get("is_member")]}
        if call.method == "conversations.history":
            return self._history(fields)
        if call.method == "conversations.replies" and fields["channel"] in self.spoken:
            return self._thread(fields)
        if call.method == "conversations.replies":
            return {"ok": True, "messages": list(self.messages.get(fields["channel"], {}).values())}
        if call.method == "chat.postMessage":
            ts = f"9000.{len(self.called('chat.postMessage')):06d}"
            self.messages.setdefault(fields["channel"], {})[ts] = {**fields, "ts": ts}
            return {"ok": True, "ts": ts, "channel": fields["channel"]}
        if call.method in ("chat.update", "chat.delete"):
            kept = self.messages.get(fields["channel"], {})
            if fields["ts"] not in kept:
                return {"ok": False, "error": "message_not_found"}
            if call.method == "chat.delete":
                del kept[fields["ts"]]
            else:
                kept[fields["ts"]].update(fields)
            return {"ok": True, "ts": fields["ts"]}
        return {"ok": True, "url": "wss://127.0.0.1:1/"}

    def _history(self, fields: dict[str, Any]) -> dict[str, Any]:
        """As Slack tells it: newest first, without the replies in threads, of which the first message says how many there are."""
        oldest, latest = float(fields.get("oldest") or 0), float(fields.get("latest") or "inf")
        spoken = self.spoken.get(fields["channel"], {})
        top = [
            {**message, **self._replies_to(spoken, ts)}
            for ts, message in sorted(spoken.items(), reverse=True)
            if oldest < float(ts) < latest
            and (message.get("thread_ts", ts) == ts or message.get("subtype") == "thread_broadcast")
        ]
        return {"ok": True, "messages": top[: self.page], "has_more": len(top) > self.page}

    def _thread(self, fields: dict[str, Any]) -> dict[str, Any]:
        spoken, root = self.spoken[fields["channel"]], fields["ts"]
        replies = [message for ts, message in sorted(spoken.items()) if message.get("thread_ts") == root and ts != root]
        first = [{**spoken[root], **self._replies_to(spoken, root)}] if root in spoken else []
        if not first and not replies:
            return {"ok": False, "error": "thread_not_found"}
        start = int(fields.get("cursor") or 0)
        end = start + self.page
        return {"ok": True, "messages": [*first, *replies[start:end]],
                "response_metadata": {"next_cursor": str(end) if end < len(replies) else ""}}  # fmt: skip

    @staticmethod
    def _replies_to(spoken: dict[str, dict[str, Any]], root: str) -> dict[str, Any]:
        replies = [ts for ts, message in spoken.items() if message.get("thread_ts") == root and ts != root]
        return {"thread_ts": root, "reply_count": len(replies), "latest_reply": max(replies)} if replies else {}


@contextmanager
def slack_server() -> Iterator[SlackServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

        def do_GET(self) -> None:
            self._serve("")

        def _serve(self, body: str) -> None:
            path = urlsplit(self.path)
            sent = path.query or body
            fields = json.loads(body) if body.startswith("{") else {name: values[0] for name, values in parse_qs(sent).items()}
            for name in JSON_FIELDS:
                if isinstance(fields.get(name), str):
                    fields[name] = json.loads(fields[name])
            call = Call(path.path.removeprefix("/api/").removeprefix("/"), fields)
            served.calls.append(call)
            status, headers, reply = served.before(call) or (200, {}, served.answer(call))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("x-oauth-scopes", served.scopes)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = SlackServer(f"http://127.0.0.1:{server.server_port}/api/")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- What Slack sends -------------------------------------------------------------------------------------------------


def signed(body: str, *, age: int = 0, secret: str = SECRET) -> dict[str, str]:
    stamp = str(int(time.time()) - age)
    digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def event_body(event: dict[str, Any], *, event_id: str, team: str = TEAM) -> dict[str, Any]:
    return {"type": "event_callback", "team_id": team, "event_id": event_id, "event": event,
            "authorizations": [{"user_id": BOT, "team_id": team}]}  # fmt: skip


def form_body(**fields: str) -> str:
    return urlencode(fields)
