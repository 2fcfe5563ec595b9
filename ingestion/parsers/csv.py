"""Comma-, semicolon-, tab- and bar-separated tables. The first row that has text names the columns; rows as long as a
conversation are read as records."""

from __future__ import annotations

import csv
import io
from itertools import zip_longest
from pathlib import Path

from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.builder import DocumentBuilder, names_columns
from ingestion.parsers.cleaning import clean
from ingestion.parsers.decoding import decode
from ingestion.parsers.records import add_record, reads_as_records

MAX_CELLS = 1_000_000
MAX_CELL = 1_000_000  # characters
_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 50


class CsvParser:
    """One table."""

    formats = frozenset({"csv"})

    def parse(self, path: Path) -> ParsedDocument:
        text = clean(decode(path.read_bytes()))
        csv.field_size_limit(MAX_CELL)
        rows: list[list[str]] = []
        cells = 0
        try:
            for row in csv.reader(io.StringIO(text), delimiter=delimiter_of(text)):
                cells += len(row)
                if cells > MAX_CELLS:
                    raise too_many_cells(MAX_CELLS)
                rows.append(row)
        except csv.Error:
            raise ParseError("damaged", "A quotation mark in the file is never closed. Save it as CSV again.") from None
        return _build([row for row in rows if any(cell.strip() for cell in row)])


def _build(rows: list[list[str]]) -> ParsedDocument:
    builder = DocumentBuilder()
    if len(rows) > 1 and names_columns(rows[0]) and reads_as_records(rows[1:]):
        for number, row in enumerate(rows[1:], start=1):
            add_record(builder, list(zip_longest(rows[0], row, fillvalue="")), number)
        return builder.build()
    table = builder.start_table()
    for row in rows:
        builder.row(row, table=table, is_header=not builder.blocks and names_columns(row))
    return builder.build()


def too_many_cells(limit: int) -> ParseError:
    return ParseError("too_many_cells", f"The file has more than {limit:,} cells. Split it and upload the parts.")


def delimiter_of(text: str) -> str:
    """The separator that cuts the first lines into the most columns of the same number."""
    sample = "\n".join(text.split("\n", _SAMPLE_ROWS)[:_SAMPLE_ROWS])

    def score(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
        except csv.Error:
            return (0, 0)
        common = max(set(widths), key=widths.count, default=1)
        return (widths.count(common) if common > 1 else 0, common)

    return max(_DELIMITERS, key=score)
