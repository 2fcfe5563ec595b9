"""Bringing documents in, and what an owner does with one: retry, delete, choose who may read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from ingestion import services
from ingestion.forms import DocumentAudienceForm
from ingestion.models import MAY_SUCCEED_AGAIN, Corpus, DocumentState
from ingestion.permissions import get_managed_corpus_for, get_managed_document_for
from ingestion.views.deleting import remember_deletion, sent_twice
from ingestion.views.requests import PersonRequest, changed, render_dialog


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of one file of an upload."""

    name: str
    outcome: services.Outcome
    message: str


def upload(request: PersonRequest, slug: str) -> HttpResponse:
    """Many files in one request; each has its own outcome. `paths` names them with their folders, in the same order."""
    corpus = get_managed_corpus_for(request.user, slug)
    files = request.FILES.getlist("files")
    paths = request.POST.getlist("paths")
    names = paths if len(paths) == len(files) else [file.name or "" for file in files]
    outcomes = [_add(request, corpus, name, file) for name, file in zip(names, files, strict=True)]
    if request.accepts("text/html"):
        return render(request, "ingestion/uploaded.html", {"corpus": corpus, "outcomes": outcomes})
    return JsonResponse({"files": [{"name": one.name, "outcome": one.outcome, "message": one.message} for one in outcomes]})


def _add(request: PersonRequest, corpus: Corpus, name: str, file: UploadedFile) -> Uploaded:
    try:
        added = services.add_document(corpus=corpus, source_name=name, content=cast(BinaryIO, file), uploaded_by=request.user)
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
