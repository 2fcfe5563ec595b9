"""Markdown by its tokens: headings, lists, tables, code. Front matter gives title and keywords and is left out of the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.parsers.base import ParsedDocument
from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.cleaning import clean
from ingestion.parsers.decoding import decode
from ingestion.parsers.html import add_html

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A\s*(---|\+\+\+)[ \t]*\n(.{0,20000}?)\n\1[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title[ \t]*[:=][ \t]*(.+)$", re.MULTILINE | re.IGNORECASE)
# In YAML or TOML, on one line or on the following ones.
_KEYWORDS = re.compile(
    r"""^(?:tags|keywords)[ \t]*[:=][ \t]*(.*(?:\n(?:[ \t]+\S|-[ \t]|[\]"']).*)*)""", re.MULTILINE | re.IGNORECASE
)
_COMMENT = re.compile(r"(?:^|[ \t])#[ \t].*$", re.MULTILINE)
_LIST_DASH = re.compile(r"^[ \t]*-[ \t]+")
# Site generators' own commands, which mean nothing outside of them.
_TEMPLATE_COMMAND = re.compile(r"\{%-?[^%\n]{0,500}%\}|\{\{[<%][^\n]{0,500}?[>%]\}\}|\{:\s?[.#][^}\n]{0,200}\}")
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_MARKUP = re.compile(r"<[a-zA-Z/][^<>]{0,2000}>")


class MarkdownParser:
    """CommonMark with tables."""

    formats = frozenset({"markdown"})

    def parse(self, path: Path) -> ParsedDocument:
        from markdown_it import MarkdownIt

        front, text = split_front_matter(clean(decode(path.read_bytes())))
        reader = MarkdownIt("commonmark", {"maxNesting": 50}).enable(["table", "strikethrough"])
        builder = DocumentBuilder()
        _add_keywords(builder, front)
        _Walk(builder).run(reader.parse(_TEMPLATE_COMMAND.sub("", text)))
        title = _TITLE.search(front)
        return builder.build(title=(title[1].strip().strip("\"'") if title else "") or _first_heading(builder))


def split_front_matter(text: str) -> tuple[str, str]:
    """(the front matter, the text after it); nothing, and the whole text, where there is none."""
    found = _FRONT_MATTER.match(text)
    return (found[2], text[found.end() :]) if found else ("", text)


def _add_keywords(builder: DocumentBuilder, front: str) -> None:
    """`tags: [a, "b"]`, `keywords = a, b`, or a list with a line for each."""
    for value in _KEYWORDS.findall(front):
        for line in _COMMENT.sub("", value).split("\n"):
            builder.keywords(",".join(word.strip(" \t[]\"'") for word in _LIST_DASH.sub("", line).split(",")))


def _first_heading(builder: DocumentBuilder) -> str:
    document = builder.build()
    first = next((block for block in document.blocks if block.kind == "heading" and block.level == 1), None)
    return document.text[first.start : first.end] if first else ""


class _Walk:
    """One pass over the block tokens."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.open: list[str] = []  # the containers around: list items and quotes
        self.heading = 0
        self.number: int | None = None  # the next number of an ordered list
        self.rows: list[list[str]] | None = None  # the table being read

    def run(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            self._open_or_close(token)
            if token.type == "inline":
                self._inline(token)
            elif token.type in ("fence", "code_block"):
                self.builder.code(token.content)
            elif token.type == "html_block":
                self._html(token.content)

    def _open_or_close(self, token: Token) -> None:
        match token.type:
            case "list_item_open":
                self.open.append(f"{token.info}." if token.info else "•")
            case "blockquote_open":
                self.open.append(">")
            case "list_item_close" | "blockquote_close":
                self.open.pop()
            case "heading_open":
                self.heading = int(token.tag[1:])
            case "heading_close":
                self.heading = 0
            case "table_open":
                self.rows = []
            case "tr_open" if self.rows is not None:
                self.rows.append([])
            case "table_close":
                self.builder.table(self.rows or [], has_header=bool(self.rows and any(self.rows[0])))
                self.rows = None

    def _inline(self, token: Token) -> None:
        text = inline_text(token.children or ())
        if self.rows is not None:
            self.rows[-1].append(text)
        elif self.heading:
            self.builder.heading(text, self.heading)
        elif self.open and self.open[-1] == ">":
            self.builder.quote(text)
        elif self.open:
            marker, self.open[-1] = self.open[-1], "•"  # only the item's first paragraph has the number
            self.builder.list_item(text if marker == "•" else f"{marker} {text}")
        else:
            self.builder.paragraph(text)

    def _html(self, content: str) -> None:
        if "<!--" in content:
            content = _HTML_COMMENT.sub("", content)
        if "<table" in content.lower():
            add_html(self.builder, content)
            return
        # The open and closing halves of one element are often two blocks: only the tags go, the text stays.
        for part in _MARKUP.sub("\n", content).split("\n\n"):
            self.builder.paragraph("\n".join(row.strip() for row in part.split("\n") if row.strip()))


def inline_text(tokens: Sequence[Token]) -> str:
    """What a reader sees of inline tokens: link texts without addresses, images by their alternative text."""
    pieces = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            pieces.append(token.content)
        elif token.type == "softbreak":
            pieces.append(" ")
        elif token.type == "hardbreak" or (token.type == "html_inline" and token.content[:3].lower() == "<br"):
            pieces.append("\n")
        elif token.type == "image":
            pieces.append(inline_text(token.children or ()))
    return "".join(pieces).strip()
