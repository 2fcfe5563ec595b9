"""What the tests of the pages share: signed-in clients, and documents that are ready without the pipeline."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client

from ingestion.models import Chunk, Corpus, Document, DocumentState, DocumentText
from ingestion.parsers.base import Block, ParsedDocument
from ingestion.services import SAME_AUDIENCE, add_document

SECRET = "Fredonia pays the rebate in May."
HTMX = {"HTTP_HX_REQUEST": "true"}


def client_of(user: User | None, **options: bool) -> Client:
    client = Client(**options)
    if user is not None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def add_waiting(
    corpus: Corpus, name: str, content: bytes = b"content", groups: Iterable[Group] | None = SAME_AUDIENCE
) -> Document:
    """A document that is stored and queued."""
    added = add_document(corpus=corpus, source_name=name, content=io.BytesIO(content), uploaded_by=corpus.owner, groups=groups)
    assert added.document is not None
    return added.document


def add_ready(
    corpus: Corpus,
    name: str,
    text: str = SECRET,
    *,
    title: str = "",
    format: str = "text",
    pages: int | None = None,
    groups: Iterable[Group] | None = SAME_AUDIENCE,
) -> Document:
    """A document of one paragraph and one passage, as the pipeline leaves it."""
    document = add_waiting(corpus, name, text.encode(), groups)
    block = Block(kind="paragraph", start=0, end=len(text), page=1 if pages else None)
    DocumentText.objects.create(document=document, text=text, blocks=ParsedDocument(text, (block,)).to_json()["blocks"])
    Chunk.objects.create(document=document, revision=1, position=0, start=0, end=len(text), page=block.page, text=text)
    Document.objects.filter(pk=document.pk).update(
        state=DocumentState.READY, revision=1, chunk_count=1, chunks_embedded=1, title=title, format=format, pages=pages
    )
    document.refresh_from_db()
    return document


def fail(
    document: Document, message: str = "The file is protected by a password. Upload it without one.", *, code: str = "encrypted"
) -> Document:
    Document.objects.filter(pk=document.pk).update(state=DocumentState.FAILED, error_code=code, error_message=message)
    document.refresh_from_db()
    return document


def lay_out(*items: tuple[str, dict[str, Any]]) -> tuple[str, tuple[Block, ...]]:
    """A text and its blocks, from (text, block attributes)."""
    text, blocks = "", []
    for words, attributes in items:
        start = len(text)
        blocks.append(Block(**{"kind": "paragraph", **attributes, "start": start, "end": start + len(words)}))
        text += words + "\n\n"
    return text, tuple(blocks)
