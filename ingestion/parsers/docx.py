"""Word documents: paragraphs, headings by style, lists and tables in document order; notes at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingestion.parsers.base import ParsedDocument
from ingestion.parsers.builder import DocumentBuilder, looks_like_header
from ingestion.parsers.cleaning import plain_title
from ingestion.parsers.containers import reading

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOTES = (
    ("Footnotes", "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes", f"{_W}footnote"),
    ("Endnotes", "http://schemas.openxmlformats.org/officeDocument/2006/relationships/endnotes", f"{_W}endnote"),
)
_WRAPPERS = frozenset(f"{_W}{name}" for name in ("sdt", "sdtContent", "ins", "moveTo", "smartTag", "customXml", "body"))
_SKIPPED = frozenset(f"{_W}{name}" for name in ("del", "moveFrom", "pPr", "sdtPr", "txbxContent", "instrText")) | {_FALLBACK}
_CHARACTERS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_HEADING_NAME = re.compile(r"heading (\d)", re.IGNORECASE)
_LIST_NAME = re.compile(r"list (?:bullet|number|paragraph|continue)|list$", re.IGNORECASE)
MAX_DEPTH = 40


class DocxParser:
    """One document. Deleted and hidden text is left out, inserted text is read."""

    formats = frozenset({"docx"})

    def parse(self, path: Path) -> ParsedDocument:
        import docx
        from docx.exceptions import PythonDocxError
        from docx.opc.exceptions import OpcError

        builder = DocumentBuilder()
        with reading("docx", PythonDocxError, OpcError):
            document = docx.Document(str(path))
            reader = _Reader(builder, _Styles(document.styles.element))
            for element in _blocks(document.element.body):
                reader.read(element)
            self._add_notes(document, builder)
            builder.keywords(document.core_properties.keywords)
            return builder.build(title=reader.title or plain_title(document.core_properties.title))

    def _add_notes(self, document: Any, builder: DocumentBuilder) -> None:
        from lxml import etree

        for name, relation, tag in _NOTES:
            parts = [
                item.target_part for item in document.part.rels.values() if item.reltype == relation and not item.is_external
            ]
            for part in parts:
                root = etree.fromstring(part.blob, etree.XMLParser(resolve_entities=False, no_network=True))
                texts = [" ".join(_text(p) for p in note.iter(f"{_W}p")).strip() for note in root.iter(tag)]
                if any(texts):
                    builder.leave_headings()
                    builder.heading(name, 1)
                for text in filter(None, texts):
                    builder.paragraph(text)


class _Styles:
    """What a paragraph style makes of its paragraphs. Word keeps the built-in names in English in every language."""

    def __init__(self, root: Any) -> None:
        self._styles = {style.get(f"{_W}styleId"): style for style in root.iterchildren(f"{_W}style")}
        self._known: dict[str, tuple[int, bool, str]] = {}

    def look_up(self, style_id: str) -> tuple[int, bool, str]:
        """(heading level or 0, is a list, the style's name), with what the style inherits."""
        if style_id not in self._known:
            self._known[style_id] = self._resolve(style_id)
        return self._known[style_id]

    def _resolve(self, style_id: str) -> tuple[int, bool, str]:
        level, is_list, first, seen = 0, False, "", set()
        while style_id and style_id not in seen and (style := self._styles.get(style_id)) is not None:
            seen.add(style_id)
            name = _value(style.find(f"{_W}name"))
            first = first or name
            properties = style.find(f"{_W}pPr")
            if found := _HEADING_NAME.match(name):
                level = level or int(found[1])
            elif properties is not None and not level:
                level = _outline_level(properties)
            is_list = is_list or bool(_LIST_NAME.match(name)) or _is_numbered(properties)
            style_id = _value(style.find(f"{_W}basedOn"))
        return level, is_list, first.lower()


class _Reader:
    """Hands the body's paragraphs and tables to the builder."""

    def __init__(self, builder: DocumentBuilder, styles: _Styles) -> None:
        self.builder = builder
        self.styles = styles
        self.title = ""

    def read(self, element: Any) -> None:
        if element.tag == f"{_W}tbl":
            rows = _rows(element)
            self.builder.table(rows, has_header=_has_header_row(element) or looks_like_header(rows))
            return
        self._paragraph(element)
        for box in element.iter(f"{_W}txbxContent"):
            if not any(ancestor.tag == _FALLBACK for ancestor in box.iterancestors()):
                for inner in _blocks(box):
                    if inner.tag == f"{_W}p":
                        self._paragraph(inner)

    def _paragraph(self, element: Any) -> None:
        text = _text(element)
        if not text.strip():
            return
        properties = element.find(f"{_W}pPr")
        style_id = _value(properties.find(f"{_W}pStyle")) if properties is not None else ""
        level, is_list, name = self.styles.look_up(style_id)
        level = _outline_level(properties) or level
        if name == "title":
            self.title = self.title or text
            self.builder.heading(text, 1)
        elif level:
            self.builder.heading(text, level)
        elif name.startswith("toc"):
            return  # a table of contents repeats the headings
        elif _is_unnumbered(properties) or not (is_list or _is_numbered(properties)):
            self.builder.quote(text) if "quote" in name else self.builder.paragraph(text)
        else:
            self.builder.list_item(text)


def _value(element: Any) -> str:
    return "" if element is None else str(element.get(f"{_W}val") or "")


def _outline_level(properties: Any) -> int:
    """1 to 9, or 0 for body text."""
    value = _value(properties.find(f"{_W}outlineLvl")) if properties is not None else ""
    return int(value) + 1 if value.isdigit() and int(value) < 9 else 0


def _number_id(properties: Any) -> str:
    return _value(properties.find(f"{_W}numPr/{_W}numId")) if properties is not None else ""


def _is_numbered(properties: Any) -> bool:
    return _number_id(properties) not in ("", "0")


def _is_unnumbered(properties: Any) -> bool:
    """A paragraph may switch its style's numbering off."""
    return _number_id(properties) == "0"


def _blocks(parent: Any, depth: int = 0) -> Iterator[Any]:
    """Paragraphs and tables in document order, content controls and insertions opened."""
    for child in parent.iterchildren():
        if child.tag in (f"{_W}p", f"{_W}tbl"):
            yield child
        elif child.tag in _WRAPPERS and depth < MAX_DEPTH:
            yield from _blocks(child, depth + 1)


def _text(paragraph: Any) -> str:
    pieces: list[str] = []
    stack = [paragraph]
    while stack:
        element = stack.pop()
        tag = element.tag
        if tag in (f"{_W}t", _MATH_TEXT):
            pieces.append(element.text or "")
        elif tag in _CHARACTERS:
            pieces.append(_CHARACTERS[tag])
        elif tag in _SKIPPED or (tag == f"{_W}r" and _is_vanished(element)):
            continue
        else:
            stack.extend(element.iterchildren(reversed=True))
    return "".join(pieces)


def _is_vanished(run: Any) -> bool:
    properties = run.find(f"{_W}rPr")
    vanish = properties.find(f"{_W}vanish") if properties is not None else None
    return vanish is not None and _value(vanish) not in ("0", "false", "off")


def _rows(table: Any) -> list[list[str]]:
    """The cells' texts. A cell merged over rows is said once; a table in a cell is read as the cell's text."""
    rows = []
    for row in table.iter(f"{_W}tr"):
        if next(row.iterancestors(f"{_W}tbl")) is not table:
            continue
        cells = []
        for cell in row.iter(f"{_W}tc"):
            if next(cell.iterancestors(f"{_W}tr")) is not row:
                continue
            merge = cell.find(f"{_W}tcPr/{_W}vMerge")
            is_repeated = merge is not None and _value(merge) != "restart"
            cells.append("" if is_repeated else " ".join(_text(paragraph) for paragraph in cell.iter(f"{_W}p")))
        rows.append(cells)
    return rows


def _has_header_row(table: Any) -> bool:
    first = table.find(f"{_W}tr")
    return first is not None and first.find(f"{_W}trPr/{_W}tblHeader") is not None
