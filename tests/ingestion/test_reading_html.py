"""Blocks as HTML: marks at every border, elements of our own only, hostile words shown as words, and parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest

from ingestion import reading_html
from ingestion.parsers.base import Block
from ingestion.reading_html import MAX_BLOCKS, Mark, cut_parts, render_blocks, sanitise
from tests.ingestion.pages import lay_out

ELEMENTS = {"h2", "p", "ul", "li", "pre", "code", "blockquote", "table", "thead", "tbody", "tr", "td", "mark", "section", "div"}
HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "</mark></p><svg onload=alert(1)>",
    '"><a href="javascript:alert(1)">x</a>',
    "<div hx-get=/manage/ hx-trigger=load>",
    "<iframe srcdoc='<script>1</script>'></iframe>",
    "<style>*{background:url(https://evil.example)}</style>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<math><mi//xlink:href='data:x,<script>1</script>'>",
    "]]><!--<script>-->",
]


def render(text: str, blocks: Sequence[Block], *spans: tuple[int, int], focus: int = 0, **options: Any) -> str:
    marks = [Mark(*span, number, number == focus + 1) for number, span in enumerate(spans, start=1)]
    return str(render_blocks(text, blocks, marks, **options))


def row(text: str, cells: Sequence[str], **attributes: Any) -> tuple[str, Block]:
    """One table row appended to a text."""
    start, spans = len(text), []
    for cell in cells:
        spans.append((len(text), len(text) + len(cell)))
        text += cell + " | "
    return text + "\n", Block(**{"kind": "table_row", "start": start, "end": len(text) - 3, "cells": tuple(spans), **attributes})


# --- Marks ------------------------------------------------------------------------------------------------------------


def test_it_marks_a_span_inside_a_paragraph() -> None:
    text, blocks = lay_out(("Everyone gets 27 days.", {}))
    html = render(text, blocks, (9, 21))
    assert html == '<p>Everyone <mark id="evidence-1" class="on">gets 27 days</mark>.</p>'


@pytest.mark.parametrize("span", [(0, 22), (0, 1), (21, 22)])
def test_it_marks_at_the_borders_of_a_block(span: tuple[int, int]) -> None:
    text, blocks = lay_out(("Everyone gets 27 days.", {}), ("Next.", {}))
    html = render(text, blocks, span)
    assert f'<mark id="evidence-1" class="on">{text[slice(*span)]}</mark>' in html
    assert html.count("<mark") == 1


def test_it_marks_nothing_when_a_span_ends_where_the_block_begins() -> None:
    text, blocks = lay_out(("One.", {}), ("Two.", {}))
    assert "<mark" not in render(text, blocks[1:], (0, blocks[1].start))
    assert "<mark" not in render(text, blocks[:1], (blocks[0].end, blocks[1].start))


def test_it_marks_a_span_over_two_blocks_with_one_id() -> None:
    text, blocks = lay_out(("One two", {}), ("three four", {}))
    html = render(text, blocks, (4, blocks[1].start + 5))
    assert html == '<p>One <mark id="evidence-1" class="on">two</mark></p><p><mark class="on">three</mark> four</p>'


def test_it_joins_overlapping_marks_and_keeps_an_id_for_each() -> None:
    text, blocks = lay_out(("abcdefghij", {}))
    html = render(text, blocks, (0, 6), (4, 9), focus=1)
    assert re.sub(r"</?(p|mark[^>]*)>", "", html) == "abcdefghij"
    assert html.count('id="evidence-1"') == html.count('id="evidence-2"') == 1
    assert '<mark id="evidence-2" class="on">ef</mark><mark class="on">ghi</mark>j' in html
    assert '<mark id="evidence-1">abcd</mark>' in html


def test_it_gives_the_id_to_the_focus_where_two_marks_begin_together() -> None:
    text, blocks = lay_out(("abcdefghij", {}))
    html = render(text, blocks, (0, 9), (0, 3), focus=1)
    assert '<mark id="evidence-2" class="on">abc</mark><mark id="evidence-1">defghi</mark>' in html


def test_it_marks_a_cell_and_its_row() -> None:
    text, head = row("", ["Band", "Limit"], table=1, is_header=True)
    text, first = row(text, ["A", "100"], table=1)
    text, second = row(text, ["B", "200"], table=1)
    html = render(text, (head, first, second), second.cells[1])
    assert "<thead><tr><th>Band</th><th>Limit</th></tr></thead>" in html
    assert '<tr class="marked"><td>B</td><td><mark id="evidence-1" class="on">200</mark></td></tr>' in html
    assert "<tr><td>A</td><td>100</td></tr>" in html


def test_it_marks_a_whole_row_without_its_separators() -> None:
    text, only = row("", ["A", "", "100"], table=1)
    html = render(text, (only,), (only.start, only.end))
    assert "|" not in html and "<td></td>" in html
    assert html.count("<mark") == 2 and html.count('id="evidence-1"') == 1


# --- Elements ---------------------------------------------------------------------------------------------------------


def test_it_renders_each_kind_of_block() -> None:
    text, blocks = lay_out(
        ("Leave", {"kind": "heading", "level": 1}),
        ("Annual", {"kind": "heading", "level": 9}),
        ("Rest.", {}),
        ("one", {"kind": "list_item"}),
        ("two", {"kind": "list_item"}),
        ("x = 1", {"kind": "code"}),
        ("Said.", {"kind": "quote"}),
    )
    assert render(text, blocks) == (
        "<h2>Leave</h2><h6>Annual</h6><p>Rest.</p><ul><li>one</li><li>two</li></ul>"
        "<pre><code>x = 1</code></pre><blockquote>Said.</blockquote>"
    )


@pytest.mark.parametrize("words", ["1. One", "12) One", "(3) One", "a) One", "(B) One"])
def test_it_gives_no_second_mark_to_an_item_that_brings_its_own(words: str) -> None:
    text, blocks = lay_out((words, {"kind": "list_item"}), ("One. Two", {"kind": "list_item"}))
    html = render(text, blocks, (0, len(words)))
    assert html == f'<ul><li class="numbered"><mark id="evidence-1" class="on">{words}</mark></li><li>One. Two</li></ul>'


def test_it_makes_a_card_of_each_slide_and_a_section_of_each_sheet() -> None:
    text, blocks = lay_out(("Plan", {"kind": "heading", "level": 1, "page": 1}), ("Costs", {"page": 2}))
    slides = render(text, blocks, slides=True)
    assert slides.count('<section class="slide">') == 2 and "<h2>Slide 2</h2><p>Costs</p>" in slides
    text, only = row("", ["1"], table=1, sheet="Limits <b>")
    assert '<section class="sheet-table"><h2>Limits &lt;b&gt;</h2>' in render(text, (only,))


def test_it_separates_two_tables_that_follow_each_other() -> None:
    text, first = row("", ["a"], table=1)
    text, second = row(text, ["b"], table=2)
    assert render(text, (first, second)).count("<table>") == 2


@pytest.mark.parametrize("words", HOSTILE)
@pytest.mark.parametrize("kind", ["heading", "paragraph", "list_item", "table_row", "code", "quote"])
def test_it_shows_hostile_words_as_words(words: str, kind: str) -> None:
    text, blocks = lay_out((words, {"kind": kind, "level": 1, "sheet": words, "table": 1}))
    html = render(text, blocks, (2, len(words) - 2))
    assert set(re.findall(r"</?([a-z0-9]+)", html)) <= ELEMENTS
    assert not re.search(r"<[^>]*\s(?!id=\"evidence-\d+\"|class=\"(on|marked|sheet-table|scroll)\")[^\s>]+=", html)


@pytest.mark.parametrize("words", HOSTILE)
def test_it_loses_no_word_of_a_hostile_text(words: str) -> None:
    text, blocks = lay_out((words, {"sheet": words}))
    for html in (render(text, blocks), render(text, blocks, (2, len(words) - 2))):
        title, paragraph = (unescape(re.sub(r"</?(mark|h2|p|section)[^>]*>", "", part)) for part in html.split("</h2>"))
        assert (title, paragraph) == (words, words)


@pytest.mark.parametrize("words", HOSTILE[:-3])
def test_nothing_lives_even_when_the_escaping_fails(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_html, "escape", str)
    text, blocks = lay_out((words, {}))
    html = render(text, blocks)
    assert not re.search(r"<(script|img|svg|a|iframe|style)\b|\son[a-z]+=|hx-|javascript:", html)


def test_the_last_pass_takes_out_what_the_first_would_have_missed() -> None:
    html = sanitise(
        '<p id="content" class="x" hx-get="/">a<script>b()</script><a href="//evil">c</a>'
        '<mark id="panel" onclick="d()">e</mark></p>'
    )
    assert html == "<p>ac<mark>e</mark></p>"


# --- Parts ------------------------------------------------------------------------------------------------------------


def test_it_cuts_a_long_document_into_parts_that_hold_everything_once() -> None:
    _, blocks = lay_out(*((f"Paragraph {number}", {}) for number in range(1000)))
    parts = cut_parts(blocks)
    assert [block for part in parts for block in part] == list(blocks)
    assert all(0 < len(part) <= MAX_BLOCKS for part in parts)


def test_it_cuts_one_enormous_paragraph() -> None:
    text, blocks = lay_out(("x" * 95_000, {}))
    parts = cut_parts(blocks)
    pieces = [block for part in parts for block in part]
    assert len(parts) == 3
    assert "".join(text[piece.start : piece.end] for piece in pieces) == "x" * 95_000


def test_it_rather_cuts_before_a_heading() -> None:
    kinds = [{"kind": "heading", "level": 1} if number == 120 else {} for number in range(300)]
    _, blocks = lay_out(*((f"Block {number}", kind) for number, kind in enumerate(kinds)))
    assert cut_parts(blocks)[1][0].kind == "heading"


def test_it_has_one_part_even_when_there_is_nothing() -> None:
    assert cut_parts(()) == [[]]


def test_it_repeats_the_header_row_in_later_parts() -> None:
    text, head = row("", ["Band"], table=7, is_header=True)
    text, first = row(text, ["A"], table=7)
    assert "<th>Band</th>" in render(text, (first,), headers={7: head})
