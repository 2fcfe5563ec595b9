"""Writers of the demo's DOCX, PPTX and XLSX files."""

from __future__ import annotations

import re
from typing import Any

from markdown_it.token import Token

from demo.source_files import MARKDOWN, Source, groups, plain, settle_zip, table_rows

GREEN = "1F6F54"


def set_properties(properties: Any, source: Source) -> None:
    properties.title = source.title
    properties.author = source.meta.get("owner", "Brackwell Instruments").split(",")[0]
    properties.created = properties.modified = source.date


def build_docx(source: Source) -> None:
    import docx

    document = docx.Document()
    style_docx(document, source)
    document.add_paragraph(source.title, style="Title")
    if "subtitle" in source.meta:
        document.add_paragraph(source.meta["subtitle"], style="Subtitle")
    document.add_paragraph(" · ".join(f"{label}: {value}" for label, value in source.details))
    for kind, tokens in groups(MARKDOWN.parse(source.body)):
        if kind == "heading":
            document.add_heading(plain(tokens[1]), level=int(tokens[0].tag[1]) - 1)
        elif kind == "table":
            add_docx_table(document, table_rows(tokens))
        elif kind in ("bullet_list", "ordered_list"):
            add_docx_list(document, tokens, "List Bullet" if kind == "bullet_list" else "List Number")
        else:
            style = "Intense Quote" if kind == "blockquote" else None
            for token in (token for token in tokens if token.type == "inline"):
                add_docx_runs(document.add_paragraph(style=style), token)
    set_properties(document.core_properties, source)
    document.save(str(source.target))
    settle_zip(source.target, source.date)


def style_docx(document: Any, source: Source) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Cm, Pt, RGBColor

    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(10.5)
    for name in ("Title", "Heading 1", "Heading 2"):
        document.styles[name].font.color.rgb = RGBColor.from_string(GREEN)
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.4)
    section.header.paragraphs[0].text = f"Brackwell Instruments NV\t\t{source.meta.get('reference', '')}"
    footer = section.footer.paragraphs[0]
    footer.add_run(f"{source.title}\t\tPage ")
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    footer._p.append(field)


def add_docx_runs(paragraph: Any, token: Token) -> None:
    bold = italic = False
    for child in token.children or []:
        if child.type.startswith("strong"):
            bold = child.nesting == 1
        elif child.type.startswith("em"):
            italic = child.nesting == 1
        else:
            run = paragraph.add_run(" " if child.type == "softbreak" else child.content)
            run.bold, run.italic = bold, italic
            if child.type == "code_inline":
                run.font.name = "Consolas"


def add_docx_list(document: Any, tokens: list[Token], style: str) -> None:
    number = None
    if style == "List Number":  # each list starts again at 1
        numbering = document.part.numbering_part.element
        number = numbering.add_num(document.styles[style].element.pPr.numPr.numId.val)
        number.add_lvlOverride(ilvl=0).add_startOverride(1)
    for token in (token for token in tokens if token.type == "inline"):
        paragraph = document.add_paragraph(style=style)
        if number is not None:
            properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()
            properties.get_or_add_ilvl().val = 0
            properties.get_or_add_numId().val = number.numId
        add_docx_runs(paragraph, token)


def add_docx_table(document: Any, rows: list[list[str]]) -> None:
    table = document.add_table(rows=0, cols=len(rows[0]), style="Light Grid Accent 3")
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.add_paragraph()


def build_pptx(source: Source) -> None:
    """One slide for each `##`; a list or a table is its body, a block quote its speaker notes."""
    import pptx
    from pptx.util import Inches

    deck = pptx.Presentation()
    deck.slide_width, deck.slide_height = Inches(13.333), Inches(7.5)
    opening = add_slide(deck, 0, source.title)
    subtitle = opening.placeholders[1]
    subtitle.text = f"{source.meta.get('subtitle', '')}\n{source.meta['owner']} · {source.date.day} {source.date:%B %Y}"
    place(subtitle, 0.9, 3.9, 11.5, 1.6)
    for part in re.split(r"^## ", source.body, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        pieces = list(groups(MARKDOWN.parse(body)))
        has_table = any(kind == "table" for kind, _ in pieces)
        slide = add_slide(deck, 5 if has_table else 1, title.strip())
        for kind, tokens in pieces:
            fill_slide(slide, kind, tokens)
    set_properties(deck.core_properties, source)
    deck.save(str(source.target))
    settle_zip(source.target, source.date)


def place(shape: Any, left: float, top: float, width: float, height: float) -> None:
    from pptx.util import Inches

    shape.left, shape.top, shape.width, shape.height = Inches(left), Inches(top), Inches(width), Inches(height)


def add_slide(deck: Any, layout: int, title: str) -> Any:
    from pptx.dml.color import RGBColor
    from pptx.enum.text import PP_ALIGN
    from pptx.util import Inches, Pt

    slide = deck.slides.add_slide(deck.slide_layouts[layout])
    place(slide.shapes.title, 0.9, 2.2 if layout == 0 else 0.45, 11.5, 1.5 if layout == 0 else 1.0)
    slide.shapes.title.text = title
    heading = slide.shapes.title.text_frame.paragraphs[0]
    heading.alignment = PP_ALIGN.LEFT
    heading.font.size, heading.font.bold = Pt(40 if layout == 0 else 30), True
    heading.font.color.rgb = RGBColor.from_string(GREEN)
    band = slide.shapes.add_shape(1, 0, 0, Inches(0.28), deck.slide_height)
    band.fill.solid()
    band.fill.fore_color.rgb = RGBColor.from_string(GREEN)
    band.line.fill.background()
    return slide


def fill_slide(slide: Any, kind: str, tokens: list[Token]) -> None:
    from pptx.dml.color import RGBColor
    from pptx.util import Inches, Pt

    lines = [plain(token) for token in tokens if token.type == "inline"]
    if kind == "blockquote":
        slide.notes_slide.notes_text_frame.text = "\n".join(lines)
    elif kind == "table":
        rows = table_rows(tokens)
        shape = slide.shapes.add_table(len(rows), len(rows[0]), Inches(0.9), Inches(1.7), Inches(11.5), Inches(0.5 * len(rows)))
        for cell, text in zip(shape.table.iter_cells(), (text for row in rows for text in row), strict=True):
            cell.text = text
            cell.text_frame.paragraphs[0].font.size = Pt(15)
        for cell in shape.table.rows[0].cells:
            cell.fill.solid()
            cell.fill.fore_color.rgb = RGBColor.from_string(GREEN)
    else:
        body = slide.placeholders[1]
        place(body, 0.9, 1.6, 11.5, 5.2)
        body.text_frame.text = "\n".join(lines)
        for paragraph in body.text_frame.paragraphs:
            paragraph.font.size = Pt(20)
            paragraph.space_after = Pt(8)


def build_xlsx(source: Source) -> None:
    """One sheet for each `##` and its table; the first row is the header."""
    import openpyxl
    from openpyxl.styles import Alignment, Font, PatternFill

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for part in re.split(r"^## ", source.body, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        sheet = book.create_sheet(title.strip())
        rows = table_rows(MARKDOWN.parse(body))
        for row in rows:
            sheet.append([typed_cell(text) for text in row])
        for cell in sheet[1]:
            cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor=GREEN)
        for index, column in enumerate(sheet.columns):
            width = max(len(row[index]) for row in rows)
            sheet.column_dimensions[column[0].column_letter].width = min(width, 60) + 3
            for cell in column:
                cell.alignment = Alignment(vertical="top", wrap_text=width > 60)
                cell.number_format = "#,##0" if isinstance(cell.value, int) and cell.value >= 10_000 else "General"
        sheet.freeze_panes = "A2"
    set_properties(book.properties, source)
    book.properties.creator = source.meta["owner"].split(",")[0]
    book.save(source.target)
    settle_zip(source.target, source.date)


def typed_cell(text: str) -> str | int:
    return int(text) if text.isdecimal() else text
