"""Blocks of a document as HTML: escaped text, elements of our own, marks at the evidence, and nh3 as the last pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, pairwise

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from ingestion.parsers.base import Block

MAX_BLOCKS = 200  # in one part of a document
MAX_CHARACTERS = 40_000
MAX_PIECE = 10_000  # a longer block is shown as several
GOOD_CUT = 100  # from here on, a part rather ends before a heading

_TAGS = {
    "h2", "h3", "h4", "h5", "h6", "p", "ul", "li", "pre", "code", "blockquote",
    "table", "thead", "tbody", "tr", "th", "td", "mark", "section", "div",
}  # fmt: skip
_CLASSES = {"mark": {"on"}, "li": {"numbered"}, "tr": {"marked"}, "section": {"slide", "sheet-table"}, "div": {"scroll"}}
_MARK_ID = re.compile(r"evidence-\d{1,4}")
_NUMBER = re.compile(r"\(?(?:\d{1,9}|[A-Za-z])[.)]\s")
_WRAPPERS = {"list_item": "ul", "table_row": "table"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A span of the document's text to be shown as evidence; `number` counts from 1; 0 gives it no id."""

    start: int
    end: int
    number: int
    is_focus: bool = False

    def touches(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end


def is_numbered(item: str) -> bool:
    """Whether an item of a list brings its own number or letter, so that a mark beside it would be a second one."""
    return _NUMBER.match(item) is not None


def cut_parts(blocks: Sequence[Block]) -> list[list[Block]]:
    """The blocks in parts that a page can show, always the same for the same document. A part has at least one block."""
    parts: list[list[Block]] = []
    current: list[Block] = []
    characters = 0
    for block in _pieces(blocks):
        length = block.end - block.start
        is_full = len(current) >= MAX_BLOCKS or characters + length > MAX_CHARACTERS
        if current and (is_full or (block.kind == "heading" and len(current) >= GOOD_CUT)):
            parts.append(current)
            current, characters = [], 0
        current.append(block)
        characters += length
    return [*parts, current] if current or not parts else parts


def _pieces(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        if block.kind == "table_row" or block.end - block.start <= MAX_PIECE:
            yield block
        else:
            for start in range(block.start, block.end, MAX_PIECE):
                yield replace(block, start=start, end=min(start + MAX_PIECE, block.end))


def render_blocks(
    text: str, blocks: Sequence[Block], marks: Sequence[Mark], *, headers: dict[int, Block] | None = None, slides: bool = False
) -> SafeString:
    """The blocks as safe HTML. `headers` gives the header row of tables that begin in an earlier part."""
    renderer = _Renderer(text, tuple(marks), headers or {})
    groups = groupby(blocks, key=lambda block: block.page if slides else block.sheet)
    css_class = "slide" if slides else "sheet-table"
    pieces = [renderer.section(css_class, _title(name, slides=slides), list(group)) for name, group in groups]
    return mark_safe("".join(sanitise(piece) for piece in pieces))  # noqa: S308 - escaped above, and through nh3


def sanitise(html: str) -> str:
    """The last pass: nothing but our own elements, and on them only the ids and classes that this module writes."""
    import nh3

    return nh3.clean(
        html, tags=_TAGS, attributes={"mark": {"id"}}, allowed_classes=_CLASSES, attribute_filter=_only_mark_ids, link_rel=None
    )


def _only_mark_ids(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "id":
        return value if tag == "mark" and _MARK_ID.fullmatch(value) else None
    return value


def _title(name: int | str | None, *, slides: bool) -> str:
    if not name:
        return ""
    return f"Slide {name}" if slides else str(name)


@dataclass(slots=True)
class _Renderer:
    text: str
    marks: tuple[Mark, ...]
    headers: dict[int, Block]
    named: set[int] = field(default_factory=set)  # the marks that have their id already

    def section(self, css_class: str, title: str, blocks: Sequence[Block]) -> str:
        inner = "".join(self.run(wrapper, list(group)) for wrapper, group in groupby(blocks, key=_wrapper_of))
        if not title:
            return inner
        return f'<section class="{css_class}"><h2>{escape(title)}</h2>{inner}</section>'

    def run(self, wrapper: tuple[str, int | None], blocks: Sequence[Block]) -> str:
        """Neighbours of one kind: the items of a list, the rows of a table, or blocks that stand for themselves."""
        if wrapper[0] == "ul":
            return f"<ul>{''.join(map(self.item, blocks))}</ul>"
        if wrapper[0] == "table":
            return self.table(blocks, wrapper[1])
        return "".join(map(self.alone, blocks))

    def item(self, block: Block) -> str:
        css_class = ' class="numbered"' if is_numbered(self.text[block.start : block.end]) else ""
        return f"<li{css_class}>{self.words(block.start, block.end)}</li>"

    def alone(self, block: Block) -> str:
        words = self.words(block.start, block.end)
        if block.kind == "heading":
            level = min(max(block.level, 1) + 1, 6)
            return f"<h{level}>{words}</h{level}>"
        if block.kind == "code":
            return f"<pre><code>{words}</code></pre>"
        return f"<blockquote>{words}</blockquote>" if block.kind == "quote" else f"<p>{words}</p>"

    def table(self, rows: Sequence[Block], number: int | None) -> str:
        header = self.headers.get(number) if number is not None else None
        heads = [row for row in rows if row.is_header] or ([header] if header else [])
        body = [row for row in rows if not row.is_header]
        head = "".join(self.row(row, "th") for row in heads)
        cells = "".join(map(partial(self.row, tag="td"), body))
        return f'<div class="scroll"><table><thead>{head}</thead><tbody>{cells}</tbody></table></div>'

    def row(self, block: Block, tag: str) -> str:
        spans = block.cells or ((block.start, block.end),)
        is_marked = tag == "td" and any(mark.touches(block.start, block.end) for mark in self.marks)
        cells = "".join(f"<{tag}>{self.words(start, end)}</{tag}>" for start, end in spans)
        return f'<tr class="marked">{cells}</tr>' if is_marked else f"<tr>{cells}</tr>"

    def words(self, start: int, end: int) -> str:
        """text[start:end] escaped, with a <mark> around what the marks cover. Overlapping marks are one to the eye."""
        marks = [mark for mark in self.marks if mark.touches(start, end)]
        if not marks:
            return escape(self.text[start:end])
        cuts = sorted({start, end, *(min(max(edge, start), end) for mark in marks for edge in (mark.start, mark.end))})
        pieces = []
        for left, right in pairwise(cuts):
            piece = escape(self.text[left:right])
            covering = [mark for mark in marks if mark.touches(left, right)]
            pieces.append(self.marked(piece, covering) if covering else piece)
        return "".join(pieces)

    def marked(self, escaped: str, covering: Sequence[Mark]) -> str:
        """One fragment. The id goes to a mark's first fragment; where several begin together, the focus comes first."""
        unnamed = [mark for mark in covering if mark.number and mark.number not in self.named]
        unnamed.sort(key=lambda mark: not mark.is_focus)
        css_class = ' class="on"' if any(mark.is_focus for mark in covering) else ""
        anchor = f' id="evidence-{unnamed[0].number}"' if unnamed else ""
        self.named.update(mark.number for mark in unnamed[:1])
        return f"<mark{anchor}{css_class}>{escaped}</mark>"


def _wrapper_of(block: Block) -> tuple[str, int | None]:
    return _WRAPPERS.get(block.kind, ""), block.table if block.kind == "table_row" else None
