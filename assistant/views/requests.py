"""What the views share: the type of a request that passed the access table, and the addresses of a conversation."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import escape
from django_htmx.http import reswap, retarget
from django_htmx.middleware import HtmxDetails

from assistant.errors import QuestionError
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


def refusal_at_composer(error: QuestionError) -> HttpResponse:
    """For htmx: the sentence goes beside the composer, and what was typed stays there."""
    return reswap(retarget(HttpResponse(escape(error.public_message), status=422), "#composer-message"), "innerHTML")


def turn_url(answer: Answer) -> str:
    """The conversation's page, at this answer."""
    return f"{reverse('assistant:conversation', args=[answer.conversation_id])}#turn-{answer.pk}"
