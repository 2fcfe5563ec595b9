"""The search test: what each stage did with a question, with its ranks side by side."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from assistant.explaining import COLUMNS, Explanation, explain_search
from assistant.views.requests import PersonRequest
from ingestion.filters import FilterError
from ingestion.models import Chunk
from ingestion.permissions import managed_corpora, readable_corpora
from ingestion.reading import reading_url
from retrieval.errors import RetrievalError

MAX_QUESTION = 500


def search_test(request: PersonRequest) -> HttpResponse:
    question = request.GET.get("q", "").strip()[:MAX_QUESTION]
    corpora = list(readable_corpora(request.user).filter(pk__in=managed_corpora(request.user).values("pk")).distinct())
    chosen = [corpus for corpus in corpora if corpus.slug == request.GET.get("corpus")] or corpora
    explanation: Explanation | None = None
    error = ""
    if question:
        try:
            explanation = explain_search(user=request.user, question=question, corpora=chosen)
        except RetrievalError as refused:
            error = refused.public_message
        except FilterError as refused:
            error = str(refused)
    rows = [
        (item, reading_url(item.chunk.document, (item.chunk.start, item.chunk.end)), place_of(item.chunk))
        for item in (explanation.passages if explanation else ())
    ]
    context = {
        "columns": COLUMNS.values(),
        "question": question, "corpora": corpora, "chosen": request.GET.get("corpus", ""), "explanation": explanation,
        "rows": rows, "error": error, "is_cut": len(request.GET.get("q", "").strip()) > MAX_QUESTION, "longest": MAX_QUESTION,
    }  # fmt: skip
    return render(request, "assistant/search_test.html", context)


def place_of(chunk: Chunk) -> str:
    """Where in its document a passage is: "Page 14", "Sheet Limits", or the heading above it."""
    if chunk.sheet:
        return f"Sheet {chunk.sheet}"
    if chunk.page:
        return f"{'Slide' if chunk.document.format == 'pptx' else 'Page'} {chunk.page}"
    return chunk.heading_path[-1] if chunk.heading_path else ""
