"""A form that deletes may be sent twice: by a second click, or from another tab. It leads where the first one led, and only in
the session that deleted: anyone else learns nothing of what is gone, not even that it was there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from ingestion.views.requests import PersonRequest, documents_changed

_DELETED = "deleted"  # in the session: the address of the form, and where its deletion led
_REMEMBERED = 20

View = Callable[..., HttpResponse]


def remember_deletion(request: HttpRequest, back: str) -> None:
    """To be called behind the gate and before the deletion, so that a second click finds it while the first is at work."""
    earlier = {path: led for path, led in request.session.get(_DELETED, {}).items() if path != request.path}
    request.session[_DELETED] = {**dict(list(earlier.items())[1 - _REMEMBERED :]), request.path: back}
    request.session.save()


def sent_twice(view: View) -> View:
    """A view that deletes what it is posted for."""

    @wraps(view)
    def once(request: PersonRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Http404:
            stored = type(request.session)(request.session.session_key)  # as it is now, not as it was when this request came
            back = stored.get(_DELETED, {}).get(request.path)
            if back is None or request.method != "POST":
                raise
        return documents_changed() if request.htmx else redirect(back)

    return once
