"""Excel workbooks: one table per visible sheet, read as a stream; formulas by the values that were saved with them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ingestion.parsers.base import ParsedDocument
from ingestion.parsers.builder import DocumentBuilder, names_columns
from ingestion.parsers.cleaning import plain_title
from ingestion.parsers.containers import reading
from ingestion.parsers.csv import MAX_CELLS, too_many_cells

MAX_ROWS = 2_000_000  # with the empty ones, which a sheet of two cells can have by the million
_TITLE_ROWS = 10
_PERCENT = re.compile(r"0(?:\.(0+))?%")


class XlsxParser:
    """One workbook. A sheet's first row names the columns unless it holds figures; single cells above it are paragraphs."""

    formats = frozenset({"xlsx"})

    def parse(self, path: Path) -> ParsedDocument:
        builder = DocumentBuilder()
        budget = _Budget()
        hidden = 0
        # By its content: openpyxl looks at the ending of a name, and stored files have none.
        with reading("xlsx"), path.open("rb") as file:
            workbook = _open(file)
            for sheet in workbook.worksheets:
                if sheet.sheet_state != "visible":
                    hidden += 1
                else:
                    _add_sheet(builder, sheet, budget)
            builder.keywords(str(workbook.properties.keywords or ""))
        if hidden:
            builder.warnings.append(f"{'1 hidden sheet was' if hidden == 1 else f'{hidden} hidden sheets were'} left out.")
        return builder.build(title=plain_title(workbook.properties.title))


class _Budget:
    """Counts cells and rows over all sheets."""

    def __init__(self) -> None:
        self.cells = self.rows = 0

    def spend(self, cells: int) -> None:
        self.cells += cells
        self.rows += 1
        if self.cells > MAX_CELLS or self.rows > MAX_ROWS:
            raise too_many_cells(MAX_CELLS)


def _open(file: BinaryIO) -> Any:
    import openpyxl

    return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)


def _add_sheet(builder: DocumentBuilder, sheet: Any, budget: _Budget) -> None:
    builder.sheet = sheet.title[:120]
    builder.leave_headings()
    above: list[list[str]] = []  # rows of one cell, which are titles if a wider row follows
    table: int | None = None
    is_first = True
    for row in _rows(sheet, budget):
        if is_first:
            builder.heading(sheet.title, 1)
            is_first = False
        if table is None and sum(map(bool, row)) == 1 and len(above) < _TITLE_ROWS:
            above.append(row)
            continue
        if table is None:
            table = builder.start_table()
            for title in above:
                builder.paragraph(" ".join(title))
            builder.row(row, table=table, is_header=names_columns(row))
        else:
            builder.row(row, table=table)
    if table is None and above:
        table = builder.start_table()
        for index, row in enumerate(above):
            builder.row(row, table=table, is_header=index == 0 and len(above) > 1 and names_columns(row))


def _rows(sheet: Any, budget: _Budget) -> Iterator[list[str]]:
    """The rows that hold something, empty cells at their ends cut off."""
    sheet.reset_dimensions()  # a file may declare a size that it has not
    for row in sheet.iter_rows():
        budget.spend(sum(cell.value is not None for cell in row))
        texts = [_shown(cell) for cell in row]
        while texts and not texts[-1].strip():
            texts.pop()
        if texts:
            yield texts


def _shown(cell: Any) -> str:
    """The value as a person would read it: no float noise, ISO dates, percentages as such."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        percent = _PERCENT.search(cell.number_format or "")
        return f"{value * 100:.{len(percent[1] or '')}f}%" if percent else format(value, ".15g")
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time(0) else value.isoformat(" ", "minutes")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)
