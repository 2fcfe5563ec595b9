"""/api/corpora and /api/documents: what the token's person may read, and what they may manage where the token has that scope."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, BinaryIO, cast

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from ninja import File, Query, Router, Schema
from ninja.files import UploadedFile
from ninja.responses import Status
from pydantic import BaseModel, Field, StrictBool

from assistant.api.errors import ApiError
from assistant.api.gate import ApiRequest
from assistant.api.models import ApiToken
from assistant.services import plain_text
from ingestion import services
from ingestion.errors import IngestionError
from ingestion.listing import rows_of
from ingestion.models import Corpus, Document, DocumentText
from ingestion.permissions import (
    can_manage_something,
    get_document_for,
    get_managed_corpus_for,
    get_managed_document_for,
    managed_corpora,
    readable_corpora,
    readable_documents,
)
from ingestion.tags import TagError, check_tags, set_tags

router = Router(tags=["Documents"])
PAGE = 100
FARTHEST = 10**9


class CorpusOut(Schema):
    slug: str
    name: str
    description: str
    can_read: bool
    can_manage: bool


class CorporaOut(Schema):
    corpora: list[CorpusOut]


class NewCorpus(BaseModel):
    name: str = Field(min_length=1, max_length=120, pattern=r"\S")
    description: str = Field(default="", max_length=2000)
    everyone: StrictBool = Field(description="whether everyone in the organization may read it; else its owner alone, for now")


class DocumentOut(Schema):
    id: int
    corpus: str
    source_name: str
    title: str
    format: str
    state: str = Field(description="queued, parsing, indexing, ready or failed")
    pages: int | None
    passages: int
    size: int
    tags: list[str]
    warnings: list[str]
    error: str
    updated_at: datetime


class TagsIn(BaseModel):
    tags: list[str] = Field(max_length=100)


class DocumentsOut(Schema):
    documents: list[DocumentOut]
    total: int
    next_offset: int | None


class AddedOut(Schema):
    outcome: str = Field(description="added, changed or unchanged")
    message: str
    document: DocumentOut


class TextOut(Schema):
    id: int
    title: str
    text: str
    start: int
    total_characters: int


def _token(request: HttpRequest) -> ApiToken:
    return cast(ApiRequest, request).token


def _may_manage(token: ApiToken) -> bool:
    return "manage" in token.scopes


# --- Corpora ----------------------------------------------------------------------------------------------------------


@router.get("/corpora", url_name="corpora", response=CorporaOut, summary="Corpora that may be read or managed")
def list_corpora(request: HttpRequest) -> dict[str, Any]:
    token = _token(request)
    readable = set(readable_corpora(token.user).values_list("pk", flat=True))
    managed = set(managed_corpora(token.user).values_list("pk", flat=True)) if _may_manage(token) else set()
    shown = Corpus.objects.filter(pk__in=readable | managed)
    return {"corpora": [_corpus(corpus, corpus.pk in readable, corpus.pk in managed) for corpus in shown]}


@router.post("/corpora", url_name="corpora", response={201: CorpusOut}, summary="Make a corpus")
def create_corpus(request: HttpRequest, body: NewCorpus) -> Any:

    token = _token(request)
    if not can_manage_something(token.user):
        raise Http404
    try:
        groups: list[Group] | None = None if body.everyone else []
        name, description = plain_text(body.name), plain_text(body.description)
        made = services.create_corpus(name=name, owner=token.user, description=description, groups=groups)
    except IngestionError as error:
        status = 409 if error.code == "corpus_name_taken" else 400
        raise ApiError(status, error.code, error.public_message, param="name") from None
    return Status(201, _corpus(made, can_read=True, can_manage=True))


@router.get("/corpora/{slug:slug}", url_name="corpus", response=CorpusOut, summary="One corpus")
def get_corpus(request: HttpRequest, slug: str) -> dict[str, Any]:
    corpus, can_read, can_manage = _corpus_for(_token(request), slug)
    return _corpus(corpus, can_read, can_manage)


@router.delete("/corpora/{slug:slug}", url_name="corpus", response={204: None}, summary="Delete a corpus with its documents")
def delete_corpus(request: HttpRequest, slug: str) -> None:
    services.delete_corpus(corpus=get_managed_corpus_for(_token(request).user, slug))


def _corpus(corpus: Corpus, can_read: bool, can_manage: bool) -> dict[str, Any]:
    return {
        "slug": corpus.slug, "name": corpus.name, "description": corpus.description, "can_read": can_read,
        "can_manage": can_manage,
    }  # fmt: skip


def _corpus_for(token: ApiToken, slug: str) -> tuple[Corpus, bool, bool]:
    """The corpus, whether it may be read, and whether it may be managed; Http404 when neither."""
    can_read = readable_corpora(token.user).filter(slug=slug).exists()
    can_manage = _may_manage(token) and managed_corpora(token.user).filter(slug=slug).exists()
    if not (can_read or can_manage):
        raise Http404
    return Corpus.objects.get(slug=slug), can_read, can_manage


# --- Documents --------------------------------------------------------------------------------------------------------


@router.get(
    "/corpora/{slug:slug}/documents", url_name="corpus_documents", response=DocumentsOut, summary="The documents of a corpus"
)
def list_documents(
    request: HttpRequest, slug: str, offset: int = Query(0, ge=0, le=FARTHEST), limit: int = Query(PAGE, ge=1, le=PAGE)
) -> dict[str, Any]:
    """A manager sees every row, of a document that they may not read without its title."""
    token = _token(request)
    corpus, _, can_manage = _corpus_for(token, slug)
    documents: QuerySet[Document] = readable_documents(token.user).filter(corpus=corpus).distinct()
    if can_manage:
        documents = corpus.documents.all()
    total, page = documents.count(), documents.select_related("corpus").order_by("source_name")[offset : offset + limit]
    following = offset + limit if offset + limit < total else None
    return {"documents": _documents(token, page), "total": total, "next_offset": following}


@router.post(
    "/corpora/{slug:slug}/documents", url_name="corpus_documents", response={202: AddedOut}, summary="Upload a document"
)  # fmt: skip
def upload_document(request: HttpRequest, slug: str, file: File[UploadedFile], name: str = "", tags: str = "") -> Any:
    """A known name replaces that document; unchanged bytes are skipped. `tags`, between commas, are added to those that it has.
    It is read in the background: ask for its state."""
    token = _token(request)
    corpus = get_managed_corpus_for(token.user, slug)
    wanted = _tags(tags.split(","))
    try:
        added = services.add_document(
            corpus=corpus, source_name=name or file.name or "", content=cast(BinaryIO, file), uploaded_by=token.user
        )
        added = services.with_tags(added, wanted)
    except OSError:
        raise ApiError(507, "not_stored", services.NOT_STORED) from None
    if added.document is None:
        raise ApiError(400, "refused", added.message, param="file")
    row = _documents(token, Document.objects.filter(pk=added.document.pk).select_related("corpus"))[0]
    return Status(202, {"outcome": added.outcome, "message": added.message, "document": row})


@router.get("/documents/{int:document_id}", url_name="document", response=DocumentOut, summary="A document and its state")
def get_document(request: HttpRequest, document_id: int) -> dict[str, Any]:
    return _documents(_token(request), [_document_for(_token(request), document_id)])[0]


@router.delete("/documents/{int:document_id}", url_name="document", response={204: None}, summary="Delete a document")
def delete_document(request: HttpRequest, document_id: int) -> None:
    services.delete_document(document=get_managed_document_for(_token(request).user, document_id))


@router.post(
    "/documents/{int:document_id}/retry", url_name="retry_document", response={202: DocumentOut}, summary="Read it again"
)  # fmt: skip
def retry_document(request: HttpRequest, document_id: int) -> Any:
    document = get_managed_document_for(_token(request).user, document_id)
    services.retry_document(document=document)
    document.refresh_from_db()
    return Status(202, _documents(_token(request), [document])[0])


@router.put(
    "/documents/{int:document_id}/tags", url_name="document_tags", response=DocumentOut, summary="Replace a document's tags"
)  # fmt: skip
def put_tags(request: HttpRequest, document_id: int, body: TagsIn) -> dict[str, Any]:
    document = get_managed_document_for(_token(request).user, document_id)
    set_tags(document, _tags(body.tags))
    return _documents(_token(request), [document])[0]


def _tags(names: Iterable[str]) -> tuple[str, ...]:
    try:
        return check_tags(names)
    except TagError as error:
        raise ApiError(400, "tag_refused", str(error), param="tags") from None


@router.get("/documents/{int:document_id}/text", url_name="document_text", response=TextOut, summary="What a document says")
def get_text(
    request: HttpRequest, document_id: int, start: int = Query(0, ge=0, le=FARTHEST), limit: int = Query(20_000, ge=1, le=100_000)
) -> dict[str, Any]:
    """The extracted text, piece by piece."""
    document = get_document_for(_token(request).user, document_id)
    content = DocumentText.objects.filter(document=document).first()
    text = content.text if content else ""
    piece = text[start : start + limit]
    return {"id": document.pk, "title": document.title, "text": piece, "start": start, "total_characters": len(text)}


def _document_for(token: ApiToken, document_id: int) -> Document:
    try:
        return get_document_for(token.user, document_id)
    except Http404:
        if not _may_manage(token):
            raise
    return get_managed_document_for(token.user, document_id)


def _documents(token: ApiToken, documents: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": row.document.pk, "corpus": row.document.corpus.slug, "source_name": row.document.source_name,
            "title": row.document.title if row.can_read else "", "format": row.document.format, "state": row.document.state,
            "pages": row.document.pages, "passages": row.document.chunk_count, "size": row.document.size,
            "tags": [tag.name for tag in row.document.tags.all()],
            "warnings": row.document.warnings, "error": row.document.error_message,
            "updated_at": row.document.updated_at,
        }
        for row in rows_of(documents, token.user)
    ]  # fmt: skip
