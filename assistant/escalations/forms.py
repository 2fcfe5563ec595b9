"""The form that turns a reply into a document of a corpus, with its readers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User

from assistant.escalations.models import Escalation
from assistant.escalations.services import REPLY_CHARACTERS
from ingestion.forms import DocumentAudienceForm
from ingestion.models import Corpus
from ingestion.permissions import managed_corpora


class _CorpusField(forms.ModelChoiceField):
    def label_from_instance(self, corpus: Corpus) -> str:
        return f"{corpus.name} (read by {corpus.audience.in_words})"


class KeepForm(DocumentAudienceForm):
    """Only the corpora that the person manages are offered; the readers can only be narrowed."""

    title = forms.CharField(max_length=300, label="Title")
    text = forms.CharField(max_length=REPLY_CHARACTERS, label="Text", widget=forms.Textarea(attrs={"rows": 7}))
    corpus = _CorpusField(queryset=Corpus.objects.none(), label="Corpus", empty_label=None)
    field_order = ("title", "text", "corpus", "audience", "groups")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        corpora = managed_corpora(user).select_related("audience").prefetch_related("audience__groups")
        self.fields["corpus"].queryset = corpora  # type: ignore[attr-defined]

    @staticmethod
    def initial_of(escalation: Escalation) -> dict[str, Any]:
        last = escalation.messages.filter(is_reply=True).last()
        question = escalation.standalone_question or escalation.question
        corpus = escalation.document.corpus_id if escalation.document else escalation.corpus_id
        values = {"title": question[:300], "text": last.text if last else "", "corpus": corpus}
        return {
            **values,
            **DocumentAudienceForm.initial_for(escalation.document.partition.audience if escalation.document else None),
        }
