"""What the views share: the type of a request that passed the access table, and two answers to htmx."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django_htmx.middleware import HtmxDetails

from ingestion.listing import PAGE_SIZE
from ingestion.models import Corpus, Document


class PersonRequest(HttpRequest):
    """A request of a signed-in person."""

    user: User
    htmx: HtmxDetails


def changed(request: PersonRequest, corpus: Corpus, message: str) -> HttpResponse:
    """After a change to documents: the page's script is told to look again; without it, back to the page with the message."""
    if request.htmx:
        return documents_changed()
    messages.success(request, message)
    return redirect("ingestion:corpus", slug=corpus.slug)


def documents_changed() -> HttpResponse:
    return HttpResponse(status=204, headers={"HX-Trigger": "documents-changed, dialog-done"})


def render_dialog(request: PersonRequest, template: str, context: dict[str, object]) -> HttpResponse:
    """The same form as a dialog's content, or as a page of its own, which has no dialog to answer to and is sent as pages are."""
    if request.htmx:
        return render(request, template, context)
    return render(request, "ingestion/dialog_page.html", {**context, "dialog": template})


def page_of(request: HttpRequest, documents: QuerySet[Document]) -> Page[Document]:
    return Paginator(documents, PAGE_SIZE).get_page(request.GET.get("page"))
