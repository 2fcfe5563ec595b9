"""HTML: text by its block elements, without scripts, navigation and what a reader would not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.builder import DocumentBuilder, looks_like_header
from ingestion.parsers.decoding import decode

MAX_ELEMENTS = 100_000
MAX_DEPTH = 1_000
MAX_ATTRIBUTES = 2_000
_MAIN_TEXT = 200  # characters

_META_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_TAG_NAME = re.compile(rb"/?([a-zA-Z][a-zA-Z0-9]*)")
_QUOTED = re.compile(rb"\"[^\"]*\"|'[^']*'")
# Elements that close themselves, or that another one closes: they add no depth.
_FLAT = frozenset(
    b"area base br col embed hr img input link meta param source track wbr p li dt dd tr td th thead tbody tfoot"
    b" option colgroup".split()
)
_DROPPED = frozenset((
    "script", "style", "noscript", "template", "nav", "svg", "math", "iframe", "object", "embed", "canvas", "audio", "video",
    "select", "button", "input", "textarea", "head", "dialog", "menu",
))  # fmt: skip
_INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins",
    "kbd", "label", "mark", "picture", "q", "s", "samp", "small", "source", "span", "strike", "strong", "sub", "sup", "time",
    "tt", "u", "var", "wbr",
))  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_INVISIBLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]))", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\n\r\f]+")


class HtmlParser:
    """One page."""

    formats = frozenset({"html"})

    def parse(self, path: Path) -> ParsedDocument:
        data = path.read_bytes()
        declared = _META_CHARSET.search(data[:4096])
        builder = DocumentBuilder()
        tree = _tree(decode(data, declared=declared[1].decode("ascii") if declared else ""))
        for meta in tree.css("meta"):
            if (meta.attributes.get("name") or "").lower() == "keywords":
                builder.keywords(meta.attributes.get("content") or "")
        title = tree.css_first("title")
        _add(builder, tree)
        return builder.build(title=title.text() if title is not None else "")


def add_html(builder: DocumentBuilder, text: str) -> None:
    """Add a fragment's blocks, or those of a message. Raises ParseError for a page made to stop a parser."""
    _add(builder, _tree(text))


def _tree(text: str) -> Any:
    from selectolax.lexbor import LexborHTMLParser

    scan(text.encode("utf-8", errors="ignore"))
    return LexborHTMLParser(text)


def _add(builder: DocumentBuilder, tree: Any) -> None:
    if tree.body is not None:
        _Walk(builder).run(_main_part(tree))


def _main_part(tree: Any) -> Any:
    """The page's <main>, when it says which that is and most of a text is in it; else the body."""
    parts = tree.css("main, [role=main]")
    return parts[0] if len(parts) == 1 and len(parts[0].text().strip()) > _MAIN_TEXT else tree.body


def scan(data: bytes) -> None:
    """Count elements, depth and attributes in one pass over the bytes, before a parser whose time grows with their square."""
    elements = depth = at = 0
    while (at := data.find(b"<", at)) >= 0:
        at += 1
        name = _TAG_NAME.match(data, at)
        if name is None:
            continue
        end = data.find(b">", at)
        end = len(data) if end < 0 else end
        elements += 1
        if name[1].lower() not in _FLAT and data[end - 1 : end] != b"/":
            depth = max(0, depth + (-1 if data[at : at + 1] == b"/" else 1))
        is_crowded = end - at > MAX_ATTRIBUTES and len(_QUOTED.sub(b'""', data[at:end]).split()) > MAX_ATTRIBUTES
        if elements > 2 * MAX_ELEMENTS or depth > MAX_DEPTH or is_crowded:
            raise ParseError(
                "too_complex",
                f"The page has more than {MAX_ELEMENTS:,} elements, {MAX_DEPTH:,} levels or {MAX_ATTRIBUTES:,} attributes in one"
                " element. Save it in a simpler form, or as PDF.",
            )
        at = end


class _Walk:
    """Goes through the tree without recursion, gathers inline text, and hands a block over where a block element ends."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.pieces: list[str] = []
        self.open: list[str] = []  # the block elements around the current text that decide its kind

    def run(self, root: Any) -> None:
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            node, is_exit = stack.pop()
            if is_exit:
                self._leave(node.tag)
            elif node.is_text_node:
                self.pieces.append(node.text_content or "")
            elif node.is_element_node and not _is_hidden(node) and self._enter(node):
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(list(_children(node))))
        self._flush()

    def _enter(self, node: Any) -> bool:
        """Begin an element; False when its children are not to be walked."""
        tag = node.tag
        if tag == "br":
            self.pieces.append("\n" if "pre" in self.open else "\x1e")
            return False
        if tag == "img" or tag in _INLINE:
            return True
        self._flush()
        if tag == "table" and (rows := _table_rows(node)) is not None:
            header = bool(node.css_first("th")) or looks_like_header(rows)
            self.builder.table(rows, has_header=header)
            return False
        if tag in _HEADINGS or tag in ("li", "dt", "dd", "pre", "blockquote"):
            self.open.append(tag)
        return True

    def _leave(self, tag: str) -> None:
        if tag in _INLINE:
            return
        self._flush()
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def _flush(self) -> None:
        raw, self.pieces = "".join(self.pieces), []
        if not raw or raw.isspace():
            return
        kind = self.open[-1] if self.open else ""
        if "pre" in self.open:
            self.builder.code(raw.replace("\x1e", "\n"))
            return
        text = "\n".join(row.strip() for row in _SPACE.sub(" ", raw).split("\x1e")).strip()
        if kind in _HEADINGS:
            self.builder.heading(text, _HEADINGS[kind])
        elif "li" in self.open or kind in ("dt", "dd"):
            self.builder.list_item(text)
        elif "blockquote" in self.open:
            self.builder.quote(text)
        else:
            self.builder.paragraph(text)


def _children(node: Any) -> Iterator[Any]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def _is_hidden(node: Any) -> bool:
    if node.tag in _DROPPED:
        return True
    attributes = node.attributes
    if not attributes:
        return False
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") == "navigation"
        or bool(_INVISIBLE.search(attributes.get("style") or ""))
    )


def _table_rows(table: Any) -> list[list[str]] | None:
    """The cells' texts, or None for a table that only lays out the page (it holds tables, headings or long lists)."""
    if len(table.css("table")) > 1 or table.css_first("h1, h2, h3, ul ul") is not None:  # css() finds the table itself too
        return None
    rows = []
    for row in table.css("tr"):
        if _is_hidden(row):
            continue
        cells = [cell for cell in _children(row) if cell.tag in ("td", "th") and not _is_hidden(cell)]
        rows.append([_cell_text(cell) for cell in cells])
    if max((len(text) for row in rows for text in row), default=0) > 2_000:
        return None
    return rows


def _cell_text(cell: Any) -> str:
    pieces: list[str] = []
    stack = [cell]
    while stack:
        node = stack.pop()
        if node.is_text_node:
            pieces.append(node.text_content or "")
        elif node.is_element_node and (node is cell or not _is_hidden(node)):
            if node.tag not in _INLINE:
                pieces.append(" ")
            stack.extend(reversed(list(_children(node))))
    return _SPACE.sub(" ", "".join(pieces)).strip()
