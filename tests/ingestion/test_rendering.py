from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from ingestion.parsers.base import ParseError
from ingestion.parsers.pdf_pages import matches
from ingestion.rendering import find_boxes, render_page
from tests.data.pdfs import Text, make_pdf

LINES = [
    Text("The notice period is three months.", 700),
    Text("It begins with the next quar-", 680),
    Text("ter, and it ends with the “year”.", 660),
]


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "stored"
    path.write_bytes(make_pdf([LINES, [Text("A second page, which says something else entirely.", 700)]]))
    return path


def test_it_draws_a_page_as_wide_as_asked(pdf: Path) -> None:
    picture = Image.open(io.BytesIO(render_page(pdf, 1, width=400)))
    assert picture.format == "PNG"
    assert picture.width == 400
    assert abs(picture.height - 400 * 792 / 612) <= 1
    darkest, _ = picture.convert("L").getextrema()
    assert darkest < 100  # there is ink on it


def test_it_draws_no_giant_picture(pdf: Path) -> None:
    picture = Image.open(io.BytesIO(render_page(pdf, 1, width=1_000_000)))
    assert picture.width <= 4_000


def test_it_boxes_the_words_where_they_stand(pdf: Path) -> None:
    found = find_boxes(pdf, 1, "notice period")
    assert (found.width, found.height) == (612, 792)
    [(x, y, width, height)] = found.boxes
    assert 90 < x < 100  # after "The "
    assert y < 792 - 700 < y + height  # around the baseline, counted from the top
    assert 60 < width < 90
    assert 8 < height < 20


def test_it_makes_one_box_per_line(pdf: Path) -> None:
    found = find_boxes(pdf, 1, "three months. It begins with the next quarter, and it ends")
    assert len(found.boxes) == 3
    tops = [y for _, y, _, _ in found.boxes]
    assert tops == sorted(tops)


def test_it_finds_words_whatever_their_spaces_hyphens_and_quotation_marks(pdf: Path) -> None:
    assert len(find_boxes(pdf, 1, 'next  quarter,\nand it ENDS with the "year"').boxes) == 2


def test_it_boxes_the_part_of_a_quotation_that_is_on_the_page(pdf: Path) -> None:
    quote = "it ends with the year. A second page, which says something else entirely."
    [(_, y, _, height)] = find_boxes(pdf, 2, quote).boxes
    assert y < 792 - 700 < y + height
    assert find_boxes(pdf, 1, "It begins with the next quarter, and it ends with the year, as everybody knows.").boxes


def test_it_boxes_nothing_that_is_not_there(pdf: Path) -> None:
    assert find_boxes(pdf, 1, "The moon is made of cheese.").boxes == ()
    assert find_boxes(pdf, 1, " .,! ").boxes == ()


def test_it_boxes_the_words_of_a_page_that_lies_on_its_side(tmp_path: Path) -> None:
    path = tmp_path / "stored"
    path.write_bytes(make_pdf([LINES], rotate=90))
    found = find_boxes(path, 1, "notice period")
    assert (found.width, found.height) == (792, 612)
    [*_, (x, y, width, height)] = found.boxes
    assert 0 <= x <= x + width <= 792
    assert 0 <= y <= y + height <= 612


@pytest.mark.parametrize("page", [0, 3, -1])
def test_it_says_that_there_is_no_such_page(pdf: Path, page: int) -> None:
    for ask in (lambda: render_page(pdf, page), lambda: find_boxes(pdf, page, "notice")):
        with pytest.raises(ParseError) as caught:
            ask()
        assert caught.value.code == "no_such_page"


def test_it_refuses_a_damaged_file_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "stored"
    path.write_bytes(b"%PDF-1.4 and no more")
    with pytest.raises(ParseError) as caught:
        render_page(path, 1)
    assert caught.value.code == "damaged"


def test_it_matches_a_beginning_and_an_end_around_a_running_header() -> None:
    head, tail = "abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba"
    assert matches(f"{head}HEADER{tail}", head + tail) == [(0, 26), (32, 58)]
    assert matches("abcdefghij", "abcdefghijKLMNOPQRSTUVWXYZ") == []  # too short a part to mean anything
