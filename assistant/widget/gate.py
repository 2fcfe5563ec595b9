"""The first gate of the widget: a page's token in the Authorization header, or else the person's session."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

from assistant.api.models import ApiToken
from assistant.views.requests import PersonRequest
from assistant.widget.tokens import read_token

ORIGIN_HEADER = "X-Widget-Origin"  # of the page around the frame, as the browser told the frame


class WidgetRequest(PersonRequest):
    """A request that passed the gate. `service`: whose token stands for the person; None with a session."""

    service: ApiToken | None


def refusal_from_widget(request: HttpRequest) -> HttpResponse | None:
    """None when it is somebody's. A token counts alone, whatever session the browser may have, and no page elsewhere can send its
    header unasked; a session is believed only with the form's secret, since browsers send cookies of themselves."""
    if not settings.WIDGET_ORIGINS:
        raise Http404
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        bearer = read_token(token.strip(), origin=request.headers.get(ORIGIN_HEADER, "")) if scheme.lower() == "bearer" else None
        if bearer is None:
            return HttpResponse(status=401)
        request.user, request.service = bearer.person, bearer.service  # type: ignore[attr-defined]
        return None
    request.service = None  # type: ignore[attr-defined]
    return _refusal_without_secret(request) if request.user.is_authenticated else HttpResponse(status=401)


def _refusal_without_secret(request: HttpRequest) -> HttpResponse | None:
    """Django's own check, which the widget's views leave to this gate."""
    return CsrfViewMiddleware(_never_called).process_view(request, _never_called, (), {})


def _never_called(request: HttpRequest) -> HttpResponseBase:
    raise AssertionError("The check of the secret calls no view.")
