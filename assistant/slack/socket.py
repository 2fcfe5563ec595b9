"""Socket Mode: Slack's own client holds a connection that we opened, and every event is stored before it is acknowledged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from slack_bolt import App, BoltResponse
from slack_bolt.adapter.socket_mode import SocketModeHandler

from assistant.slack.client import make_web_client
from assistant.slack.receiving import acknowledgement, receive
from ingestion.connections import release_connection


def connect() -> SocketModeHandler:
    """Connected, and connected again by itself when Slack closes the connection."""
    handler = SocketModeHandler(make_app(), settings.SLACK_APP_TOKEN)
    handler.connect()  # type: ignore[no-untyped-call]
    return handler


def make_app() -> App:
    """One middleware for all that comes. When storing fails it raises, nothing is acknowledged, and Slack tells it again."""
    app = App(client=make_web_client(), token_verification_enabled=False, ignoring_self_events_enabled=False)
    app.use(_store)
    return app


def _store(body: dict[str, Any]) -> BoltResponse:
    close_old_connections()
    try:
        receive(body)
    finally:
        release_connection()
    reply = acknowledgement(body)
    headers: dict[str, str | Sequence[str]] = {"content-type": "application/json"}
    return BoltResponse(status=200, body=json.dumps(reply), headers=headers) if reply else BoltResponse(status=200)
