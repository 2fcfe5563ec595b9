"""Reading a document: its page, the pictures of a PDF's pages, the original file. Each passes the reader's gate first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import content_disposition_header

from ingestion.page_images import has_page_images, page_png
from ingestion.parsers.base import ParseError
from ingestion.permissions import get_document_for, managed_corpora, readable_documents
from ingestion.reading import Span, build_view
from ingestion.services import original_path
from ingestion.versions import newest_version
from ingestion.views.requests import PersonRequest

SENT_AT_ONCE = 4 * 1024 * 1024  # bytes; a larger file is streamed
_BLOCK = 256 * 1024
_MAX_NUMBER = 2**31 - 1


def document(request: PersonRequest, document_id: int) -> HttpResponse:
    """The whole document, part by part; `start` and `end` mark a span of its text."""
    document = get_document_for(request.user, document_id)
    span = _span(request)
    view = build_view(document, marks=[span] if span else [], focus=span, part=_number(request, "part"))
    context = {
        "document": document,
        "newer": newest_version(document, readable_documents(request.user)),
        "view": view,
        "notices": view.notices,
        "marks_query": f"&start={span[0]}&end={span[1]}" if span else "",
        "is_managed": managed_corpora(request.user).filter(pk=document.corpus_id).exists(),
    }
    return render(request, "ingestion/document.html", context)


def page_image(request: PersonRequest, document_id: int, number: int) -> HttpResponse:
    document = get_document_for(request.user, document_id)
    if not has_page_images(document) or not 1 <= number <= (document.pages or 0):
        raise Http404
    headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
    try:
        return HttpResponse(page_png(document, number), content_type="image/png", headers=headers)
    except ParseError as error:
        return HttpResponse(error.public_message, content_type="text/plain; charset=utf-8", status=422, headers=headers)


def download(request: PersonRequest, document_id: int) -> HttpResponseBase:
    """The original, as bytes to keep: never shown by the browser in our own origin."""
    document = get_document_for(request.user, document_id)
    path = original_path(document)
    if not path.is_file():
        raise Http404
    size = path.stat().st_size
    content = path.read_bytes() if size <= SENT_AT_ONCE else None
    response = HttpResponse(content) if content is not None else StreamingHttpResponse(_blocks(path))
    response.headers["Content-Type"] = "application/octet-stream"
    response.headers["Content-Length"] = str(size)
    name = document.source_name.rsplit("/", 1)[-1]
    response.headers["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-store"
    return response


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    """Asynchronous, because Django reads a synchronous iterator to its end before it sends anything under ASGI."""
    with path.open("rb") as file:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block


def _span(request: HttpRequest) -> Span | None:
    start, end = _number(request, "start"), _number(request, "end")
    return (start, end) if start is not None and end is not None and start < end else None


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return min(int(text), _MAX_NUMBER) if text.isascii() and text.isdigit() and len(text) < 12 else None
