"""Which words to quote around a span: its sentence, what that sentence refers back to, and a table's row with its columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

from specialists.composition.types import Evidence, Offsets

LONGEST = 600  # characters of a quote that brings its predecessor
MOST_BROUGHT = 2
CELL = " | "

_REFERS_BACK = re.compile(
    r"(?:he|she|it|they|his|her|hers|its|their|theirs|them|both|neither|such|these|those|"
    r"(?:this|that)(?!\s+(?:policy|document|page|handbook|guide|section|agreement|manual|chapter|article|contract))|"
    r"the\s+(?:latter|former)|the\s+others?(?=\s+(?:is|are|was|were|has|have|must|may|can|will)\b)|(?:one|each|all|most|some|many|none|half)\s+of\s+(?:them|these|those)|"
    r"however|but|and|or|nor|so|yet|then|thus|hence|therefore|consequently|also|instead|otherwise|moreover|furthermore|besides|"
    r"likewise|similarly|meanwhile|afterwards?|still|in\s+(?:that|this|such|addition|either|both)|if\s+(?:so|not)|"
    r"as\s+a\s+(?:result|consequence)|for\s+(?:this|that|example|instance)|on\s+the\s+other\s+hand|here|there(?!\s+(?:is|are|was|were|will))|"
    r"yes|no(?=[,.;:\s]*(?:,|\.|$)))\b",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"[-+(]?\s*(?:[A-Z]{3}\s*)?[$€£¥]?\s*\d[\d.,:'\s/-]*\s*[%)KMBkmb€$]?(?:\s*[A-Z]{3})?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_NUMBERED = re.compile(r"\(?(?:\d{1,2}|[a-z])[.)]\s")


@dataclass(frozen=True, slots=True)
class Said:
    """How a quote is said: a table's row by its columns, anything else word for word. `marks` are spans of `text`."""

    text: str
    marks: tuple[Offsets, ...]


def sentence_index(evidence: Evidence, start: int, end: int) -> int | None:
    """The sentence that holds the span, or the most of it; None when the span lies outside all of them."""
    shared = [min(end, right) - max(start, left) for left, right in evidence.sentences]
    best = max(range(len(shared)), key=lambda place: shared[place], default=None)
    return best if best is not None and shared[best] > 0 else None


def sentence_around(evidence: Evidence, start: int, end: int) -> Offsets:
    """The sentence that holds the span; all of them when it crosses several, its line when it lies outside of them."""
    touched = [span for span in evidence.sentences if span[0] < end and start < span[1]]
    if len(touched) > 1 and any(CELL in evidence.text[left:right] for left, right in touched):  # rows are no running text
        return max(touched, key=lambda span: min(end, span[1]) - max(start, span[0]))
    if touched:
        return min(touched[0][0], start), max(touched[-1][1], end)
    left = evidence.text.rfind("\n", 0, start) + 1
    right = evidence.text.find("\n", end)
    return left, right if right >= 0 else len(evidence.text)


def with_predecessor(evidence: Evidence, span: Offsets) -> Offsets:
    """The quote with the sentences before it that it refers back to, while it stays readable."""
    start, end = span
    for _ in range(MOST_BROUGHT):
        if not refers_back(evidence.text[start:end]):
            break
        before = [left for left, right in evidence.sentences if right <= start and CELL not in evidence.text[left:right]]
        if not before or end - before[-1] > LONGEST or evidence.text[before[-1] : start].count("\n\n") > 1:
            break
        start = before[-1]
    return start, end


def refers_back(sentence: str) -> bool:
    return bool(_REFERS_BACK.match(sentence)) and CELL not in sentence


def is_numbered(text: str) -> bool:
    return bool(_NUMBERED.match(text))


def say(evidence: Evidence, quote: Offsets, marks: tuple[Offsets, ...]) -> Said:
    """The quote as it is said. `marks` are spans of the passage; those outside the quote are left out."""
    start, end = quote
    text = evidence.text[start:end]
    inside = tuple(
        (max(left, start) - start, min(right, end) - start) for left, right in sorted(marks) if left < end and start < right
    )
    columns = column_names(evidence, start) if CELL in text and "\n" not in text else ()
    return _by_columns(text, inside, columns) if columns else Said(text, inside)


def _by_columns(text: str, marks: tuple[Offsets, ...], columns: tuple[str, ...]) -> Said:
    """“Leeds | GBP 105” under “City | Limit” is said “City: Leeds · Limit: GBP 105”."""
    parts: list[str] = []
    moved: list[Offsets] = []
    length = at = 0
    for name, cell in zip(columns, text.split(CELL), strict=False):
        lead = f"{name.strip()}: " if name.strip() else ""
        if cell.strip():
            lead = (" · " if parts else "") + lead
            for left, right in marks:
                if left < at + len(cell) and at < right:
                    moved.append((length + len(lead) + max(left - at, 0), length + len(lead) + min(right - at, len(cell))))
            parts.append(lead + cell)
            length += len(parts[-1])
        at += len(cell) + len(CELL)
    return Said("".join(parts), tuple(moved))


def column_names(evidence: Evidence, row_start: int) -> tuple[str, ...]:
    """The names of the columns of the row that begins there; empty when the passage does not show them for certain."""
    row = _line(evidence.text, row_start)
    below = evidence.context.rpartition("\n")[2] if "\n" in evidence.context else ""
    if CELL in below:
        header, is_certain = below, True
    else:
        lines = _table_above(evidence.text, row_start)
        if not lines:
            return ()
        header = _line(evidence.text, lines[0])
        is_certain = not any(left <= lines[0] < right for left, right in evidence.sentences)
    names = tuple(header.split(CELL))
    if len(names) < len(row.split(CELL)) or header == row:
        return ()
    return names if is_certain or _is_header(names, _rows_of(evidence.text, row_start)) else ()


def is_header_row(evidence: Evidence, start: int) -> bool:
    """Whether the place lies in a row that names the columns of the rows below it."""
    start = evidence.text.rfind("\n", 0, start) + 1
    row = _line(evidence.text, start)
    if CELL not in row or _table_above(evidence.text, start):
        return False
    rows = _rows_of(evidence.text, start)
    return bool(rows) and _is_header(tuple(row.split(CELL)), rows)


def _line(text: str, start: int) -> str:
    end = text.find("\n", start)
    return text[start : end if end >= 0 else len(text)]


def _table_above(text: str, row_start: int) -> list[int]:
    """Where the rows above this one begin, the first row first."""
    starts: list[int] = []
    at = row_start
    while at >= 2 and text[at - 1] == "\n" and text[at - 2] != "\n":
        at = text.rfind("\n", 0, at - 1) + 1
        if CELL not in _line(text, at):
            break
        starts.insert(0, at)
    return starts


def _rows_of(text: str, row_start: int) -> list[tuple[str, ...]]:
    """The cells of the rows below the table's first."""
    above = _table_above(text, row_start)
    block = text[above[0] if above else row_start :].split("\n\n", 1)[0]
    return [tuple(line.split(CELL)) for line in block.split("\n")[1:] if CELL in line]


def _is_header(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> bool:
    """Whether a first row that nothing says to be a header is one: short, different words, and no pair of a list of pairs."""
    cells = [name.strip() for name in names]
    if not all(cells) or len(set(cells)) < len(cells) or any(len(cell) > 60 for cell in cells):
        return False
    if any(_FIGURE.fullmatch(cell) and not _YEAR.fullmatch(cell) for cell in cells):
        return False
    if len(cells) > 2:
        return True
    shapes = {_shape(row[1]) for row in rows if len(row) > 1}
    return len(rows) > 1 and len(shapes) == 1 and _shape(cells[1]) not in shapes and "words" not in shapes


def _shape(cell: str) -> str:
    """Roughly what a cell holds: an amount of money, a share, a figure, or words."""
    if re.search(r"[€$£¥]|\b[A-Z]{3}\s?\d", cell):
        return "money"
    if "%" in cell:
        return "share"
    return "figure" if _FIGURE.fullmatch(cell.strip()) else "words"
