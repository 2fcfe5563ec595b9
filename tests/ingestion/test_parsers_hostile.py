"""Files that are made to harm whoever opens them. None is stored: each is built when its test runs."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.parsers import containers, csv, html
from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.formats import sniff
from ingestion.parsers.sandbox import parse_file
from tests.data import office
from tests.data.pdfs import make_flate_bomb, make_pdf, paragraphs

PDF = make_pdf([paragraphs("Words.")])
DEEP_MAIL = "Subject: x\n" + "".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(190)) + "\nend"
LONG_HEADER = b"Subject: " + b"(" * 70_000 + b"\n\nWords."
MANY_PARTS = b"Subject: x\n" + b"Content-Type: text/plain\n\nx\n--b\n" * 300
XXE = b'<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]>'


def outcome(folder: Path, name: str, data: bytes) -> ParsedDocument | ParseError:
    path = folder / "stored"
    path.write_bytes(data)
    try:
        return parse_file(path, name)
    except ParseError as error:
        return error


def code_of(folder: Path, name: str, data: bytes) -> str:
    result = outcome(folder, name, data)
    assert isinstance(result, ParseError), result
    assert result.public_message.endswith(".")
    assert len(result.public_message) <= 500
    return result.code


Make = Callable[[], bytes]
REFUSED: list[tuple[str, str, Make, set[str]]] = [
    ("an archive bomb", "a.docx", office.zip_bomb, {"unpacks_too_big"}),
    ("entities in entities", "a.docx", office.billion_laughs, {"damaged"}),
    ("parts on top of each other", "a.docx", lambda: office.overlapping_zip(office.simple_docx()), {"damaged"}),
    ("a document with macros under a plain name", "a.docx", lambda: office.with_macros(office.simple_docx()), {"macros"}),
    ("a protected Office file", "a.xlsx", office.encrypted_ole, {"encrypted"}),
    ("an old Office file under a new name", "a.docx", lambda: office.OLE_HEAD + bytes(900), {"old_format"}),
    ("an old Office file", "a.doc", lambda: office.OLE_HEAD + bytes(900), {"unsupported_format"}),
    ("a workbook that says it is a document", "a.docx", office.simple_xlsx, {"mislabelled"}),
    ("an archive that says it is a document", "a.docx", lambda: _archive("readme.txt"), {"damaged"}),
    ("a PDF that says it is text", "a.txt", lambda: PDF, {"mislabelled"}),
    ("a PDF that says it is a page", "a.html", lambda: PDF, {"mislabelled"}),
    ("a picture that says it is a PDF", "a.pdf", lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), {"mislabelled"}),
    ("a PDF behind other data", "a.pdf", lambda: b"GIF89a" + bytes(900) + PDF, {"mislabelled"}),
    ("half a PDF", "a.pdf", lambda: b"%PDF-1.4\n" + bytes(200), {"damaged"}),
    ("a protected PDF", "a.pdf", lambda: make_pdf([paragraphs("x")], password="p"), {"encrypted"}),
    ("a page nested a hundred thousand deep", "a.html", lambda: b"<div>" * 100_000 + b"x", {"too_complex"}),
    ("a page of too many elements", "a.html", lambda: b"<p>x</p>" * 110_000, {"too_complex"}),
    ("an element of too many attributes", "a.html", lambda: b"<p " + b"a " * 90_000 + b">x", {"too_complex"}),
    ("an element that never ends", "a.html", lambda: b"<p a=" * 500_000, {"too_complex", "no_text"}),
    ("a mail of too many parts", "a.eml", lambda: MANY_PARTS, {"too_many_parts"}),
    ("a mail with a giant header", "a.eml", lambda: LONG_HEADER, {"header_too_long"}),
    ("a table of too many cells", "a.csv", lambda: b"," * 1_100_000, {"too_many_cells"}),
    ("a quotation without end", "a.csv", lambda: b'a,"' + b"b" * 1_200_000, {"damaged"}),
    ("a mailbox of too many messages", "a.mbox", lambda: b"From a\nTo: b\n\n\n" * 5_001, {"too_many_messages"}),
    ("a mailbox with a giant header", "a.mbox", lambda: b"From a\n" + LONG_HEADER, {"header_too_long"}),
    ("a page that says it is a mailbox", "a.mbox", lambda: b"<html>From a</html>", {"mislabelled"}),
    ("lists in lists without end", "a.json", lambda: b"[" * 200_000, {"nested_too_deeply"}),
    ("a record nested without end", "a.jsonl", lambda: b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", {"nested_too_deeply"}),
    ("too many records", "a.jsonl", lambda: b'{"a":"b"}\n' * 20_001, {"too_long"}),
    ("JSON of another form", "a.json", lambda: b'{"model": {"layers": 3}}', {"unsupported_json"}),
    ("lines that are no JSON", "a.jsonl", lambda: b"id,text\n1,x\n", {"damaged"}),
    ("binary data under a text's name", "a.md", lambda: bytes(range(256)) * 9, {"not_text"}),
    ("a file without an ending", "README", lambda: b"x", {"unsupported_format"}),
    ("white space", "a.txt", lambda: b" \n\t\n", {"no_text"}),
]  # fmt: skip


def _archive(name: str) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "text")
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "make", "codes"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_it_refuses(tmp_path: Path, name: str, make: Make, codes: set[str]) -> None:
    assert code_of(tmp_path, name, make()) in codes


def test_it_reads_two_cells_at_the_ends_of_a_sheet(tmp_path: Path) -> None:
    result = outcome(tmp_path, "a.xlsx", office.sparse_xlsx())
    assert isinstance(result, ParsedDocument)
    assert [cell for cell in result.text.split() if cell in ("first", "last")] == ["first", "last"]


@pytest.mark.parametrize("name", ["a.html", "a.md", "a.eml"])
def test_it_reads_no_file_that_a_document_names(tmp_path: Path, name: str) -> None:
    head = b"Subject: x\nContent-Type: text/html\n\n" if name == "a.eml" else b""
    result = outcome(tmp_path, name, head + XXE + b"<p>&f; <img src='file:///etc/passwd'> words</p>")
    assert isinstance(result, ParsedDocument)
    assert "root:" not in result.text


def test_it_reads_no_file_that_an_office_document_names(tmp_path: Path) -> None:
    def name_a_file(old: bytes) -> bytes:
        return b'<?xml version="1.0"?>' + XXE + old.partition(b"?>")[2].replace(b"A paragraph", b"&f;A paragraph")

    result = outcome(tmp_path, "a.docx", office.with_part(office.simple_docx(), "word/document.xml", name_a_file))
    assert isinstance(result, ParseError) or "root:" not in result.text


def test_it_survives_a_mail_nested_in_itself(tmp_path: Path) -> None:
    result = outcome(tmp_path, "a.eml", DEEP_MAIL.encode())
    assert isinstance(result, ParsedDocument) or result.code in ("nested_too_deeply", "crashed")


@pytest.mark.parametrize(
    "data",
    [b"(" * 200_000, b"def f():\n" + b" " * 90_000 + b"return" + b"+1" * 90_000, b"x = " + b"-" * 200_000 + b"1", b"#" * 900_000],
    ids=["brackets", "a long sum", "many signs", "one comment"],
)
@pytest.mark.parametrize("name", ["a.py", "a.rs"])
def test_it_survives_code_that_no_compiler_takes(tmp_path: Path, name: str, data: bytes) -> None:
    result = outcome(tmp_path, name, data)
    assert isinstance(result, ParsedDocument) or result.code in ("nested_too_deeply", "crashed", "no_text")


def test_it_survives_markdown_that_grows_with_its_square(tmp_path: Path, settings: Any) -> None:
    settings.PARSE_SECONDS = 2
    result = outcome(tmp_path, "a.md", b"[" * 60_000 + b"a](" * 60_000)
    assert isinstance(result, ParsedDocument) or result.code == "took_too_long"


def test_it_goes_on_after_a_pdf_that_unpacks_to_more_than_memory(tmp_path: Path, settings: Any) -> None:
    settings.PARSE_MEMORY_MB = 300
    assert code_of(tmp_path, "a.pdf", make_flate_bomb(400)) == "too_big_to_read"
    assert isinstance(outcome(tmp_path, "a.pdf", PDF), ParsedDocument)


# --- Limits: one under is read, one over is refused with a sentence that names the limit -------------------------------


def _sniffed(folder: Path, name: str, data: bytes) -> str:
    path = folder / "stored"
    path.write_bytes(data)
    return sniff(path, name)


def test_it_keeps_its_limit_on_an_archives_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = office.simple_docx()
    parts = len(_entries(data))
    monkeypatch.setattr(containers, "MAX_ENTRIES", parts)
    assert _sniffed(tmp_path, "a.docx", data) == "docx"
    monkeypatch.setattr(containers, "MAX_ENTRIES", parts - 1)
    with pytest.raises(ParseError, match=f"more than {parts - 1} parts"):
        _sniffed(tmp_path, "a.docx", data)


def test_it_refuses_parts_that_share_their_bytes() -> None:
    """A thousand entries over one packed megabyte declare little each and unpack to a thousand times it."""
    entries = _entries(office.simple_docx())
    containers.check_entries(entries)
    entries[-1].header_offset = entries[0].header_offset + 1
    with pytest.raises(ParseError, match="on top of each other"):
        containers.check_entries(entries)


def test_it_keeps_its_limit_on_what_an_archive_unpacks_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = office.simple_docx()
    total = sum(entry.file_size for entry in _entries(data))
    monkeypatch.setattr(containers, "MAX_TOTAL", total)
    assert _sniffed(tmp_path, "a.docx", data) == "docx"
    monkeypatch.setattr(containers, "MAX_TOTAL", total - 1)
    with pytest.raises(ParseError, match="unpacks to more than"):
        _sniffed(tmp_path, "a.docx", data)


def _entries(data: bytes) -> list[Any]:
    import io
    import zipfile

    return zipfile.ZipFile(io.BytesIO(data)).infolist()


def test_it_lets_a_picture_in_a_document_be_all_white(tmp_path: Path) -> None:
    """A bitmap of one colour packs a thousandfold; what is not XML is not made a tree of."""
    data = office.with_part(office.simple_docx(), "word/media/white.bmp", lambda _: bytes(20 * 1024 * 1024))
    data = office.with_part(
        data,
        "[Content_Types].xml",
        lambda old: old.replace(b"<Default", b'<Default Extension="bmp" ContentType="image/bmp"/><Default', 1),
    )
    assert isinstance(outcome(tmp_path, "a.docx", data), ParsedDocument)


def test_it_keeps_its_limits_on_a_pages_structure() -> None:
    html.scan(b"<b>" * html.MAX_DEPTH)
    with pytest.raises(ParseError, match="1,000 levels"):
        html.scan(b"<b>" * (html.MAX_DEPTH + 1))
    html.scan(b"<p>" * html.MAX_ELEMENTS)
    html.scan(b"<p " + b"a " * (html.MAX_ATTRIBUTES - 2) + b">")
    with pytest.raises(ParseError, match="2,000 attributes"):
        html.scan(b"<p " + b"a=1 " * html.MAX_ATTRIBUTES + b">")


def test_it_lets_a_page_carry_a_picture_in_an_attribute(tmp_path: Path) -> None:
    """In lines, as many programs write it: they are not counted as attributes."""
    picture = base64.encodebytes(bytes(2_000_000))
    assert picture.count(b"\n") > html.MAX_ATTRIBUTES
    page = outcome(tmp_path, "a.html", b"<p>Before</p><img src='data:image/png;base64," + picture + b"'><p>After</p>")
    assert isinstance(page, ParsedDocument)
    assert page.text.split() == ["Before", "After"]


def test_it_keeps_its_limit_on_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "MAX_CELLS", 6)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    assert csv.CsvParser().parse(path).text.endswith("3 | 4")
    path.write_text("a,b\n1,2\n3,4\n5,6\n")
    with pytest.raises(ParseError, match="more than 6 cells"):
        csv.CsvParser().parse(path)


def test_it_refuses_a_file_larger_than_its_format_may_be(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    with path.open("wb") as file:
        file.write(b"<p>x</p>")
        file.truncate(10 * 1024 * 1024)
    assert sniff(path, "a.html") == "html"
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(ParseError, match="larger than 10 MB"):
        sniff(path, "a.html")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.txt", "C:\\a\\b.txt", "a\x00.txt", "\u202etxt.exe.txt", "a" * 5000 + ".txt", "A.TXT"]
)
def test_it_takes_a_name_for_nothing_but_its_ending(tmp_path: Path, name: str) -> None:
    assert _sniffed(tmp_path, name, b"words") == "text"
