"""Whether Slack is on: by its tokens, and without them not at all."""

from __future__ import annotations

from django.conf import settings


def is_on() -> bool:
    """This process may speak with Slack."""
    return bool(settings.SLACK_BOT_TOKEN)


def takes_http() -> bool:
    return is_on() and bool(settings.SLACK_SIGNING_SECRET)


def takes_socket() -> bool:
    return is_on() and bool(settings.SLACK_APP_TOKEN)
