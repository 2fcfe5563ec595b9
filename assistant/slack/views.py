"""Slack's requests, which are believed for their signature alone, and the administrators' page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from slack_sdk.signature import SignatureVerifier

from assistant.slack.checks import check_connection
from assistant.slack.models import EventState, Kind, SlackEvent
from assistant.slack.receiving import acknowledgement, receive
from assistant.slack.switch import is_on, takes_http, takes_socket
from assistant.views.requests import PersonRequest
from ingestion.models import Corpus

SHOWN = 100


@csrf_exempt  # signed by Slack; cookies count for nothing here
def events(request: HttpRequest) -> HttpResponseBase:
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    body = _json(request.body)
    if body is not None and body.get("type") == "url_verification":
        return JsonResponse({"challenge": str(body.get("challenge", ""))[:200]})
    return _receive(body)


@csrf_exempt
def interactions(request: HttpRequest) -> HttpResponseBase:
    return _refusal(request) or _receive(_json(request.POST.get("payload", "").encode("utf-8", "replace")))


@csrf_exempt
def commands(request: HttpRequest) -> HttpResponseBase:
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    if request.POST.get("ssl_check"):  # Slack asks now and then whether the certificate is good
        return HttpResponse()
    return _receive(request.POST.dict() if request.POST.get("command") else None)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Slack’s own check: over the bytes as they came, in constant time, of the last five minutes."""
    if not takes_http():
        raise Http404
    stamp, signature = request.headers.get("X-Slack-Request-Timestamp", ""), request.headers.get("X-Slack-Signature", "")
    try:
        is_signed = SignatureVerifier(settings.SLACK_SIGNING_SECRET).is_valid(request.body, stamp, signature)
    except (ValueError, TypeError):  # no number, or not text
        is_signed = False
    return None if is_signed else HttpResponse(status=401)


def _receive(body: Mapping[str, Any] | None) -> HttpResponse:
    if body is None:
        return HttpResponse(status=400)
    receive(body)
    reply = acknowledgement(body)
    return JsonResponse(reply) if reply else HttpResponse()


def _json(text: bytes) -> Mapping[str, Any] | None:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def slack(request: PersonRequest) -> HttpResponse:
    """Whether it is on, and what became of the latest events; a POST tests the connection."""
    checks = check_connection() if request.method == "POST" and is_on() else None
    recent = SlackEvent.objects.all()[:SHOWN]
    context = {
        "is_on": is_on(), "takes_http": takes_http(), "takes_socket": takes_socket(), "checks": checks, "events": recent,
        "corpora": Corpus.objects.filter(is_for_slack=True), "waiting": _waiting(),
    }  # fmt: skip
    return render(request, "assistant/slack.html", context)


def _waiting() -> int:
    return SlackEvent.objects.filter(state=EventState.WAITING).exclude(kind=Kind.OTHER).count()
