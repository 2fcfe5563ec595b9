"""The pages that show a document: the reading view, the pictures of its pages, and the original to keep."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.urls import reverse

from ingestion import page_images
from ingestion.models import Corpus, Document, DocumentText
from ingestion.page_images import forget_page_images
from ingestion.parsers.base import Block, ParsedDocument, ParseError
from ingestion.services import original_path
from ingestion.views import reading
from tests.data.pdfs import make_pdf, paragraphs
from tests.ingestion.pages import SECRET, add_ready, add_waiting, client_of
from tests.people import People, make_corpora

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\npicture"


@pytest.fixture
def sales(people: People) -> Corpus:
    return make_corpora(people)[1]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> list[int]:
    """Stands for ingestion.rendering; lists the pages that were drawn."""
    settings.DATA_DIR = tmp_path
    pages: list[int] = []
    module = types.ModuleType("ingestion.rendering")

    def render_page(path: Path, page: int, *, width: int) -> bytes:
        if page == 3:
            raise ParseError("crashed", "This page could not be drawn. Download the file to read it.")
        pages.append(page)
        return PNG

    module.render_page = render_page  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ingestion.rendering", module)
    return pages


def of(document: Document, name: str = "document", *more: int) -> str:
    return reverse(f"ingestion:{name}", args=[document.pk, *more])


# --- The reading view ------------------------------------------------------------------------------------------------


def test_it_shows_the_document_with_the_span_marked(people: People, sales: Corpus) -> None:
    document = add_ready(sales, "rebates.txt", title="Rebates")
    response = client_of(people.ben).get(of(document), {"start": "0", "end": "8"})
    page = response.content.decode()
    assert '<mark id="evidence-1" class="on">Fredonia</mark> pays the rebate' in page
    assert "<h1>Rebates</h1>" in page and "Visible to <b>Sales</b>" in page
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["document", "download"])
def test_it_shows_a_document_to_its_readers_only(people: People, sales: Corpus, name: str) -> None:
    document = add_ready(sales, "rebates.txt")
    narrowed = add_ready(sales, "board.txt", "Fredonia is bought.", groups=[])
    assert client_of(people.ben).get(of(document, name)).status_code == 200
    assert client_of(people.olga).get(of(narrowed, name)).status_code == 200
    for user, hidden in ((people.cy, document), (people.ada, document), (people.ben, narrowed)):
        response = client_of(user).get(of(hidden, name))
        assert response.status_code == 404
        assert b"Fredonia" not in response.content
    assert client_of(None).get(of(document, name)).status_code == 302


@pytest.mark.parametrize(
    "query",
    [
        "start=x&end=y", "start=5", "start=9&end=2", "start=-1&end=4", "start=0&end=99999999999999999999", "part=-1", "part=x",
        "part=99999999999", "start=%D9%A1&end=%D9%A5", "start=0&end=2147483647",
    ],
)  # fmt: skip
def test_it_bears_odd_addresses(people: People, sales: Corpus, query: str) -> None:
    document = add_ready(sales, "rebates.txt")
    page = client_of(people.ben).get(f"{of(document)}?{query}")
    assert page.status_code == 200 and "Fredonia" in page.content.decode()


def test_it_says_that_a_document_is_still_being_read(people: People, sales: Corpus) -> None:
    page = client_of(people.ben).get(of(add_waiting(sales, "a.txt"))).content.decode()
    assert "This document is still being read. Open it again in a moment." in page


def test_it_leads_through_the_parts_of_a_long_document(people: People, sales: Corpus) -> None:
    document = add_ready(sales, "long.txt")
    text = "".join(f"Paragraph {number:04}\n\n" for number in range(500))
    blocks = tuple(Block("paragraph", number * 16, number * 16 + 14) for number in range(500))
    DocumentText.objects.filter(document=document).update(text=text, blocks=ParsedDocument(text, blocks).to_json()["blocks"])
    page = client_of(people.ben).get(of(document), {"start": 16 * 250, "end": 16 * 250 + 14}).content.decode()
    assert '<mark id="evidence-1" class="on">Paragraph 0250</mark>' in page
    assert 'href="?part=1&amp;start=4000&amp;end=4014"' in page and 'href="?part=3&amp;start=4000&amp;end=4014"' in page


@pytest.mark.parametrize("kind", ["paragraph", "heading", "list_item", "code", "quote", "table_row"])
def test_it_shows_hostile_text_as_text(people: People, sales: Corpus, kind: Any) -> None:
    hostile = '<script>alert(1)</script><img src=x onerror=alert(1)><b hx-get="/x">'
    document = add_ready(sales, "x.txt", hostile, title=hostile)
    blocks = (Block(kind, 0, len(hostile), sheet=hostile, table=1),)
    DocumentText.objects.filter(document=document).update(blocks=ParsedDocument(hostile, blocks).to_json()["blocks"])
    page = client_of(people.ben).get(of(document), {"start": 3, "end": 30}).content.decode()
    assert "<script>alert" not in page and "<img src=x" not in page and "<b hx" not in page
    assert page.count("&lt;img src=x") >= 2


# --- Pictures of pages -----------------------------------------------------------------------------------------------


def test_it_draws_a_page_once_and_keeps_the_picture(people: People, sales: Corpus, drawn: list[int], tmp_path: Path) -> None:
    document = add_ready(sales, "a.pdf", format="pdf", pages=3)
    for _ in range(2):
        response = client_of(people.ben).get(of(document, "page_image", 2))
        assert (response.status_code, response.content) == (200, PNG)
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["Cache-Control"] == "private, no-store"
    assert drawn == [2]
    assert [path.name for path in (tmp_path / "pages").iterdir()] == [f"{document.sha256}-2-1100.png"]
    forget_page_images(document.sha256)
    assert not list((tmp_path / "pages").iterdir())


def test_a_kept_picture_is_behind_the_gate_too(people: People, sales: Corpus, drawn: list[int]) -> None:
    document = add_ready(sales, "a.pdf", format="pdf", pages=3)
    url = of(document, "page_image", 1)
    assert client_of(people.ben).get(url).status_code == 200
    people.ben.groups.clear()
    assert [client_of(user).get(url).status_code for user in (people.ben, people.cy, people.ada)] == [404, 404, 404]
    assert client_of(None).get(url).status_code == 302


@pytest.mark.parametrize(
    ("format", "pages", "number"), [("pdf", 3, 0), ("pdf", 3, 4), ("text", None, 1), ("pptx", 3, 1), ("pdf", 3, 10**25)]
)
def test_it_has_no_picture_of_what_is_no_page(
    people: People, sales: Corpus, drawn: list[int], format: str, pages: int | None, number: int
) -> None:
    document = add_ready(sales, "a", format=format, pages=pages)
    assert client_of(people.ben).get(of(document, "page_image", number)).status_code == 404
    assert drawn == []


def test_it_says_why_a_page_cannot_be_drawn(people: People, sales: Corpus, drawn: list[int], tmp_path: Path) -> None:
    document = add_ready(sales, "a.pdf", format="pdf", pages=3)
    response = client_of(people.ben).get(of(document, "page_image", 3))
    assert response.status_code == 422
    assert response.content.decode() == "This page could not be drawn. Download the file to read it."
    assert not list((tmp_path / "pages").iterdir())


def test_it_says_that_the_file_of_a_page_is_gone(people: People, sales: Corpus, drawn: list[int]) -> None:
    document = add_ready(sales, "a.pdf", format="pdf", pages=3)
    original_path(document).unlink()
    assert "The stored file is gone." in client_of(people.ben).get(of(document, "page_image", 1)).content.decode()


def test_it_boxes_the_words_on_the_page_of_a_real_pdf(people: People, sales: Corpus, settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    document = add_ready(sales, "rebates.pdf", SECRET, format="pdf", pages=1)
    original_path(document).write_bytes(make_pdf([paragraphs("# Rebates", SECRET)]))
    page = client_of(people.ben).get(of(document), {"start": 0, "end": len(SECRET)}).content.decode()
    assert page.count('<rect class="evidence on" id="evidence-1"') == 1
    assert f'src="{of(document, "page_image", 1)}" width="612" height="792"' in page
    picture = client_of(people.ben).get(of(document, "page_image", 1))
    assert picture.content.startswith(b"\x89PNG") and picture.status_code == 200


def test_it_keeps_no_more_pictures_than_it_should(
    people: People, sales: Corpus, drawn: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_images, "MAX_KEPT", 4)
    document = add_ready(sales, "a.pdf", format="pdf", pages=20)
    for number in (1, 2, 4, 5, 6):
        page_images.page_png(document, number)
    assert len(list((tmp_path / "pages").iterdir())) == 4


# --- The original ----------------------------------------------------------------------------------------------------


def test_it_gives_the_original_as_a_file_to_keep(people: People, sales: Corpus) -> None:
    document = add_ready(sales, "hr/Größe “neu”; a.html", "<script>alert(1)</script>", format="html")
    response = client_of(people.ben).get(of(document, "download"))
    assert response.content == b"<script>alert(1)</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    disposition = response.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe%20%E2%80%9Cneu%E2%80%9D%3B%20a.html"
    assert response.headers["Content-Length"] == "25"


def test_it_sends_a_large_file_in_pieces(people: People, sales: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SENT_AT_ONCE", 10)
    monkeypatch.setattr(reading, "_BLOCK", 7)
    document = add_ready(sales, "a.txt")
    client = AsyncClient()
    client.force_login(people.ben, backend="django.contrib.auth.backends.ModelBackend")

    async def pieces() -> list[bytes]:
        response = await client.get(of(document, "download"))
        assert response.streaming and response.headers["Content-Length"] == str(len(SECRET))
        return [piece async for piece in response]

    sent = async_to_sync(pieces)()
    assert len(sent) > 3 and b"".join(sent).decode() == SECRET


def test_it_answers_404_when_the_original_is_gone(people: People, sales: Corpus) -> None:
    document = add_ready(sales, "a.txt")
    original_path(document).unlink()
    assert client_of(people.ben).get(of(document, "download")).status_code == 404
