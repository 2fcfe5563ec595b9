"""A document as it is read on a page: pictures of PDF pages with the evidence boxed, everything else as safe HTML.

The caller has passed the gate: nothing here asks who reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from django.urls import reverse
from django.utils.safestring import SafeString

from ingestion.models import Document, DocumentState, DocumentText
from ingestion.page_images import has_page_images
from ingestion.parsers.base import Block, ParseError, block_from_json
from ingestion.reading_html import Mark, cut_parts, render_blocks
from ingestion.services import original_path

if TYPE_CHECKING:
    from ingestion.rendering import PageBoxes

Span = tuple[int, int]
_NOTHING = SafeString("")
PAGES_IN_PART = 10
MAX_MARKS = 40
MAX_QUOTE = 4000  # characters; a longer quote is looked for at its place only
A4 = (595.0, 842.0)  # points: a page's size until its picture says otherwise

CHANGED = "This document has changed since; the quoted words are no longer in it."
NOT_READ_YET = "This document is still being read. Open it again in a moment."
NEW_VERSION = "A new version of this document is being read. Until it is ready, you see the version before it."
NO_PICTURE = "Some pages cannot be shown as pictures; their text is shown instead."


@dataclass(frozen=True, slots=True)
class EvidenceBox:
    """A rectangle on a page, in points from the top left, written as an SVG attribute. `id` is "" after a mark's first."""

    x: str
    y: str
    width: str
    height: str
    id: str
    is_focus: bool


@dataclass(frozen=True, slots=True)
class PageView:
    """One page of a PDF: its picture (image_url, "" = none), its size in points, the evidence on it, and its text."""

    number: int
    image_url: str
    width: int
    height: int
    boxes: tuple[EvidenceBox, ...]
    html: SafeString
    has_evidence: bool


@dataclass(frozen=True, slots=True)
class DocumentView:
    """What the templates show. Either `pages` or `html`; `part` of `parts` counts from 1; notices are sentences."""

    pages: tuple[PageView, ...] = ()
    html: SafeString = _NOTHING
    part: int = 1
    parts: int = 1
    notices: tuple[str, ...] = ()


class EvidenceLink(TypedDict):
    """One piece of evidence for the panel's previous and next: where it is ("Page 14"), and its address."""

    label: str
    url: str


def build_view(
    document: Document,
    *,
    marks: Sequence[Span],
    focus: Span | None,
    part: int | None = None,
    only_evidence: bool = False,
) -> DocumentView:
    """The part of the document that holds the focus (or part number `part`), with the marked spans shown.

    `only_evidence` leaves out the pages of a PDF that hold none.
    """
    content = DocumentText.objects.filter(document=document.pk).first()
    if content is None or not content.text:
        return DocumentView(notices=(document.error_message or NOT_READ_YET,))
    blocks = tuple(block_from_json(block) for block in content.blocks)
    numbered = _numbered(marks, focus, len(content.text))
    build = _page_view if has_page_images(document) else _text_view
    view = build(document, content.text, blocks, numbered, part, only_evidence)
    return replace(view, notices=(*_state_notices(document), *view.notices))


def locate(text: str, quote: str, span: Span) -> Span | None:
    """Where the quoted words are now: at their place, else at the nearest place that has them; None when gone."""
    start, end = span
    if text[start:end] == quote or not quote.strip():
        return span if end <= len(text) and start < end else None
    if len(quote) > MAX_QUOTE:
        return None
    pattern = re.compile(r"\s+".join(re.escape(word) for word in quote.split()))
    found = [match.span() for match in pattern.finditer(text)]
    return min(found, key=lambda place: abs(place[0] - start), default=None)


def document_panel_context(
    document: Document,
    *,
    marks: Sequence[Span],
    focus: Span | None,
    quotes: Mapping[Span, str] | None = None,
    evidence: Sequence[EvidenceLink] = (),
    position: int = 0,
    close_url: str = "",
    newer: Document | None = None,
) -> dict[str, object]:
    """The context of ingestion/_document_panel.html: the document opened at `focus`, among the other `marks`.

    `quotes` gives the words each span had when it was cited: a span whose words have moved follows them, one whose words
    are gone is left out with a notice. `evidence[position]` is the one that is open; its neighbours become previous and
    next. `close_url` is where the close button leads without JavaScript. `newer`: its newest version, where it is an earlier one.
    """
    text = DocumentText.objects.filter(document=document.pk).values_list("text", flat=True).first() or ""
    wanted = dict.fromkeys([*marks, focus] if focus else marks)
    places = {span: locate(text, (quotes or {}).get(span, ""), span) for span in wanted}
    here = places.get(focus) if focus else None
    found = [place for place in places.values() if place]
    view = build_view(document, marks=found, focus=here, only_evidence=True)
    is_lost = bool(text) and focus is not None and here is None
    return {
        "document": document,
        "newer": newer,
        "view": view,
        "quote": " ".join(text[slice(*here)].split()) if here and has_page_images(document) else "",
        "notices": [*([CHANGED] if is_lost else []), *view.notices],
        "label": evidence[position]["label"] if position < len(evidence) else "",
        "position": position + 1,
        "total": len(evidence),
        "previous_url": evidence[position - 1]["url"] if 0 < position < len(evidence) else "",
        "next_url": evidence[position + 1]["url"] if position + 1 < len(evidence) else "",
        "close_url": close_url,
        "full_url": reading_url(document, here),
    }


def reading_url(document: Document, span: Span | None = None) -> str:
    """The document's own page, opened at the span."""
    url = reverse("ingestion:document", args=[document.pk])
    return f"{url}?start={span[0]}&end={span[1]}#evidence-1" if span else url


def _state_notices(document: Document) -> tuple[str, ...]:
    is_replaced = document.revision > 0 and document.state not in (DocumentState.READY, DocumentState.FAILED)
    return (NEW_VERSION,) if is_replaced else ()


def _numbered(marks: Sequence[Span], focus: Span | None, length: int) -> tuple[Mark, ...]:
    """The marks that lie in the text, the focus first (it is evidence-1), then in the order of the text."""
    spans = {(max(start, 0), min(end, length)) for start, end in marks}
    rest = sorted(span for span in spans if span[0] < span[1] and span != focus)
    first = [focus] if focus and 0 <= focus[0] < focus[1] <= length else []
    return tuple(Mark(*span, number, span == focus) for number, span in enumerate([*first, *rest][:MAX_MARKS], start=1))


# --- Text ---------------------------------------------------------------------------------------------------------------


def _text_view(
    document: Document, text: str, blocks: Sequence[Block], marks: Sequence[Mark], part: int | None, only_evidence: bool
) -> DocumentView:
    parts = cut_parts(blocks)
    if part is None:
        part = next((number for number, piece in enumerate(parts, start=1) if marks and _touched(piece, marks[:1])), 1)
    part = min(max(part, 1), len(parts))
    headers = {block.table: block for block in blocks if block.is_header and block.table is not None}
    html = render_blocks(text, parts[part - 1], marks, headers=headers, slides=document.format == "pptx")
    return DocumentView(html=html, part=part, parts=len(parts))


def _touched(blocks: Sequence[Block], marks: Sequence[Mark]) -> bool:
    return any(mark.touches(block.start, block.end) for block in blocks for mark in marks)


# --- Pages --------------------------------------------------------------------------------------------------------------


def _page_view(
    document: Document, text: str, blocks: Sequence[Block], marks: Sequence[Mark], part: int | None, only_evidence: bool
) -> DocumentView:
    total = document.pages or max((block.page or 1 for block in blocks), default=1)
    by_page: dict[int, list[Block]] = {}
    for block in blocks:
        by_page.setdefault(block.page or 1, []).append(block)
    touched = {page: [mark for mark in marks if _touched(group, [mark])] for page, group in by_page.items()}
    evidence_pages = sorted(page for page, found in touched.items() if found)
    first = next((page for page in evidence_pages if touched[page][0].number == 1), 1)
    parts = -(-total // PAGES_IN_PART)
    part = min(max(part or -(-first // PAGES_IN_PART), 1), parts)
    numbers = range((part - 1) * PAGES_IN_PART + 1, min(part * PAGES_IN_PART, total) + 1)
    shown = (evidence_pages or [1]) if only_evidence else list(numbers)
    named: set[int] = set()
    pages = tuple(_page(document, number, text, by_page.get(number, []), touched.get(number, []), named) for number in shown)
    notices = (NO_PICTURE,) if any(not page.image_url for page in pages) else ()
    return DocumentView(pages=pages, part=part, parts=parts, notices=notices)


def _page(
    document: Document, number: int, text: str, blocks: Sequence[Block], marks: Sequence[Mark], named: set[int]
) -> PageView:
    sizes = [_find(document, number, text[mark.start : mark.end]) for mark in marks]
    found = [size for size in sizes if size is not None]
    has_picture = len(found) == len(sizes)
    width, height = (found[0].width, found[0].height) if found else A4
    boxes: list[EvidenceBox] = []
    for mark, size in zip(marks, sizes, strict=True):
        boxes += _boxes(mark, size, named) if size and has_picture else []
    return PageView(
        number=number,
        image_url=reverse("ingestion:page_image", args=[document.pk, number]) if has_picture else "",
        width=round(width),
        height=round(height),
        boxes=tuple(boxes),
        html=render_blocks(text, blocks, [replace(mark, number=0) for mark in marks] if boxes else marks),
        has_evidence=bool(marks),
    )


def _find(document: Document, page: int, quote: str) -> PageBoxes | None:
    from ingestion.rendering import find_boxes

    try:
        return find_boxes(original_path(document), page, quote)
    except ParseError:
        return None


def _boxes(mark: Mark, found: PageBoxes, named: set[int]) -> list[EvidenceBox]:
    """A little larger than the words, so that the letters stand free."""
    boxes = []
    for x, y, width, height in found.boxes:
        anchor = "" if mark.number in named else f"evidence-{mark.number}"
        named.add(mark.number)
        sides = (f"{x - 1.5:.1f}", f"{y - 1:.1f}", f"{width + 3:.1f}", f"{height + 2:.1f}")
        boxes.append(EvidenceBox(*sides, id=anchor, is_focus=mark.is_focus))
    return boxes
