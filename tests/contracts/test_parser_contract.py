"""What every parser keeps to, whatever its format."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.parsers.base import Block, ParsedDocument, ParseError
from ingestion.parsers.formats import ENDINGS, PARSERS, load_parser, read_document
from tests.data.office import make_docx, make_pptx, make_xlsx
from tests.data.pdfs import make_pdf, paragraphs

HTML = """<html><head><title>Leave</title></head><body><h1>Leave</h1><p>Everyone has 30 days.</p><h2>Sick</h2>
<ul><li>Tell your lead.</li></ul><table><tr><th>Who</th><th>Days</th></tr><tr><td>All</td><td>30</td></tr></table></html>"""
MARKDOWN = "# Leave\n\nEveryone has *30* days.\n\n## Sick\n\n- Tell your lead.\n\n| Who | Days |\n|---|---|\n| All | 30 |\n"
MAIL = "Subject: Leave\nFrom: Ada <ada@example.org>\nDate: Mon, 2 Feb 2026 10:00:00 +0100\n\nEveryone has 30 days.\n\n> Sick?\n"
MAILBOX = f"From ada@example.org Mon Feb  2 10:00:00 2026\n{MAIL}\n"
CONTRACT = {"data": [{"title": "Leave", "paragraphs": [{"context": "Everyone has 30 days.", "qas": []}]}]}


def _docx() -> bytes:
    def fill(document: Any) -> None:
        document.add_heading("Leave", 1)
        document.add_paragraph("Everyone has 30 days.")
        document.add_heading("Sick", 2)
        document.add_paragraph("Tell your lead.", style="List Bullet")
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip([cell for row in table.rows for cell in row.cells], ["Who", "Days", "All", "30"], strict=True):
            cell.text = text

    return make_docx(fill)


def _pptx() -> bytes:
    def fill(presentation: Any) -> None:
        for title, text in (("Leave", "Everyone has 30 days."), ("Sick", "Tell your lead.")):
            slide = presentation.slides.add_slide(presentation.slide_layouts[1])
            slide.shapes.title.text, slide.placeholders[1].text = title, text

    return make_pptx(fill)


def _xlsx() -> bytes:
    def fill(workbook: Any) -> None:
        workbook.active.title = "Leave"
        for row in (["Who", "Days"], ["All", 30], ["Parents", None]):
            workbook.active.append(row)

    return make_xlsx(fill)


SAMPLES: dict[str, tuple[str, bytes]] = {
    "pdf": ("leave.pdf", make_pdf([paragraphs("# Leave", "Everyone has 30 days."), paragraphs("# Sick", "Tell your lead.")])),
    "docx": ("leave.docx", _docx()),
    "pptx": ("leave.pptx", _pptx()),
    "xlsx": ("leave.xlsx", _xlsx()),
    "csv": ("leave.csv", b"Who,Days\nAll,30\n"),
    "html": ("leave.html", HTML.encode()),
    "markdown": ("leave.md", MARKDOWN.encode()),
    "text": ("leave.txt", b"Leave\n=====\n\nEveryone has 30 days.\n\n- Tell your lead.\n"),
    "eml": ("leave.eml", MAIL.encode()),
    "mbox": ("leave.mbox", MAILBOX.encode()),
    "json": ("leave.json", json.dumps(CONTRACT).encode()),
    "jsonl": ("leave.jsonl", b'{"title": "Leave", "text": "Everyone has 30 days."}\n'),
    "python": ("leave.py", b'class Leave:\n    """Everyone has 30 days."""\n\n    days = 30\n'),
    "code": ("leave.ts", b"/** Everyone has 30 days. */\nexport class Leave {\n  days = 30;\n}\n"),
}
FORMATS = sorted(PARSERS)


@pytest.fixture(params=FORMATS)
def format_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def parsed(format_name: str, tmp_path: Path) -> ParsedDocument:
    return _read(tmp_path, *SAMPLES[format_name])


def _read(folder: Path, name: str, data: bytes) -> ParsedDocument:
    path = folder / "stored-without-an-ending"
    path.write_bytes(data)
    return read_document(path, name)


def test_it_has_a_sample_and_an_ending_for_every_format() -> None:
    assert set(SAMPLES) == set(PARSERS) == set(ENDINGS.values())


def test_it_names_the_formats_that_it_reads(format_name: str) -> None:
    assert format_name in load_parser(format_name).formats


def test_it_finds_the_words(parsed: ParsedDocument, format_name: str) -> None:
    assert "30" in parsed.text
    assert parsed.format == format_name


def test_its_spans_are_the_text(parsed: ParsedDocument) -> None:
    """Blocks follow each other, parted by a blank line (rows of a table by a line end), and nothing is between them."""
    at = 0
    for before, block in zip((None, *parsed.blocks), parsed.blocks, strict=False):
        is_row = before is not None and before.table is not None and before.table == block.table
        separator = "" if before is None else "\n" if is_row else "\n\n"
        assert parsed.text[at : block.start] == separator
        assert parsed.text[block.start : block.end].strip()
        at = block.end
    assert at == len(parsed.text)


def test_its_rows_are_their_cells(parsed: ParsedDocument) -> None:
    for block in parsed.blocks:
        if block.kind == "table_row":
            cells = [parsed.text[start:end] for start, end in block.cells]
            assert " | ".join(cells) == parsed.text[block.start : block.end]
        else:
            assert block.cells == ()


def test_its_heading_paths_are_the_headings_above(parsed: ParsedDocument) -> None:
    seen: set[str] = set()
    for block in parsed.blocks:
        assert set(block.heading_path) <= seen
        if block.kind == "heading":
            assert block.level >= 1
            seen.add(parsed.text[block.start : block.end])


def test_it_puts_the_text_under_its_heading(parsed: ParsedDocument, format_name: str) -> None:
    block = next(block for block in parsed.blocks if "30" in parsed.text[block.start : block.end])
    expected = {"csv": ()}.get(format_name, ("Leave",))  # a CSV file has no headings
    assert block.heading_path == expected


def test_its_pages_are_pages_of_the_document(parsed: ParsedDocument, format_name: str) -> None:
    has_pages = format_name in ("pdf", "pptx")
    assert parsed.pages == (2 if has_pages else None)
    assert {block.page for block in parsed.blocks} == ({1, 2} if has_pages else {None})


def test_it_crosses_processes_as_json(parsed: ParsedDocument) -> None:
    assert ParsedDocument.from_json(json.loads(json.dumps(parsed.to_json()))) == parsed
    assert all(isinstance(block, Block) for block in parsed.blocks)


def test_it_refuses_an_empty_file(format_name: str, tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        _read(tmp_path, SAMPLES[format_name][0], b"")
    assert caught.value.code == "empty"


def test_it_ends_every_damaged_file_in_text_or_a_sentence(format_name: str, tmp_path: Path) -> None:
    """Cut short at many places, and with bytes turned over: never anything but a document or a ParseError."""
    name, data = SAMPLES[format_name]
    cut = [data[: len(data) * part // 12] for part in range(1, 12)]
    turned = [_turned(data, seed) for seed in range(12)]
    for damaged in (*cut, *turned):
        outcome = _outcome(tmp_path, name, damaged)
        assert isinstance(outcome, ParsedDocument) or (outcome.code and outcome.public_message.endswith("."))


def _outcome(folder: Path, name: str, data: bytes) -> ParsedDocument | ParseError:
    try:
        return _read(folder, name, data)
    except ParseError as error:
        return error


def _turned(data: bytes, seed: int) -> bytes:
    changed = bytearray(data)
    for step in range(1, 9):
        place = (seed * 7919 + step * 104729) % len(data)
        changed[place] ^= 1 << (seed + step) % 8
    return bytes(changed)


def test_it_refuses_another_formats_file_under_its_name(format_name: str, tmp_path: Path) -> None:
    """A PDF, a picture, an archive and a program do not pass as any other format."""
    others = {
        "pdf": SAMPLES["pdf"][1],
        "png": b"\x89PNG\r\n\x1a\n" + bytes(99),
        "elf": b"\x7fELF" + bytes(99),
        "xlsx": SAMPLES["xlsx"][1],
    }
    for kind, data in others.items():
        if kind != format_name:
            with pytest.raises(ParseError) as caught:
                _read(tmp_path, SAMPLES[format_name][0], data)
            assert caught.value.code in ("mislabelled", "damaged"), kind


def test_it_takes_hidden_characters_out(tmp_path: Path) -> None:
    hostile = "Pay\u200b at\u202e once\U000e0041\u2066.\u00a0Done"
    files = {
        "a.txt": hostile.encode(),
        "a.md": hostile.encode(),
        "a.html": f"<p>{hostile}</p>".encode(),
        "a.csv": f"a,b\n{hostile},c".encode(),
        "a.eml": f"Subject: x\nContent-Type: text/plain; charset=utf-8\n\n{hostile}".encode(),
        "a.docx": make_docx(lambda document: document.add_paragraph(hostile)),
    }
    for name, data in files.items():
        assert "Pay at once. Done" in _read(tmp_path, name, data).text, name


def test_its_parsers_load_no_heavy_library_by_being_named() -> None:
    assert all(dotted.startswith("ingestion.parsers.") for dotted in PARSERS.values())
    for dotted in PARSERS.values():
        assert importlib.import_module(dotted.rpartition(".")[0]).__doc__
