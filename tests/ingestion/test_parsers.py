from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.parsers.base import Block, ParsedDocument, ParseError
from ingestion.parsers.cleaning import clean
from ingestion.parsers.formats import read_document
from tests.data.office import make_docx, make_pptx, make_xlsx, with_part
from tests.data.pdfs import Text, make_many_pages, make_pdf, paragraphs
from tests.environment import ROOT

Read = Callable[[str, bytes], ParsedDocument]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_data(name: str, data: bytes) -> ParsedDocument:
        path = tmp_path / "stored"
        path.write_bytes(data)
        return read_document(path, name)

    return read_data


def shown(parsed: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def block_with(parsed: ParsedDocument, words: str) -> Block:
    return next(block for block in parsed.blocks if words in parsed.text[block.start : block.end])


# --- Characters -------------------------------------------------------------------------------------------------------


def test_it_keeps_joiners_where_a_script_needs_them() -> None:
    persian, hidden = "می\u200cخواهم", "pay\u200cpal"
    assert clean(persian) == persian
    assert clean(hidden) == "paypal"


def test_it_makes_odd_spaces_line_ends_and_ligatures_plain() -> None:
    assert clean("e\ufb03cient\u00a0work\r\nnext\u2028line\u00ad") == "efficient work\nnext\nline"


def test_it_drops_half_characters_that_no_database_takes() -> None:
    assert clean("a\ud83d b") == "a b"


# --- Text encodings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Die Bürgerämter öffnen um neun Uhr, außer an Feiertagen. Bitte bringen Sie Ihren Ausweis mit.", "cp1252"),
        ("Отпуск нужно согласовать с руководителем за две недели до начала. Заявление подают в отдел кадров.", "cp1251"),
        ("休暇は二週間前までに上司に申請してください。病気の場合は電話で連絡します。", "cp932"),
        ("休暇は二週間前までに上司に申請してください。病気の場合は電話で連絡します。", "iso2022_jp"),
        ("Zażółć gęślą jaźń. Urlop należy zgłosić przełożonemu dwa tygodnie wcześniej, na piśmie.", "cp1250"),
        ("Everyone gets naïve café résumés.", "utf-16"),
        ("Everyone gets naïve café résumés.", "utf-16-le"),
        ("Everyone gets naïve café résumés.", "utf-8-sig"),
    ],
)
def test_it_reads_text_in_the_encodings_of_offices(read: Read, words: str, encoding: str) -> None:
    assert read("a.txt", words.encode(encoding)).text == words


def test_it_refuses_binary_data_that_calls_itself_text(read: Read) -> None:
    with pytest.raises(ParseError) as caught:
        read("a.txt", bytes(range(256)) * 4)
    assert caught.value.code == "not_text"


def test_it_parts_plain_text_into_headings_items_quotes_and_paragraphs(read: Read) -> None:
    parsed = read("a.txt", b"Travel\n======\n\nBook early.\nSave money.\n\n- trains\n- planes\n2. buses\n\n> as Ada said\n")
    assert shown(parsed) == [
        ("heading", "Travel"),
        ("paragraph", "Book early.\nSave money."),
        ("list_item", "trains"),
        ("list_item", "planes"),
        ("list_item", "2. buses"),
        ("quote", "as Ada said"),
    ]


# --- Markdown, HTML, CSV, e-mail --------------------------------------------------------------------------------------


def test_it_takes_a_markdown_files_title_from_its_front_matter(read: Read) -> None:
    parsed = read("a.md", b'---\ntitle: "Working from home"\ntags: [a]\n---\n\n# Another heading\n\nText.\n')
    assert parsed.title == "Working from home"
    assert "tags" not in parsed.text


def test_it_reads_markdown_as_its_reader_sees_it(read: Read) -> None:
    source = (
        "# Plan\n\nSee [the wiki](http://wiki.example/x) and ![a map](map.png).\nNext line.\n\n1. first\n   - inner\n2. second\n"
        "\n> quoted\n\n```\ncode  here\n```\n\n<!-- secret -->\n<div>raw</div>\n\n| A | B |\n|---|---|\n| 1 | *2* |\n"
    )
    parsed = read("a.md", source.encode())
    assert shown(parsed) == [
        ("heading", "Plan"),
        ("paragraph", "See the wiki and a map. Next line."),
        ("list_item", "1. first"),
        ("list_item", "inner"),
        ("list_item", "2. second"),
        ("quote", "quoted"),
        ("code", "code  here"),
        ("paragraph", "raw"),
        ("table_row", "A | B"),
        ("table_row", "1 | 2"),
    ]
    assert [block.is_header for block in parsed.blocks[-2:]] == [True, False]
    assert parsed.title == "Plan"


def test_it_leaves_out_what_a_pages_reader_does_not_see(read: Read) -> None:
    page = """<title>T</title><nav>Menu</nav><script>var x</script><style>p {}</style><p hidden>one</p>
    <p style="display: none">two</p><p style='font-size:0'>three</p><!-- four --><div aria-hidden="true">five</div><p>Seen.</p>"""
    parsed = read("a.html", page.encode())
    assert (parsed.title, parsed.text) == ("T", "Seen.")


def test_it_reads_a_page_by_its_blocks(read: Read) -> None:
    page = """<h2>Rooms</h2><p>One<br>two <b>three</b></p>tail<ul><li>a <i>b</i><ul><li>c</li></ul></li></ul><pre>x
  y</pre><blockquote><p>said</p></blockquote><table><tr><td>Room<td>Seats<tr><td>2.14<td>8</table>"""
    parsed = read("a.html", page.encode())
    assert shown(parsed) == [
        ("heading", "Rooms"),
        ("paragraph", "One\ntwo three"),
        ("paragraph", "tail"),
        ("list_item", "a b"),
        ("list_item", "c"),
        ("code", "x\n  y"),
        ("quote", "said"),
        ("table_row", "Room | Seats"),
        ("table_row", "2.14 | 8"),
    ]
    assert parsed.blocks[-2].is_header


def test_it_reads_the_text_of_tables_that_only_lay_out_a_page(read: Read) -> None:
    page = "<table><tr><td><h1>News</h1><p>All is well.</p></td><td><table><tr><td>a<td>b</table></td></tr></table>"
    assert shown(read("a.html", page.encode())) == [
        ("heading", "News"),
        ("paragraph", "All is well."),
        ("table_row", "a | b"),
    ]


def test_it_believes_a_pages_declared_encoding(read: Read) -> None:
    page = '<meta charset="iso-8859-5"><p>Отпуск</p>'
    assert read("a.html", page.encode("iso-8859-5")).text == "Отпуск"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_it_finds_the_delimiter_of_a_table(read: Read, delimiter: str) -> None:
    rows = [["Name", "Note"], ["Ada", '"one, two; three"'], ["Bob", "x"]]
    parsed = read("a.csv", "\n".join(delimiter.join(row) for row in rows).encode())
    assert parsed.text == "Name | Note\nAda | one, two; three\nBob | x"
    assert [block.is_header for block in parsed.blocks] == [True, False, False]


def test_it_takes_a_first_row_of_figures_for_data(read: Read) -> None:
    assert not read("a.csv", b"Ada,3.5\nBob,4\n").blocks[0].is_header
    assert read("a.csv", b"Team,2025,2026\nA,3,4\n").blocks[0].is_header


def test_it_reads_a_mail_with_its_sender_and_names_its_attachments(read: Read) -> None:
    mail = (
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: Ada <ada@example.org>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n'
        b'Sch\xf6n.\r\n--b\r\nContent-Type: application/pdf; name="plan.pdf"\r\nContent-Disposition: attachment;'
        b' filename="plan.pdf"\r\n\r\nx\r\n--b--\r\n'
    )
    parsed = read("a.eml", mail)
    assert parsed.title == "Grüße"
    assert shown(parsed) == [("heading", "Grüße"), ("paragraph", "From: Ada <ada@example.org>"), ("paragraph", "Schön.")]
    assert parsed.warnings == ("1 attachment was left out: plan.pdf. Upload what should be found by itself.",)


def test_it_reads_a_mail_that_has_only_html(read: Read) -> None:
    mail = b"Subject: x\nMIME-Version: 1.0\nContent-Type: text/html\n\n<p>Hello <b>all</b></p><script>1</script>"
    assert read("a.eml", mail).text.endswith("Hello all")


# --- Office files -----------------------------------------------------------------------------------------------------


def test_it_reads_a_word_document_in_its_order(read: Read) -> None:
    def fill(document: Any) -> None:
        document.core_properties.title = "Handbook"
        document.add_heading("Travel", 1)
        document.add_paragraph("Before.")
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip([cell for row in table.rows for cell in row.cells], ["City", "Hotel", "Rome", "Roma"], strict=True):
            cell.text = text
        document.add_paragraph("first", style="List Number")
        document.add_heading("Trains", 2)
        document.add_paragraph("After.")

    parsed = read("a.docx", make_docx(fill))
    assert shown(parsed) == [
        ("heading", "Travel"),
        ("paragraph", "Before."),
        ("table_row", "City | Hotel"),
        ("table_row", "Rome | Roma"),
        ("list_item", "first"),
        ("heading", "Trains"),
        ("paragraph", "After."),
    ]
    assert parsed.blocks[-1].heading_path == ("Travel", "Trains")
    assert parsed.title == "Handbook"


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def _with_body(read: Read, body: str) -> ParsedDocument:
    document = f'<?xml version="1.0"?><w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    plain = make_docx(lambda _: None)
    return read("a.docx", with_part(plain, "word/document.xml", lambda _: document.encode()))


def test_it_reads_insertions_and_controls_and_no_deleted_or_hidden_text(read: Read) -> None:
    body = (
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>In a control.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:r><w:t>Kept</w:t></w:r><w:ins><w:r><w:t xml:space='preserve'> new</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText> old</w:delText></w:r></w:del><w:r><w:rPr><w:vanish/></w:rPr><w:t> hidden</w:t></w:r>"
        "<w:r><w:tab/><w:t>end</w:t></w:r></w:p>"
    )
    assert _with_body(read, body).text == "In a control.\n\nKept new\tend"


def test_it_says_a_merged_cell_once(read: Read) -> None:
    def cell(text: str, merge: str = "") -> str:
        return f"<w:tc><w:tcPr>{merge}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"

    rows = cell("All", '<w:vMerge w:val="restart"/>') + cell("one"), cell("All", "<w:vMerge/>") + cell("two")
    parsed = _with_body(read, f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>")
    assert parsed.text == "All | one\n | two"


def test_it_reads_sheets_as_their_readers_see_them(read: Read) -> None:
    def fill(workbook: Any) -> None:
        sheet = workbook.active
        sheet.title = "Budget"
        for row in (["Plan for 2026"], [], ["Item", "Cost", "Share", "From"], ["Desks", 1200.5, 0.25, dt.datetime(2026, 3, 1)]):  # noqa: DTZ001
            sheet.append(row)
        sheet["C4"].number_format = "0%"
        sheet.append(["Lamps", 3, None, None])
        hidden = workbook.create_sheet("Salaries")
        hidden.sheet_state = "hidden"
        hidden.append(["secret"])

    parsed = read("a.xlsx", make_xlsx(fill))
    assert shown(parsed) == [
        ("heading", "Budget"),
        ("paragraph", "Plan for 2026"),
        ("table_row", "Item | Cost | Share | From"),
        ("table_row", "Desks | 1200.5 | 25% | 2026-03-01"),
        ("table_row", "Lamps | 3"),
    ]
    assert {block.sheet for block in parsed.blocks} == {"Budget"}
    assert block_with(parsed, "Item").is_header
    assert parsed.warnings == ("1 hidden sheet was left out.",)


def test_it_reads_slides_with_notes_tables_and_charts(read: Read) -> None:
    def fill(presentation: Any) -> None:
        from pptx.chart.data import CategoryChartData
        from pptx.enum.chart import XL_CHART_TYPE

        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = "Results"
        slide.placeholders[1].text = "Up\nand away"
        table = slide.shapes.add_table(2, 2, 0, 0, 99, 99).table
        for cell, text in zip(table.iter_cells(), ["Team", "Wins", "Red", "3"], strict=True):
            cell.text = text
        data = CategoryChartData()
        data.categories = ["Q1", "Q2"]
        data.add_series("Sales", (1.5, 2))
        slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, 0, 99, 99, data)
        slide.notes_slide.notes_text_frame.text = "Smile."
        hidden = presentation.slides.add_slide(presentation.slide_layouts[5])
        hidden.shapes.title.text = "Not shown"
        hidden.element.set("show", "0")

    parsed = read("a.pptx", make_pptx(fill))
    assert shown(parsed) == [
        ("heading", "Results"),
        ("list_item", "Up"),
        ("list_item", "and away"),
        ("table_row", "Team | Wins"),
        ("table_row", "Red | 3"),
        ("table_row", " | Sales"),
        ("table_row", "Q1 | 1.5"),
        ("table_row", "Q2 | 2"),
        ("heading", "Notes"),
        ("paragraph", "Smile."),
    ]
    assert parsed.pages == 2
    assert parsed.warnings == ("1 hidden slide was left out.",)


# --- PDF --------------------------------------------------------------------------------------------------------------


def test_it_makes_paragraphs_and_headings_of_a_pages_lines(read: Read) -> None:
    page = paragraphs("# Travel", ["Book your journey early and tell your lead", "about it."], "A second paragraph.")
    parsed = read("a.pdf", make_pdf([page], title="Rules"))
    assert shown(parsed) == [
        ("heading", "Travel"),
        ("paragraph", "Book your journey early and tell your lead about it."),
        ("paragraph", "A second paragraph."),
    ]
    assert parsed.blocks[1].heading_path == ("Travel",)
    assert (parsed.title, parsed.pages) == ("Rules", 1)


def test_it_keeps_the_line_ends_that_an_author_made(read: Read) -> None:
    page = paragraphs(["1 Main Street", "12345 Berlin", "Here the longest of the lines shows how wide they are."])
    assert read("a.pdf", make_pdf([page])).text.startswith("1 Main Street\n12345 Berlin\nHere")


def test_it_carries_a_paragraph_over_a_pages_end(read: Read) -> None:
    pages = [
        paragraphs(["The notice period is", "three months for everyone and it"]),
        paragraphs("begins with the next quarter."),
    ]
    parsed = read("a.pdf", make_pdf(pages))
    assert len(parsed.blocks) == 1
    assert parsed.blocks[0].page == 1
    assert parsed.text.endswith("for everyone and it begins with the next quarter.")


def test_it_leaves_running_headers_and_page_numbers_out(read: Read) -> None:
    totals = [40, 7, 311, 12, 90, 5]  # numbers at a page's end that do not count the pages stay
    texts = [f"On the day {'again ' * number}the total is {total}." for number, total in enumerate(totals)]
    feet = [f"Page {number}" for number in (1, 2, 3)] + [f"{number} Chapter two" for number in (4, 5, 6)]
    pages = [
        [Text("Staff handbook", 760), *paragraphs(text, f"Total {total}"), Text(foot, 30)]
        for text, total, foot in zip(texts, totals, feet, strict=True)
    ]
    parsed = read("a.pdf", make_pdf(pages))
    assert [block.page for block in parsed.blocks] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    kept = parsed.text.split("\n\n")
    assert kept == [part for text, total in zip(texts, totals, strict=True) for part in (text, f"Total {total}")]


def test_it_counts_the_pages_without_text(read: Read) -> None:
    parsed = read("a.pdf", make_pdf([paragraphs("Words."), [], []]))
    assert parsed.warnings == ("2 of 3 pages have no text; they were left out.",)
    assert parsed.pages == 3


def test_it_says_that_a_scan_has_no_text(read: Read) -> None:
    with pytest.raises(ParseError) as caught:
        read("a.pdf", make_pdf([[], []]))
    assert caught.value.code == "no_text"
    assert "no text layer" in caught.value.public_message


def test_it_says_that_a_pdf_is_protected(read: Read) -> None:
    with pytest.raises(ParseError) as caught:
        read("a.pdf", make_pdf([paragraphs("Words.")], password="hunter2"))
    assert caught.value.code == "encrypted"


def test_it_reads_a_pdf_of_the_most_pages_and_refuses_one_more(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("a.pdf", make_many_pages(5_000)).pages == 5_000
    with pytest.raises(ParseError, match="5,001 pages; the limit is 5,000"):
        read("a.pdf", make_many_pages(5_001))


def test_it_joins_a_wrapped_line_whose_middle_is_a_space_that_the_page_does_not_draw(read: Read) -> None:
    """Chromium places words without drawing the spaces between them; PDFium makes such a space up, with a size of its own."""
    text = read("leave-policy.pdf", (ROOT / "demo/documents/handbook/leave-policy.pdf").read_bytes()).text
    assert "employees with ten full years have three extra days." in text
