"""Plain text: blank lines part paragraphs, underlined lines are headings, bullets and numbers are list items."""

from __future__ import annotations

import re
from pathlib import Path

from ingestion.parsers.base import ParsedDocument
from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.cleaning import clean
from ingestion.parsers.decoding import decode

_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")
_UNDERLINE = re.compile(r"([=\-~^*#\"])\1{2,}\s*")
_BULLET = re.compile(r"[ \t]*(?:[-*•‣◦·–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])[ \t]+(?=\S)")
_UNDERLINE_LEVELS = {"=": 1, "#": 1, "*": 1, "-": 2}


class TextParser:
    """Text in any common encoding."""

    formats = frozenset({"text"})

    def parse(self, path: Path) -> ParsedDocument:
        builder = DocumentBuilder()
        add_text(builder, decode(path.read_bytes()))
        return builder.build()


def add_text(builder: DocumentBuilder, text: str, *, has_headings: bool = True) -> None:
    """Add plain text as blocks. A mail has no headings: there a row of dashes is a signature's."""
    for part in _BLANK_LINES.split(clean(text)):
        rows = part.strip("\n").split("\n")
        if has_headings:
            rows = _take_heading(builder, rows)
        _add_rows(builder, rows)


def _take_heading(builder: DocumentBuilder, rows: list[str]) -> list[str]:
    """Take an underlined title (with or without a line above it) off the front; return what is left."""
    if len(rows) > 2 and _UNDERLINE.fullmatch(rows[0]) and _UNDERLINE.fullmatch(rows[2]):
        rows = rows[1:]
    if len(rows) < 2 or not (mark := _UNDERLINE.fullmatch(rows[1])):
        return rows
    if not rows[0].strip() or len(rows[1].strip()) < len(rows[0].strip()) // 2:
        return rows
    builder.heading(rows[0], _UNDERLINE_LEVELS.get(mark[1], 3))
    return rows[2:]


def _add_rows(builder: DocumentBuilder, rows: list[str]) -> None:
    """Lines up to the next bullet belong together."""
    group: list[str] = []
    for row in rows:
        if group and _BULLET.match(row):
            _add_group(builder, group)
            group = []
        group.append(row)
    _add_group(builder, group)


def _add_group(builder: DocumentBuilder, group: list[str]) -> None:
    if not group or all(_UNDERLINE.fullmatch(row) for row in group):
        return
    if all(row.lstrip().startswith(">") or not row.strip() for row in group):
        builder.quote("\n".join(row.lstrip(" \t>") for row in group))
    elif bullet := _BULLET.match(group[0]):
        marker = bullet[0].strip()
        keep = marker + " " if marker[-1] in ".)" else ""  # "3." says which step it is; a dot says nothing
        builder.list_item("\n".join([keep + group[0][bullet.end() :], *(row.strip() for row in group[1:])]))
    else:
        builder.paragraph("\n".join(group))
