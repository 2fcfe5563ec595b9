"""The forms of corpora and documents: names, owners and audiences. What they mean is done by ingestion/services.py."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import Group, User

from ingestion.models import Audience, Corpus, Document
from ingestion.tags import TagError, read_tags

_NO_GROUP = "Choose at least one group, or another of the choices above."


class AudienceForm(forms.Form):
    """Who may read: a choice, and the groups where the choice is groups."""

    audience = forms.ChoiceField(widget=forms.RadioSelect, label="Who may read it")
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple, label="Groups"
    )
    everyone_label = "Everyone in the organization"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("everyone", self.everyone_label), ("groups", "Only these groups"), ("owner", "Only the corpus’s owner")]
        self.fields["audience"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("audience") == "groups" and not cleaned.get("groups"):
            self.add_error("groups", _NO_GROUP)
        return cleaned

    def chosen_groups(self) -> list[Group] | None:
        """None for everyone; an empty list for nobody but the owner."""
        choice = self.cleaned_data["audience"]
        if choice == "everyone":
            return None
        return list(self.cleaned_data["groups"]) if choice == "groups" else []

    @staticmethod
    def initial_for(audience: Audience | None) -> dict[str, Any]:
        if audience is None or audience.everyone:
            return {"audience": "everyone", "groups": []}
        groups = list(audience.groups.all())
        return {"audience": "groups" if groups else "owner", "groups": groups}


class DocumentAudienceForm(AudienceForm):
    """A document may be narrowed further than its corpus, never widened."""

    everyone_label = "Everyone who may read the corpus"

    @classmethod
    def for_document(cls, document: Document) -> DocumentAudienceForm:
        return cls(initial=cls.initial_for(document.partition.audience))


class TagsForm(forms.Form):
    """A document's tags on one line, between commas."""

    tags = forms.CharField(max_length=2000, required=False, label="Tags", widget=forms.TextInput(attrs={"autocomplete": "off"}))

    @classmethod
    def for_document(cls, document: Document) -> TagsForm:
        return cls(initial={"tags": ", ".join(tag.name for tag in document.tags.all())})

    def clean_tags(self) -> tuple[str, ...]:
        try:
            return read_tags(self.cleaned_data["tags"])
        except TagError as error:
            raise forms.ValidationError(str(error)) from None


class _PersonField(forms.ModelChoiceField):
    def label_from_instance(self, person: User) -> str:
        name = person.get_full_name()
        return f"{name} ({person.username})" if name else person.username


class CorpusForm(AudienceForm):
    """A corpus. Only an administrator may give it to another owner; for others the field is not there."""

    name = forms.CharField(max_length=120, label="Name")
    description = forms.CharField(max_length=2000, required=False, label="Description", widget=forms.Textarea(attrs={"rows": 3}))
    owner = _PersonField(queryset=User.objects.filter(is_active=True).order_by("username"), label="Owner")
    is_for_slack = forms.BooleanField(required=False, label="May be answered in Slack")
    field_order = ("name", "description", "owner", "audience", "groups", "is_for_slack")

    def __init__(self, *args: Any, may_change_owner: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_change_owner:
            del self.fields["owner"]
        if not settings.SLACK_BOT_TOKEN:
            del self.fields["is_for_slack"]

    @classmethod
    def initial_of(cls, corpus: Corpus) -> dict[str, Any]:
        names = {"name": corpus.name, "description": corpus.description, "owner": corpus.owner}
        return {**names, "is_for_slack": corpus.is_for_slack, **cls.initial_for(corpus.audience)}
