"""Puts blocks one after another into a ParsedDocument, so that every span is right because there is one place that counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ingestion.parsers.base import Block, BlockKind, ParsedDocument, ParseError
from ingestion.parsers.cleaning import lines, one_line

MAX_CHARACTERS = 20_000_000
MAX_BLOCKS = 400_000
MAX_HEADING = 300  # characters; what is longer was a paragraph in a heading's clothes
MAX_KEYWORDS = 100
MAX_KEYWORD_TEXT = 10_000  # characters
_FIGURE = re.compile(r"\s*[-+(]?\s*[$€£¥]?\s*\d[\d.,:'\s/-]*\s*[%)KMBkmb€$]?\s*")
_YEAR = re.compile(r"(?:19|20)\d\d")


class DocumentBuilder:
    """Collects a document's blocks in reading order. `page` and `sheet` are set by the parser as it goes."""

    def __init__(self) -> None:
        self.page: int | None = None
        self.sheet: str | None = None
        self.warnings: list[str] = []
        self._keywords: list[str] = []
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._headings: list[tuple[int, str]] = []
        self._tables = 0

    @property
    def blocks(self) -> Sequence[Block]:
        return self._blocks

    def keywords(self, text: str) -> None:
        """What the file says that it is filed under, between commas, semicolons or line ends."""
        words = (one_line(part) for part in re.split(r"[,;\n]", text[:MAX_KEYWORD_TEXT]))
        self._keywords = [*self._keywords, *filter(None, words)][:MAX_KEYWORDS]

    def heading(self, text: str, level: int) -> None:
        text = one_line(text)
        if len(text) > MAX_HEADING:
            self.paragraph(text)
        elif text:
            self.leave_headings(level)
            self._add("heading", text, level=level)
            self._headings.append((level, text))

    def leave_headings(self, level: int = 0) -> None:
        """Forget the headings of this level and deeper: what follows is not under them."""
        self._headings = [heading for heading in self._headings if heading[0] < level]

    def paragraph(self, text: str) -> None:
        self._add("paragraph", lines(text).lstrip())

    def list_item(self, text: str) -> None:
        self._add("list_item", lines(text).lstrip())

    def quote(self, text: str) -> None:
        self._add("quote", lines(text).lstrip())

    def code(self, text: str) -> None:
        self._add("code", lines(text))

    def start_table(self) -> int:
        """A new table's number, for its rows."""
        self._tables += 1
        return self._tables

    def row(self, cells: Iterable[str], *, table: int, is_header: bool = False) -> None:
        """One row; its text is the cells joined by " | ". A row without any text is left out."""
        texts = [one_line(cell) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        if not texts:
            return
        follows = bool(self._blocks) and self._blocks[-1].table == table
        start = self._length + (0 if not self._parts else 1 if follows else 2)
        spans, at = [], start
        for text in texts:
            spans.append((at, at + len(text)))
            at += len(text) + 3
        text = " | ".join(texts)
        self._add("table_row", text, separator="\n" if follows else "\n\n", table=table, is_header=is_header, cells=tuple(spans))

    def table(self, rows: Sequence[Sequence[str]], *, has_header: bool) -> None:
        """A whole table. One of a single column is a box, not a table: its cells become paragraphs."""
        rows = [row for row in rows if any(cell.strip() for cell in row)]
        if max((len(row) for row in rows), default=0) < 2:
            for row in rows:
                self.paragraph(row[0])
            return
        number = self.start_table()
        for index, row in enumerate(rows):
            self.row(row, table=number, is_header=has_header and index == 0 and len(rows) > 1)

    def _add(
        self,
        kind: BlockKind,
        text: str,
        *,
        separator: str = "\n\n",
        level: int = 0,
        table: int | None = None,
        is_header: bool = False,
        cells: tuple[tuple[int, int], ...] = (),
    ) -> None:
        if not text.strip():
            return
        if self._parts:
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        path = tuple(heading for _, heading in self._headings)
        self._blocks.append(
            Block(kind, start, self._length, self.page, self.sheet, path, level, table, is_header, cells)
        )  # fmt: skip
        if self._length > MAX_CHARACTERS or len(self._blocks) > MAX_BLOCKS:
            raise ParseError(
                "too_long",
                f"The file holds more than {MAX_CHARACTERS:,} characters or {MAX_BLOCKS:,} paragraphs and rows."
                " Split it and upload the parts.",
            )

    def build(self, *, title: str = "", pages: int | None = None) -> ParsedDocument:
        return ParsedDocument(
            "".join(self._parts), tuple(self._blocks), one_line(title)[:300], pages, tuple(self.warnings),
            keywords=tuple(self._keywords),
        )  # fmt: skip


def names_columns(cells: Sequence[str]) -> bool:
    """Whether a table's first row may be its header: no cell is a figure (a year may name a column)."""
    return not any(_FIGURE.fullmatch(cell) and not _YEAR.fullmatch(cell.strip()) for cell in cells)


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """The stricter question, for tables that often have no header: all cells filled, short and different, rows below."""
    if len(rows) < 2:
        return False
    first = [cell.strip() for cell in rows[0]]
    is_filled = len(first) > 1 and all(first) and len(set(first)) == len(first)
    return is_filled and all(len(cell) <= 60 for cell in first) and names_columns(first)
