"""What a document says by its form: the rows of its tables, its records, the threads of its mails, and the functions of its code.

Plain data in, plain data out: a parsed document's text and pieces, whatever file they came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

MAILS = frozenset({"eml", "mbox"})
CODE = frozenset({"python", "code"})
LISTS = frozenset({"csv", "json", "jsonl"})
TABLES = frozenset({*LISTS, "xlsx"})
READ = MAILS | CODE | TABLES  # formats; the others are read by their headings alone
_NAMED = re.compile(r"(?P<name>[^\n:]{1,60}): (?=\S)")
_SENDER = re.compile(r"From: (?P<sender>[^\n]+)")
_ADDRESS = re.compile(r"<([^<>\s]+)>")
_ATTRIBUTION = re.compile(r"(?:on|am|le|op|el)\b.{5,200}:|-{2,}.{0,40}(?:original|forwarded).*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A block of a document: text[start:end]."""

    kind: str
    start: int
    end: int
    heading_path: tuple[str, ...] = ()
    level: int = 0
    table: int | None = None
    is_header: bool = False
    cells: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A value: the document's text from `start`."""

    name: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Record:
    """`kind`: row, thread or code. `path`: the headings above. `start`: of what comes first below them."""

    kind: str
    path: tuple[str, ...]
    start: int
    fields: tuple[Field, ...]

    def of(self, *names: str) -> Field | None:
        """The first of these that is there."""
        by_name = {field.name.lower().strip(): field for field in reversed(self.fields)}
        return next((by_name[name] for name in names if name in by_name), None)


def records_of(format_name: str, text: str, pieces: Sequence[Piece]) -> Iterator[Record]:
    """In the order of the document; none where its format has none."""
    if format_name in MAILS:
        yield from _threads(text, pieces)
    elif format_name in CODE:
        yield from _definitions(text, pieces)
    elif format_name in TABLES:
        yield from _rows(text, pieces)


def starts_of_parts(format_name: str, pieces: Sequence[Piece]) -> list[int]:
    """Where each record, thread or contract of a file of many begins; empty where a file is one whole."""
    if format_name not in TABLES and format_name != "mbox":
        return []
    starts = []
    is_next = False
    for piece in pieces:
        if piece.kind == "heading":
            is_next = is_next or piece.level == 1
            continue
        is_row = piece.table is not None and len(piece.heading_path) < 2 and not piece.is_header
        if is_next or is_row:
            starts.append(piece.start)
        is_next = False
    return starts


def _rows(text: str, pieces: Sequence[Piece]) -> Iterator[Record]:
    for (path, table), group in groupby(pieces, key=lambda piece: (piece.heading_path, piece.table)):
        blocks = [piece for piece in group if piece.kind != "heading"]
        if table is not None:
            names = [text[start:end] for start, end in blocks[0].cells] if blocks and blocks[0].is_header else []
            for row in blocks[1:] if names else ():
                fields = tuple(
                    Field(name, text[start:end], start)
                    for name, (start, end) in zip(names, row.cells, strict=False)
                    if start < end
                )
                yield Record("row", path, row.start, fields)
        elif blocks and len(path) == 1:
            found = [(piece, match) for piece in blocks if (match := _NAMED.match(text, piece.start, piece.end))]
            if len(found) == len(blocks):
                title = Field("title", path[0], -1)  # a heading is no part of a passage
                fields = tuple(Field(match["name"], text[match.end() : piece.end], match.end()) for piece, match in found)
                yield Record("row", path, blocks[0].start, (*fields, title))


def _threads(text: str, pieces: Sequence[Piece]) -> Iterator[Record]:
    """What the first writer asked, and what the last other one wrote. A single mail that quotes another answers it."""
    for path, group in groupby(pieces, key=lambda piece: piece.heading_path):
        blocks = [piece for piece in group if piece.kind != "heading"]
        messages: list[tuple[str, list[Piece]]] = []
        for piece in blocks:
            sender = _SENDER.match(text, piece.start, piece.end)
            if sender and piece.kind == "paragraph":
                messages.append((_address(sender["sender"]), []))
            elif messages:
                messages[-1][1].append(piece)
        if not path or not messages:
            continue
        asked, answered = _exchange(text, messages)
        if asked and answered:
            subject = Field("subject", path[0], -1)
            yield Record("thread", path, blocks[0].start, (subject, Field("body", asked, -1), answered))


def _exchange(text: str, messages: Sequence[tuple[str, list[Piece]]]) -> tuple[str, Field | None]:
    first, blocks = messages[0]
    others = [item for sender, item in messages if sender != first]
    if others:
        return _own(text, blocks).text, _own(text, others[-1])
    quoted = "\n".join(text[piece.start : piece.end] for piece in blocks if piece.kind == "quote")
    return quoted, _own(text, blocks) if quoted else None


def _own(text: str, blocks: Sequence[Piece]) -> Field:
    """What is written above the first quotation."""
    own: list[Piece] = []
    for piece in blocks:
        words = text[piece.start : piece.end]
        if piece.kind == "quote" or _ATTRIBUTION.fullmatch(words.strip()):
            break
        own.append(piece)
    return Field("resolution", text[own[0].start : own[-1].end], own[0].start) if own else Field("resolution", "", 0)


def _address(sender: str) -> str:
    found = _ADDRESS.search(sender)
    return (found[1] if found else sender).strip().lower()


def _definitions(text: str, pieces: Sequence[Piece]) -> Iterator[Record]:
    """Functions and classes: `signature` is the code before `says`, what the docstring or comment says, and `body` after it."""
    for path, group in groupby(pieces, key=lambda piece: piece.heading_path):
        blocks = [piece for piece in group if piece.kind != "heading"]
        if not path or not blocks or blocks[0].kind != "code":
            continue
        says = [piece for piece in blocks if piece.kind != "code"]
        body = [piece for piece in blocks[1:] if piece.kind == "code"]
        fields = [Field("name", path[-1], -1), _between("signature", text, blocks[:1])]
        fields += [_between("says", text, says[:1])] if says else []
        fields += [_between("body", text, body or blocks[:1])]
        yield Record("code", path, blocks[0].start, tuple(fields))


def _between(name: str, text: str, pieces: Sequence[Piece]) -> Field:
    return Field(name, text[pieces[0].start : pieces[-1].end], pieces[0].start)
