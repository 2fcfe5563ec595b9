"""The form that chooses a channel and the corpus that it fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from assistant.slack.source.choosing import Choice
from ingestion.forms import AudienceForm


class SourceForm(AudienceForm):
    channel = forms.CharField(max_length=32, label="Channel", widget=forms.Select)  # any other gets a sentence of its own
    name = forms.CharField(max_length=120, label="Name of the corpus")
    is_for_slack = forms.BooleanField(required=False, label="May be answered in Slack")
    field_order = ("channel", "name", "audience", "groups", "is_for_slack")

    def __init__(self, *args: Any, choices: Sequence[Choice], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(choice.channel, f"#{choice.name}") for choice in choices if not choice.refusal]
        self.fields["channel"].widget.choices = [("", "Choose a channel"), *offered]
