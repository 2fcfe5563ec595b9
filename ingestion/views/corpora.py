"""The list of corpora, one corpus with its documents, its settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from ingestion import services
from ingestion.errors import IngestionError
from ingestion.forms import CorpusForm
from ingestion.listing import STAGE_LABELS, WORKING, Counts, Filter, counts_of, listed_documents, rows_of
from ingestion.models import Corpus, DocumentState
from ingestion.permissions import get_managed_corpus_for, is_administrator, managed_corpora, readable_corpora
from ingestion.views.deleting import remember_deletion, sent_twice
from ingestion.views.requests import PersonRequest, page_of, render_dialog


def corpora(request: PersonRequest) -> HttpResponse:
    state = "documents__state"
    listed = (
        managed_corpora(request.user)
        .select_related("owner", "audience")
        .prefetch_related("audience__groups")
        .annotate(
            total=Count("documents"),
            ready=Count("documents", filter=Q(**{state: DocumentState.READY})),
            failed=Count("documents", filter=Q(**{state: DocumentState.FAILED})),
            working=Count("documents", filter=Q(**{f"{state}__in": WORKING})),
        )
    )
    return render(request, "ingestion/corpora.html", {"corpora": listed})


def new_corpus(request: PersonRequest) -> HttpResponse:
    may_change_owner = is_administrator(request.user)
    initial = {"audience": "owner", "owner": request.user}
    form = CorpusForm(request.POST or None, initial=initial, may_change_owner=may_change_owner)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            corpus = services.create_corpus(
                name=data["name"], description=data["description"], owner=data.get("owner", request.user),
                groups=form.chosen_groups(), is_for_slack=data.get("is_for_slack", False),
            )  # fmt: skip
        except IngestionError as error:
            form.add_error("name", error.public_message)
        else:
            return redirect("ingestion:corpus", slug=corpus.slug)
    return render(request, "ingestion/corpus_form.html", {"form": form, "corpus": None})


def corpus(request: PersonRequest, slug: str) -> HttpResponse:
    corpus = get_managed_corpus_for(request.user, slug)
    return render(request, "ingestion/corpus.html", listing_context(request, corpus))


def corpus_rows(request: PersonRequest, slug: str) -> HttpResponse:
    """What has changed since the page was last told: only the rows whose version differs from the one it sent."""
    context = listing_context(request, get_managed_corpus_for(request.user, slug))
    known = dict(pair.split(":", 1) for pair in request.GET.getlist("v") if ":" in pair)
    rows = {str(row.document.pk): row for row in context["rows"]}
    fresh = [row for pk, row in rows.items() if pk in known and known[pk] != row.version]
    is_behind = known.keys() != rows.keys()
    response = render(request, "ingestion/_live.html", {**context, "fresh": fresh, "is_behind": is_behind, "is_polled": True})
    if is_behind:
        response.headers["HX-Trigger"] = "documents-changed"
    return response


def listing_context(request: PersonRequest, corpus: Corpus) -> dict[str, Any]:
    wanted = Filter.from_query(request.GET)
    page = page_of(request, listed_documents(corpus, request.user, wanted))
    counts = counts_of(corpus)
    return {
        "corpus": corpus,
        "is_readable": readable_corpora(request.user).filter(pk=corpus.pk).exists(),
        "counts": counts,
        "filter": wanted,
        "stages": _stages(counts, wanted),
        "page": page,
        "rows": rows_of(page.object_list, request.user),
        "query": _query(wanted, page.number),
        "max_bytes": settings.MAX_UPLOAD_BYTES,
        "max_megabytes": settings.MAX_UPLOAD_BYTES // (1024 * 1024),
    }


def _stages(counts: Counts, wanted: Filter) -> list[dict[str, object]]:
    """The filter's choices with their counts; a stage that holds nothing is offered only while it is chosen."""
    listed = [(name, label, getattr(counts, name or "total")) for name, label in STAGE_LABELS.items()]
    return [
        {"name": name, "label": label, "count": count, "is_on": name == wanted.stage}
        for name, label, count in listed
        if count or name in ("", wanted.stage)
    ]


def _query(wanted: Filter, page: int) -> str:
    parts = {"find": wanted.text, "stage": wanted.stage, "page": str(page) if page > 1 else ""}
    return urlencode({name: value for name, value in parts.items() if value})


def corpus_settings(request: PersonRequest, slug: str) -> HttpResponse:
    corpus = get_managed_corpus_for(request.user, slug)
    may_change_owner = is_administrator(request.user)
    form = CorpusForm(request.POST or None, initial=CorpusForm.initial_of(corpus), may_change_owner=may_change_owner)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            services.update_corpus(
                corpus=corpus, name=data["name"], description=data["description"], owner=data.get("owner", corpus.owner),
                groups=form.chosen_groups(), is_for_slack=data.get("is_for_slack"),
            )  # fmt: skip
        except IngestionError as error:
            form.add_error("name", error.public_message)
        else:
            messages.success(request, "Saved.")
            return redirect("ingestion:corpus", slug=corpus.slug)
    return render(request, "ingestion/corpus_form.html", {"form": form, "corpus": corpus})


@sent_twice
def delete_corpus(request: PersonRequest, slug: str) -> HttpResponse:
    corpus = get_managed_corpus_for(request.user, slug)
    if request.method != "POST":
        return render_dialog(request, "ingestion/_delete_corpus.html", {"corpus": corpus, "total": corpus.documents.count()})
    back = _list_without(request, corpus)
    remember_deletion(request, back)
    services.delete_corpus(corpus=corpus)
    messages.success(request, f"“{corpus.name}” and its documents are deleted.")
    return redirect(back)


def _list_without(request: PersonRequest, corpus: Corpus) -> str:
    """Whose last corpus this was manages nothing any more, and has no such list."""
    has_others = is_administrator(request.user) or managed_corpora(request.user).exclude(pk=corpus.pk).exists()
    return reverse("ingestion:corpora") if has_others else settings.LOGIN_REDIRECT_URL
