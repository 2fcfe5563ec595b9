"""The forms of golden questions. What they mean is checked by assistant/golden/editing.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from assistant.golden.editing import Draft, phrases_of, tags_of, text_of
from assistant.golden.models import Expectation, GoldenQuestion
from ingestion.models import Corpus


class GoldenForm(forms.Form):
    """One golden question. `documents` are the names that are offered, those that the person may read."""

    question = forms.CharField(max_length=4000, label="Question", widget=forms.Textarea(attrs={"rows": 2}))
    expects = forms.ChoiceField(
        choices=[(Expectation.ANSWER, "An answer"), (Expectation.REFUSAL, "A refusal: the documents do not say")],
        widget=forms.RadioSelect, label="What must come", initial=Expectation.ANSWER,
    )  # fmt: skip
    must_contain = forms.CharField(
        max_length=9000, required=False, label="The answer must contain", widget=forms.Textarea(attrs={"rows": 3})
    )
    document = forms.CharField(
        max_length=500, required=False, label="It must cite", widget=forms.TextInput(attrs={"list": "documents"})
    )
    tags = forms.CharField(max_length=500, required=False, label="Tags")

    @staticmethod
    def initial_of(question: GoldenQuestion) -> dict[str, Any]:
        return {
            "question": question.question,
            "expects": question.expects,
            "must_contain": text_of(question.must_contain),
            "document": question.document_name,
            "tags": ", ".join(question.tags),
        }

    def draft(self) -> Draft:
        data = self.cleaned_data
        return Draft(
            question=data["question"],
            expects=data["expects"],
            must_contain=phrases_of(data["must_contain"]),
            document_name=data["document"].strip(),
            tags=tags_of(data["tags"]),
        )


class FromAnswerForm(GoldenForm):
    """The same for a question that was asked: also in which corpus."""

    corpus = forms.ModelChoiceField(queryset=Corpus.objects.none(), label="Corpus", empty_label=None)
    field_order: Sequence[str] = ["corpus", "question", "expects", "must_contain", "document", "tags"]

    def __init__(self, *args: Any, corpora: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["corpus"].queryset = corpora  # type: ignore[attr-defined]


class ImportForm(forms.Form):
    file = forms.FileField(label="File", widget=forms.ClearableFileInput(attrs={"accept": ".csv,.jsonl,.ndjson,.json,.tsv"}))
