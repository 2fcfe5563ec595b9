"""Bringing documents in, and what an owner does with one: retry, delete, put tags on it, choose who may read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from ingestion import services
from ingestion.forms import DocumentAudienceForm, TagsForm
from ingestion.models import MAY_SUCCEED_AGAIN, Corpus, DocumentState
from ingestion.permissions import get_managed_corpus_for, get_managed_document_for
from ingestion.tags import TagError, read_tags, set_tags, tags_in
from ingestion.views.deleting import remember_deletion, sent_twice
from ingestion.views.requests import PersonRequest, changed, render_dialog


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of one file of an upload."""

    name: str
    outcome: services.Outcome
    message: str


def upload(request: PersonRequest, slug: str) -> HttpResponse:
    """Many files in one request; each has its own outcome. `paths` names them with their folders, in the same order; all of
    them get the `tags`."""
    corpus = get_managed_corpus_for(request.user, slug)
    files = request.FILES.getlist("files")
    paths = request.POST.getlist("paths")
    names = paths if len(paths) == len(files) else [file.name or "" for file in files]
    try:
        tags = read_tags(request.POST.get("tags", ""))
        outcomes = [_add(request, corpus, name, file, tags) for name, file in zip(names, files, strict=True)]
    except TagError as error:
        outcomes = [Uploaded(services.clean_source_name(name), "refused", str(error)) for name in names]
    if request.accepts("text/html"):
        return render(request, "ingestion/uploaded.html", {"corpus": corpus, "outcomes": outcomes})
    return JsonResponse({"files": [{"name": one.name, "outcome": one.outcome, "message": one.message} for one in outcomes]})


def _add(request: PersonRequest, corpus: Corpus, name: str, file: UploadedFile, tags: Sequence[str]) -> Uploaded:
    try:
        added = services.add_document(corpus=corpus, source_name=name, content=cast(BinaryIO, file), uploaded_by=request.user)
        added = services.with_tags(added, tags)
    except OSError:
        return Uploaded(services.clean_source_name(name), "refused", services.NOT_STORED)
    shown = added.document.source_name if added.document else services.clean_source_name(name)
    return Uploaded(shown or "A file without a name", added.outcome, added.message)


def retry_failed(request: PersonRequest, slug: str) -> HttpResponse:
    corpus = get_managed_corpus_for(request.user, slug)
    for document in corpus.documents.filter(state=DocumentState.FAILED, error_code__in=MAY_SUCCEED_AGAIN):
        services.retry_document(document=document)
    return changed(request, corpus, "The failed documents are read again.")


def retry_document(request: PersonRequest, document_id: int) -> HttpResponse:
    document = get_managed_document_for(request.user, document_id)
    services.retry_document(document=document)
    return changed(request, document.corpus, "The document is read again.")


@sent_twice
def delete_document(request: PersonRequest, document_id: int) -> HttpResponse:
    document = get_managed_document_for(request.user, document_id)
    if request.method != "POST":
        return render_dialog(request, "ingestion/_delete_document.html", {"document": document, "corpus": document.corpus})
    remember_deletion(request, reverse("ingestion:corpus", args=[document.corpus.slug]))
    services.delete_document(document=document)
    return changed(request, document.corpus, "The document is deleted.")


def document_audience(request: PersonRequest, document_id: int) -> HttpResponse:
    document = get_managed_document_for(request.user, document_id)
    form = DocumentAudienceForm(request.POST) if request.method == "POST" else DocumentAudienceForm.for_document(document)
    if form.is_bound and form.is_valid():
        services.narrow_document(document=document, groups=form.chosen_groups())
        return changed(request, document.corpus, "Saved. The document is indexed again for those who may read it.")
    return render_dialog(request, "ingestion/_audience.html", {"form": form, "document": document, "corpus": document.corpus})


def document_tags(request: PersonRequest, document_id: int) -> HttpResponse:
    document = get_managed_document_for(request.user, document_id)
    form = TagsForm(request.POST) if request.method == "POST" else TagsForm.for_document(document)
    if form.is_bound and form.is_valid():
        set_tags(document, form.cleaned_data["tags"])
        return changed(request, document.corpus, "Saved. A search with tag: finds the document by them.")
    context = {"form": form, "document": document, "corpus": document.corpus, "known": tags_in(document.corpus)}
    return render_dialog(request, "ingestion/_tags.html", context)
