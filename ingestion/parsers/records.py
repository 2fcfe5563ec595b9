"""Records of named values, as ticket systems export them: a heading with the record's name, then a paragraph for each value."""

from __future__ import annotations

from collections.abc import Sequence

from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.cleaning import one_line

SHORT = 80  # characters
LONG_RECORD = 600  # characters; what is longer does not fit one passage, so it is no row of a table
LONG_VALUE = 300  # characters of the longest value of such a record; a wide table of figures has none
MAX_VALUES = 200_000  # of all records; a paragraph each
_NAMES = ("subject", "title", "summary", "question", "name", "clause_type", "clause type", "type", "key", "id", "ticket")


def add_record(builder: DocumentBuilder, values: Sequence[tuple[str, str]], number: int) -> None:
    """Short values come first, so that the passage that says what the record is about says its kind and number, too."""
    filled = [(one_line(name), value) for name, value in values if value.strip()]
    builder.leave_headings()
    named = sorted(
        (item for item in filled if item[0].lower() in _NAMES and len(item[1]) <= 2 * SHORT),
        key=lambda item: _NAMES.index(item[0].lower()),
    )  # fmt: skip
    builder.heading(named[0][1] if named else f"Record {number}", 1)
    rest = [item for item in filled if item not in named[:1]]
    for name, value in sorted(rest, key=lambda item: len(item[1]) > SHORT):
        builder.paragraph(f"{name}: {value.strip()}" if name else value.strip())


def reads_as_records(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the rows of a table, its header left out, are mostly too long for a passage, since one of their values is."""
    long = sum(sum(map(len, row)) > LONG_RECORD and max(map(len, row)) > LONG_VALUE for row in rows)
    return bool(rows) and long * 2 > len(rows) and sum(map(len, rows)) <= MAX_VALUES
