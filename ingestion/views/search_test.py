"""The search test: what a question finds in a corpus, with the dense, lexical and fused ranks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render

from ingestion.models import Chunk, Corpus
from ingestion.permissions import managed_corpora, readable_chunks, readable_corpora, readable_partitions
from ingestion.reading import reading_url
from ingestion.views.requests import PersonRequest
from retrieval.errors import RetrievalError

TOP_K = 20
MAX_QUESTION = 500


@dataclass(frozen=True, slots=True)
class Found:
    """A passage and its ranks; None where that search did not bring it."""

    chunk: Chunk
    url: str
    place: str
    fused: int | None
    dense: int | None
    lexical: int | None


@dataclass(frozen=True, slots=True)
class Tested:
    """The outcome of one search; timings in milliseconds by stage."""

    found: tuple[Found, ...] = ()
    timings: tuple[tuple[str, float], ...] = ()
    error: str = ""


def search_test(request: PersonRequest) -> HttpResponse:
    question = request.GET.get("q", "").strip()[:MAX_QUESTION]
    corpora = list(readable_corpora(request.user).filter(pk__in=managed_corpora(request.user).values("pk")).distinct())
    chosen = [corpus for corpus in corpora if corpus.slug == request.GET.get("corpus")] or corpora
    tested = _search(request, question, chosen) if question else None
    context = {"question": question, "corpora": corpora, "chosen": request.GET.get("corpus", ""), "tested": tested}
    return render(request, "ingestion/search_test.html", context)


def _search(request: PersonRequest, question: str, corpora: Sequence[Corpus]) -> Tested:
    from retrieval.search import search

    scope = [partition.key for partition in readable_partitions(request.user, corpora=corpora).distinct()]
    try:
        result = search(question, scope=scope, top_k=TOP_K)
    except RetrievalError as error:
        return Tested(error=error.public_message)
    ranks = [{hit.id: rank for rank, hit in enumerate(hits, start=1)} for hits in (result.hits, result.dense, result.lexical)]
    ids = list(dict.fromkeys(pk for ranked in ranks for pk in ranked))
    chunks = {chunk.pk: chunk for chunk in readable_chunks(request.user, ids).filter(document__corpus__in=corpora)}
    found = tuple(_found(chunks[pk], *(ranked.get(pk) for ranked in ranks)) for pk in ids if pk in chunks)
    return Tested(found, tuple(result.timings_ms.items()))


def _found(chunk: Chunk, fused: int | None, dense: int | None, lexical: int | None) -> Found:
    return Found(chunk, reading_url(chunk.document, (chunk.start, chunk.end)), place_of(chunk), fused, dense, lexical)


def place_of(chunk: Chunk) -> str:
    """Where in its document a passage is: "Page 14", "Sheet Limits", or the heading above it."""
    if chunk.sheet:
        return f"Sheet {chunk.sheet}"
    if chunk.page:
        return f"{'Slide' if chunk.document.format == 'pptx' else 'Page'} {chunk.page}"
    return chunk.heading_path[-1] if chunk.heading_path else ""
