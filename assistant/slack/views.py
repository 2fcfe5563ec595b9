"""Slack's requests, which are believed for their signature alone, and the administrators' page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt
from slack_sdk.signature import SignatureVerifier

from assistant.slack.channels import SURENESS, ChannelError, switch_off, switch_on
from assistant.slack.checks import check_connection
from assistant.slack.client import SlackClient
from assistant.slack.leaving import disconnect
from assistant.slack.models import EventState, Kind, SlackChannel, SlackEvent
from assistant.slack.receiving import acknowledgement, receive
from assistant.slack.source.presentation import source_rows
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
        "channels": SlackChannel.objects.select_related("switched_on_by"), "sureness": SURENESS,
        "sources": source_rows(),
    }  # fmt: skip
    return render(request, "assistant/slack.html", context)


def switch_channel_on(request: PersonRequest) -> HttpResponse:
    """A channel answers by itself from now on, or with another measure."""
    if not is_on():
        raise Http404
    sureness = request.POST.get("least_sure", "")
    if sureness not in {str(value) for value, _ in SURENESS}:
        raise Http404
    try:
        made = switch_on(client=SlackClient(), place=request.POST.get("channel", ""), least_sure=int(sureness), by=request.user)
    except ChannelError as error:
        messages.error(request, error.public_message)
    else:
        messages.success(request, f"{made} answers by itself now.")
    return redirect("assistant:slack")


def switch_channel_off(request: PersonRequest, channel_id: int) -> HttpResponse:
    channel = get_object_or_404(SlackChannel, pk=channel_id)
    switch_off(channel=channel)
    messages.success(request, f"{channel} answers only when it is asked.")
    return redirect("assistant:slack")


def disconnect_slack(request: PersonRequest) -> HttpResponse:
    """Gives the token back and forgets the workspace. The token stands in the environment, from where we cannot remove it."""
    if not is_on():
        raise Http404
    forgotten, code = disconnect(SlackClient())
    if code:
        messages.error(request, f"Slack could not be told (it says “{code}”): remove the app there, too.")
    messages.success(request, f"{forgotten} Now remove the Slack tokens from the environment, and restart.")
    return redirect("assistant:slack")


def _waiting() -> int:
    return SlackEvent.objects.filter(state=EventState.WAITING).exclude(kind=Kind.OTHER).count()
