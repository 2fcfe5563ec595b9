"""Reranking of one corpus: the choice, the figures behind it, and measuring them anew."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from assistant.reranking.measuring import queue_measurement
from assistant.reranking.models import Choice
from assistant.reranking.presentation import present_reranking
from assistant.reranking.services import set_choice
from assistant.reranking.using import LEAST_QUESTIONS
from assistant.views.requests import PersonRequest
from ingestion.permissions import get_managed_corpus_for, readable_corpora


def reranking(request: PersonRequest, slug: str) -> HttpResponse:
    """A POST sets the choice or, with “measure”, queues a measurement."""
    corpus = get_managed_corpus_for(request.user, slug)
    if request.method == "POST":
        if "measure" in request.POST:
            queue_measurement(corpus)
            messages.success(request, "The questions are asked in both orders now. The figures come here.")
        else:
            try:
                set_choice(corpus=corpus, choice=request.POST.get("choice", ""))
                messages.success(request, "Saved. It counts from the next question on.")
            except ValueError:
                messages.error(request, "Choose one of the three. Nothing was changed.")
        return redirect("assistant:reranking", slug=corpus.slug)
    context = {
        "corpus": corpus,
        "shown": present_reranking(corpus),
        "choices": Choice.choices,
        "least": LEAST_QUESTIONS,
        "is_readable": readable_corpora(request.user).filter(pk=corpus.pk).exists(),
    }
    return render(request, "assistant/_reranking.html" if request.htmx else "assistant/reranking.html", context)
