"""What a viewer may see of an extraction, decided again at every view, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User

from assistant.jobs.fields import names_of
from assistant.jobs.models import Extraction, ExtractionRow
from assistant.presentation import place
from ingestion.permissions import readable_documents

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet begins to calculate


@dataclass(frozen=True, slots=True)
class ShownCell:
    """Without a `value` nothing was found that is sure enough; `problem`: why the language model did not look for it."""

    name: str
    value: str = ""
    quote: str = ""
    place: str = ""
    start: int = 0
    end: int = 0
    confidence: float | None = None
    is_written: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ShownRow:
    document_id: int
    title: str
    is_done: bool
    problem: str
    cells: tuple[ShownCell, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ShownTable:
    """`hidden`: rows of documents that the viewer may not read any more."""

    names: tuple[str, ...]
    rows: tuple[ShownRow, ...]
    hidden: int

    @property
    def done(self) -> int:
        return sum(row.is_done for row in self.rows)


def present_extraction(extraction: Extraction, user: User) -> ShownTable:
    names = names_of(extraction.fields)
    rows = list(extraction.rows.select_related("document"))
    open_ids = set(readable_documents(user).filter(pk__in=[row.document_id for row in rows]).values_list("pk", flat=True))
    shown = tuple(_row(row, names) for row in rows if row.document_id in open_ids)
    return ShownTable(tuple(names), shown, len(rows) - len(shown))


def _row(row: ExtractionRow, names: Sequence[str]) -> ShownRow:
    cells = tuple(_cell(name, cell, row.document.format) for name, cell in zip(names, row.cells, strict=False))
    return ShownRow(row.document_id, str(row.document), row.is_done, row.problem, cells)


def _cell(name: str, cell: dict[str, Any], document_format: str) -> ShownCell:
    if not cell.get("value"):
        return ShownCell(name, confidence=cell.get("confidence"), problem=cell.get("problem", ""))
    return ShownCell(
        name=name,
        value=cell["value"],
        quote=cell["quote"],
        place=place(cell["page"], cell["heading_path"], document_format),
        start=cell["start"],
        end=cell["end"],
        confidence=cell["confidence"],
        is_written=cell["tier"] == "specialist",
    )


def as_csv(table: ShownTable) -> str:
    """Per field its value, its quote and where that stands. Nothing begins as a formula would."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["Document", *(_plain(head) for name in table.names for head in (name, f"{name}: quote", f"{name}: place"))])
    for row in table.rows:
        said = [text for cell in row.cells for text in (cell.value, cell.quote, cell.place)]
        writer.writerow([_plain(text) for text in (row.title, *(said or [row.problem]))])
    return out.getvalue()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text
