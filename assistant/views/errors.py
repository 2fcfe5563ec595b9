"""The pages of what could not be shown. None says why to a stranger, all say what to do."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from assistant.api.errors import error_response

PROGRAMS = ("/api/", "/v1/")  # who asks there reads no pages


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(PROGRAMS):
        return error_response(404, "not_found", "There is nothing at this address. /api/docs lists what there is.")
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without context processors: the database may be what failed."""
    return HttpResponse(render_to_string("500.html"), status=500)
