"""PowerPoint presentations: a page per slide; titles, texts, tables, charts and the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingestion.parsers.base import ParsedDocument
from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.cleaning import plain_title
from ingestion.parsers.containers import reading

MAX_DEPTH = 20


class PptxParser:
    """One presentation. Hidden slides are left out."""

    formats = frozenset({"pptx"})

    def parse(self, path: Path) -> ParsedDocument:
        from pptx import Presentation
        from pptx.exc import PythonPptxError

        builder = DocumentBuilder()
        hidden = 0
        with reading("pptx", PythonPptxError):
            presentation = Presentation(str(path))
            slides = list(presentation.slides)
            for number, slide in enumerate(slides, start=1):
                if slide.element.get("show") in ("0", "false"):
                    hidden += 1
                    continue
                builder.page = number
                _add_slide(builder, slide)
            title = plain_title(presentation.core_properties.title)
            builder.keywords(presentation.core_properties.keywords)
        if hidden:
            builder.warnings.append(f"{'1 hidden slide was' if hidden == 1 else f'{hidden} hidden slides were'} left out.")
        return builder.build(title=title, pages=len(slides))


def _add_slide(builder: DocumentBuilder, slide: Any) -> None:
    builder.leave_headings()
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        builder.heading(title.text_frame.text, 1)
    for shape in _shapes(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _add_shape(builder, shape)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None and notes.text.strip():
        builder.heading("Notes", 2)
        for paragraph in notes.paragraphs:
            builder.paragraph(paragraph.text)


def _shapes(shapes: Any, depth: int = 0) -> Iterator[Any]:
    """The shapes with groups opened, in the order in which they were drawn."""
    for shape in shapes:
        inner = getattr(shape, "shapes", None)
        if inner is not None and depth < MAX_DEPTH:
            yield from _shapes(inner, depth + 1)
        else:
            yield shape


def _add_shape(builder: DocumentBuilder, shape: Any) -> None:
    if getattr(shape, "has_table", False):
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        builder.table(rows, has_header=bool(shape.table.first_row))
    elif getattr(shape, "has_chart", False):
        _add_chart(builder, shape.chart)
    elif shape.has_text_frame:
        _add_text(builder, shape)


def _add_text(builder: DocumentBuilder, shape: Any) -> None:
    """A body placeholder's paragraphs are the slide's points; a text box's lines belong together."""
    if _is_footer(shape):
        return
    texts = [paragraph.text for paragraph in shape.text_frame.paragraphs]
    if shape.is_placeholder:
        for text in texts:
            builder.list_item(text)
    else:
        builder.paragraph("\n".join(texts))


def _is_footer(shape: Any) -> bool:
    from pptx.enum.shapes import PP_PLACEHOLDER

    marks = (PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.SLIDE_NUMBER)
    return bool(shape.is_placeholder) and shape.placeholder_format.type in marks


def _add_chart(builder: DocumentBuilder, chart: Any) -> None:
    if chart.has_title and chart.chart_title.has_text_frame:
        builder.paragraph(chart.chart_title.text_frame.text)
    for plot in chart.plots:
        series = list(plot.series)
        rows = [["", *(str(item.name) for item in series)]]
        values = [list(getattr(item, "values", ())) for item in series]
        for index, category in enumerate(plot.categories):
            figures = [column[index] if index < len(column) else None for column in values]
            rows.append([str(category), *("" if figure is None else format(figure, ".15g") for figure in figures)])
        builder.table(rows, has_header=True)
