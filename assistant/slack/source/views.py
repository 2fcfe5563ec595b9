"""The administrators' pages of channels that fill a corpus."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from assistant.slack.channels import ChannelError
from assistant.slack.client import SlackClient
from assistant.slack.source.choosing import Choice, choose_channel, go_on, offered_channels, stop_following
from assistant.slack.source.forms import SourceForm
from assistant.slack.source.marks import compare_now
from assistant.slack.source.models import SlackSource, SourceState
from assistant.slack.switch import is_on
from assistant.views.requests import PersonRequest
from ingestion.errors import IngestionError


def new_source(request: PersonRequest) -> HttpResponse:
    if not is_on():
        raise Http404
    client, choices = SlackClient(), list[Choice]()
    try:
        choices = offered_channels(client)
    except ChannelError as error:
        messages.error(request, error.public_message)
    form = SourceForm(request.POST or None, initial={"audience": "owner"}, choices=choices)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            source = choose_channel(
                client=client, channel=data["channel"], corpus_name=data["name"], groups=form.chosen_groups(),
                is_for_slack=data["is_for_slack"], by=request.user,
            )  # fmt: skip
        except ChannelError as error:
            form.add_error("channel", error.public_message)
        except IngestionError as error:
            form.add_error("name", error.public_message)
        else:
            messages.success(request, f"{source} fills “{source.corpus}” from now on. Reading what is there takes a while.")
            return redirect("assistant:slack")
    refused = [choice for choice in choices if choice.refusal]
    return render(request, "assistant/slack_source.html", {"form": form, "refused": refused})


def compare_source(request: PersonRequest, source_id: int) -> HttpResponse:
    source = get_object_or_404(SlackSource, pk=source_id)
    compare_now(source)
    messages.success(request, f"{source} is compared with its corpus, message by message.")
    return redirect("assistant:slack")


def stop_source(request: PersonRequest, source_id: int) -> HttpResponse:
    source = get_object_or_404(SlackSource, pk=source_id)
    stop_following(source=source)
    messages.success(request, f"{source} is not followed any more. “{source.corpus}” stays as it is; delete it in its settings.")
    return redirect("assistant:slack")


def resume_source(request: PersonRequest, source_id: int) -> HttpResponse:
    """Of a channel that was closed, after somebody looked."""
    source = get_object_or_404(SlackSource, pk=source_id, state=SourceState.CLOSED)
    if not is_on():
        raise Http404
    try:
        go_on(client=SlackClient(), source=source)
    except ChannelError as error:
        messages.error(request, error.public_message)
    else:
        messages.success(
            request, f"{source} is followed again. “{source.corpus}” stays closed until you open it in its settings."
        )
    return redirect("assistant:slack")
