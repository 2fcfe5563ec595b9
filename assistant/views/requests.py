"""What the views share: the type of a request that passed the access table, and the addresses of a conversation."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from assistant.models import Answer


class PersonRequest(HttpRequest):
    """A request of a signed-in person."""

    user: User
    htmx: HtmxDetails


def number_in(text: str) -> int:
    """A row's number from a form; anything else is a page that does not exist."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Http404
    return int(text)


def turn_url(answer: Answer) -> str:
    """The conversation's page, at this answer."""
    return f"{reverse('assistant:conversation', args=[answer.conversation_id])}#turn-{answer.pk}"
