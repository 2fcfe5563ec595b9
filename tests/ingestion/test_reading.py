"""How a document becomes a page: the part with the evidence, quotes that have moved, and pictures of a PDF's pages."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from ingestion import services
from ingestion.models import Document, DocumentState, DocumentText
from ingestion.parsers.base import Block, ParsedDocument, ParseError
from ingestion.reading import CHANGED, NO_PICTURE, NOT_READ_YET, build_view, document_panel_context, locate
from tests.ingestion.pages import lay_out

# --- Documents --------------------------------------------------------------------------------------------------------


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("alice")


def make_document(owner: User, text: str, blocks: Sequence[Block], **attributes: Any) -> Document:
    corpus = services.create_corpus(name=f"Corpus {Document.objects.count()}", owner=owner)
    values = {"format": "markdown", "state": DocumentState.READY, "revision": 1, **attributes}
    document = Document.objects.create(
        corpus=corpus,
        partition=services.get_partition(corpus, None),
        source_name="a",
        file="none",
        sha256="0" * 64,
        size=1,
        **values,
    )
    data = ParsedDocument(text=text, blocks=tuple(blocks)).to_json()
    DocumentText.objects.create(document=document, text=text, blocks=data["blocks"])
    return document


def test_it_opens_the_part_that_holds_the_evidence(owner: User) -> None:
    text, blocks = lay_out(*((f"Paragraph {number}", {}) for number in range(1000)))
    document = make_document(owner, text, blocks)
    target = blocks[777]
    view = build_view(document, marks=[(target.start, target.end)], focus=(target.start, target.end))
    assert view.part == 4 and view.parts == 5
    assert '<mark id="evidence-1" class="on">Paragraph 777</mark>' in view.html
    assert "Paragraph 1<" in build_view(document, marks=[], focus=None, part=1).html


@pytest.mark.parametrize("part", [-5, 0, 99, 2**31])
def test_it_keeps_a_part_number_within_the_document(owner: User, part: int) -> None:
    text, blocks = lay_out(("One.", {}))
    assert build_view(make_document(owner, text, blocks), marks=[], focus=None, part=part).part == 1


@pytest.mark.parametrize("span", [(5, 5), (9, 3), (10**9, 10**9 + 5), (-4, -1)])
def test_it_ignores_a_span_that_is_not_in_the_text(owner: User, span: tuple[int, int]) -> None:
    text, blocks = lay_out(("One two three.", {}))
    assert "<mark" not in build_view(make_document(owner, text, blocks), marks=[span], focus=span).html


def test_it_says_that_a_document_without_text_is_still_being_read(owner: User) -> None:
    text, blocks = lay_out(("One.", {}))
    document = make_document(owner, text, blocks)
    document.content.delete()
    assert build_view(document, marks=[], focus=None).notices == (NOT_READ_YET,)


# --- Quotes -----------------------------------------------------------------------------------------------------------


def test_it_finds_a_quote_at_its_place_or_at_the_nearest_other() -> None:
    text = "27 days. Later: 27  days. Last: 27 days."
    assert locate(text, "27 days", (0, 7)) == (0, 7)
    assert locate(text, "27 days", (14, 21)) == (16, 24)
    assert locate(text, "28 days", (0, 7)) is None
    assert locate(text, "", (0, 999)) is None


def test_the_panel_follows_words_that_have_moved(owner: User) -> None:
    text, blocks = lay_out(("A new first line.", {}), ("Everyone gets 27 days.", {}))
    document = make_document(owner, text, blocks)
    context = document_panel_context(document, marks=[(0, 22)], focus=(0, 22), quotes={(0, 22): "Everyone gets 27 days."})
    assert '<mark id="evidence-1" class="on">Everyone gets 27 days.</mark>' in context["view"].html  # type: ignore[attr-defined]
    assert context["notices"] == []
    assert str(context["full_url"]).endswith(f"?start={blocks[1].start}&end={blocks[1].end}#evidence-1")


def test_the_panel_says_when_the_quoted_words_are_gone(owner: User) -> None:
    text, blocks = lay_out(("Everyone gets 30 days.", {}))
    context = document_panel_context(
        make_document(owner, text, blocks), marks=[(0, 22)], focus=(0, 22), quotes={(0, 22): "Everyone gets 27 days."}
    )
    assert context["notices"] == [CHANGED]
    assert "<mark" not in context["view"].html  # type: ignore[attr-defined]


def test_the_panel_knows_its_neighbours(owner: User) -> None:
    text, blocks = lay_out(("One two.", {}))
    links = [{"label": f"Page {number}", "url": f"/{number}/"} for number in (1, 2, 3)]
    document = make_document(owner, text, blocks)
    steps = [
        document_panel_context(document, marks=[(0, 3)], focus=(0, 3), evidence=links, position=position)  # type: ignore[arg-type]
        for position in range(3)
    ]
    assert [(step["previous_url"], step["label"], step["next_url"]) for step in steps] == [
        ("", "Page 1", "/2/"), ("/1/", "Page 2", "/3/"), ("/2/", "Page 3", ""),
    ]  # fmt: skip


# --- Pages of a PDF ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Boxes:
    width: float
    height: float
    boxes: tuple[tuple[float, float, float, float], ...]


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Stands for ingestion.rendering: one box for every quote, wherever it is."""
    module = types.ModuleType("ingestion.rendering")
    module.find_boxes = lambda path, page, quote: Boxes(600, 800, ((10, 20, 30, 8), (10, 30, 12, 8)))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ingestion.rendering", module)
    return module


def pdf(owner: User, pages: int = 30) -> tuple[Document, tuple[Block, ...]]:
    text, blocks = lay_out(*((f"Words of page {number}.", {"page": number}) for number in range(1, pages + 1)))
    return make_document(owner, text, blocks, format="pdf", pages=pages), blocks


def test_it_shows_only_the_pages_with_evidence_in_the_panel(owner: User, rendering: types.ModuleType) -> None:
    document, blocks = pdf(owner)
    spans = [(blocks[13].start, blocks[13].end), (blocks[4].start, blocks[4].end)]
    view = build_view(document, marks=spans, focus=spans[0], only_evidence=True)
    assert [page.number for page in view.pages] == [5, 14]
    boxes = view.pages[1].boxes
    assert [(box.id, box.is_focus) for box in boxes] == [("evidence-1", True), ("", True)]
    assert (boxes[0].x, boxes[0].y, boxes[0].width, boxes[0].height) == ("8.5", "19.0", "33.0", "10.0")
    assert view.pages[0].boxes[0].id == "evidence-2"
    assert '<mark class="on">Words of page 14.</mark>' in view.pages[1].html


def test_it_opens_the_ten_pages_around_the_evidence(owner: User, rendering: types.ModuleType) -> None:
    document, blocks = pdf(owner)
    view = build_view(document, marks=[(blocks[13].start, blocks[13].end)], focus=(blocks[13].start, blocks[13].end))
    assert [page.number for page in view.pages] == list(range(11, 21))
    assert (view.part, view.parts) == (2, 3)


def test_it_shows_the_text_of_a_page_that_has_no_picture(owner: User, rendering: types.ModuleType) -> None:
    def refuse(path: Path, page: int, quote: str) -> Boxes:
        raise ParseError("crashed", "The page could not be drawn.")

    rendering.find_boxes = refuse  # type: ignore[attr-defined]
    document, blocks = pdf(owner)
    span = (blocks[13].start, blocks[13].end)
    view = build_view(document, marks=[span], focus=span, only_evidence=True)
    assert view.notices == (NO_PICTURE,)
    assert view.pages[0].image_url == "" and '<mark id="evidence-1" class="on">' in view.pages[0].html


def test_it_marks_the_text_when_the_words_have_no_box(owner: User, rendering: types.ModuleType) -> None:
    rendering.find_boxes = lambda path, page, quote: Boxes(600, 800, ())  # type: ignore[attr-defined]
    document, blocks = pdf(owner)
    span = (blocks[2].start, blocks[2].end)
    page = build_view(document, marks=[span], focus=span, only_evidence=True).pages[0]
    assert page.image_url and not page.boxes and page.has_evidence
    assert '<mark id="evidence-1" class="on">' in page.html
