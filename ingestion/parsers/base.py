"""The Parser seam: what a parser returns, and how it refuses. Everything here is plain data and crosses processes as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

BlockKind = Literal["heading", "paragraph", "list_item", "table_row", "code", "quote"]


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a document, with its place in `ParsedDocument.text`: text[start:end] is the block's text."""

    kind: BlockKind
    start: int
    end: int
    page: int | None = None  # 1-based: the PDF's page, the presentation's slide
    sheet: str | None = None  # the name of the spreadsheet's sheet
    heading_path: tuple[str, ...] = ()  # the headings above this block, outermost first
    level: int = 0  # a heading's depth (1 = outermost)
    table: int | None = None  # rows of one table share a number
    is_header: bool = False  # the header row of its table
    cells: tuple[tuple[int, int], ...] = ()  # a table row's cells, as spans of the text


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The text of a document and its structure. `pages` is None where the format has no pages."""

    text: str
    blocks: tuple[Block, ...]
    title: str = ""
    pages: int | None = None
    warnings: tuple[str, ...] = field(default=())  # sentences for the document's row
    format: str = ""  # what the file turned out to be: one of formats.PARSERS
    keywords: tuple[str, ...] = ()  # what the file says that it is filed under; not checked

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ParsedDocument:
        """Rebuild from `to_json`'s output. Raises ValueError, TypeError or KeyError when the data are not that."""
        return cls(
            text=str(data["text"]),
            blocks=tuple(block_from_json(block) for block in data["blocks"]),
            title=str(data["title"]),
            pages=data["pages"],
            warnings=tuple(str(warning) for warning in data["warnings"]),
            format=str(data.get("format", "")),
            keywords=tuple(str(word) for word in data.get("keywords", ())),
        )


def block_from_json(data: dict[str, Any]) -> Block:
    cells = tuple((int(start), int(end)) for start, end in data.get("cells", ()))
    return Block(**{**data, "heading_path": tuple(data.get("heading_path", ())), "cells": cells})


class ParseError(Exception):
    """A file that cannot be read. `public_message` says what its owner can do; `permanent` that a retry is useless."""

    def __init__(self, code: str, public_message: str, *, permanent: bool = True) -> None:
        super().__init__(f"{code}: {public_message}")
        self.code = code
        self.public_message = public_message
        self.permanent = permanent


class Parser(Protocol):
    """One format. Stateless; called in a bounded child process (see sandbox.py), never in the caller's."""

    formats: frozenset[str]

    def parse(self, path: Path) -> ParsedDocument:
        """Read the file, or raise ParseError. It opens nothing but `path` and asks no network."""
        ...
