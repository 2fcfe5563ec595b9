"""Comma-, semicolon-, tab- and bar-separated tables. The first row that has text names the columns."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.builder import DocumentBuilder, names_columns
from ingestion.parsers.cleaning import clean
from ingestion.parsers.decoding import decode

MAX_CELLS = 1_000_000
MAX_CELL = 1_000_000  # characters
_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 50


class CsvParser:
    """One table."""

    formats = frozenset({"csv"})

    def parse(self, path: Path) -> ParsedDocument:
        text = clean(decode(path.read_bytes()))
        builder = DocumentBuilder()
        table = builder.start_table()
        csv.field_size_limit(MAX_CELL)
        cells = 0
        try:
            for row in csv.reader(io.StringIO(text), delimiter=delimiter_of(text)):
                cells += len(row)
                if cells > MAX_CELLS:
                    raise too_many_cells(MAX_CELLS)
                builder.row(row, table=table, is_header=not builder.blocks and names_columns(row))
        except csv.Error:
            raise ParseError("damaged", "A quotation mark in the file is never closed. Save it as CSV again.") from None
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
