"""The gates of golden questions: whoever manages a corpus and may read it. An administrator outside its audience gets 404.

What was expected, and what was answered, can tell what a document says; so both are shown only to those who may read the
documents behind them.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404

from assistant.golden.models import GoldenQuestion, GoldenRun
from ingestion.models import Corpus
from ingestion.permissions import AnyUser, managed_corpora, readable_corpora, readable_documents


def golden_corpora(user: AnyUser) -> QuerySet[Corpus]:
    """The corpora whose golden questions this person sees, changes and runs."""
    return managed_corpora(user).filter(pk__in=readable_corpora(user).values("pk"))


def get_golden_corpus_for(user: AnyUser, slug: str) -> Corpus:
    corpus = golden_corpora(user).filter(slug=slug).select_related("owner").first()
    if corpus is None:
        raise Http404
    return corpus


def get_golden_question_for(user: AnyUser, slug: str, question_id: int) -> GoldenQuestion:
    """A question to change: one whose expectation this person may see."""
    corpus = get_golden_corpus_for(user, slug)
    question = GoldenQuestion.objects.filter(corpus=corpus, pk=question_id).first()
    if question is None or not Sight(user, corpus).sees_expectation(question.document_name):
        raise Http404
    return question


def get_golden_run_for(user: AnyUser, slug: str, run_id: int) -> GoldenRun:
    corpus = get_golden_corpus_for(user, slug)
    run = (
        GoldenRun.objects.filter(corpus=corpus, pk=run_id).select_related("corpus", "asked_as", "started_by", "baseline").first()
    )
    if run is None:
        raise Http404
    return run


class Sight:
    """What of a corpus's expectations and answers one person may see, asked for many rows with one query."""

    def __init__(self, user: AnyUser, corpus: Corpus) -> None:
        self._is_owner = corpus.owner_id == user.pk
        documents = readable_documents(user).filter(corpus=corpus).values_list("pk", "source_name").distinct()
        self._documents = dict(documents)
        self._names = set(self._documents.values())

    @property
    def document_names(self) -> list[str]:
        return sorted(self._names)

    def sees_expectation(self, document_name: str) -> bool:
        """The owner reads all; others see what names no document or one that they may read."""
        return self._is_owner or not document_name or document_name in self._names

    def sees_answer(self, documents: Iterable[int]) -> bool:
        """A sentence is shown when every document behind it may be read."""
        return all(document in self._documents for document in documents)


def may_ask(person: User | None, corpus: Corpus) -> bool:
    return person is not None and readable_corpora(person).filter(pk=corpus.pk).exists()
