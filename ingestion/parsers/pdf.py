"""PDF by its text layer: lines into paragraphs by their distance, headings by their size, running headers left out."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.cleaning import plain_title

MAX_PAGES = 5_000
_HEADING_SCALE = 1.15  # times the body's size
_HEADING_LEVELS = 6
_HEADING_LENGTH = 160  # characters
_RUNNING_SHARE = 0.6  # of the pages
_RUNNING_PAGES = 2
_TELLING_GAPS = 4
_HYPHENS = "\ufffe\x02\xad"  # what PDFium writes for a hyphen that only breaks a word
_LINE = re.compile(f"[^\\n{_HYPHENS}]*[\\n{_HYPHENS}]|[^\\n{_HYPHENS}]+")  # a hyphen stands in place of the line's end
_BULLET = re.compile(r"(?:[•‣◦▪■●○–·°\uf0b7\uf0a7\uf076\u2043-]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+(?=\S)")
_SYMBOL_BULLET = re.compile(r"[•‣◦▪■●○–·°\uf0b7\uf0a7\uf076\u2043-]\s+")
_SENTENCE_END = re.compile(r"[.!?:;…。！？][\"'”’)\]]*$")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page: its text, its edges and baseline in points (origin at the bottom left), its font's size."""

    text: str
    x: float
    right: float
    y: float
    size: float


class PdfParser:
    """One document. Pages without text are counted in a warning."""

    formats = frozenset({"pdf"})

    def parse(self, path: Path) -> ParsedDocument:
        pdf = open_pdf(path)
        try:
            pages = [_lines(pdf, index) for index in range(len(pdf))]
            properties = pdf.get_metadata_dict()
        finally:
            pdf.close()
        textless = sum(not page for page in pages)
        if textless == len(pages):
            raise ParseError(
                "no_text", "The PDF has no text layer (it may be a scan). Run text recognition on it and upload it again."
            )
        builder = DocumentBuilder()
        builder.keywords(properties.get("Keywords", ""))
        _Layout(builder, _without_running_lines(pages)).add_pages()
        if textless:
            verb = "page has no text; it was" if textless == 1 else "pages have no text; they were"
            builder.warnings.append(f"{textless} of {len(pages)} {verb} left out.")
        return builder.build(title=plain_title(properties.get("Title")), pages=len(pages))


def open_pdf(path: Path) -> Any:
    """A PDFium document, to be closed by the caller. Raises ParseError."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        pdf = pypdfium2.PdfDocument(path)
        count = len(pdf)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise ParseError(
                "encrypted", "The PDF is protected with a password. Save it without the password and upload it again."
            ) from None
        raise ParseError("damaged", "The PDF is damaged and cannot be opened. Save or print it as PDF again.") from None
    if count > MAX_PAGES:
        pdf.close()
        raise ParseError(
            "too_many_pages", f"The PDF has {count:,} pages; the limit is {MAX_PAGES:,}. Split it and upload the parts."
        )
    if count == 0:
        raise ParseError("damaged", "The PDF has no pages. Save or print it as PDF again.")
    return pdf


def _lines(pdf: Any, index: int) -> list[Line]:
    """A page's lines in PDFium's reading order; an unreadable page has none."""
    import pypdfium2

    try:
        page = pdf[index]
        text_page = page.get_textpage()
        text = text_page.get_text_range()
    except pypdfium2.PdfiumError:
        return []
    lines: list[Line] = []
    at = 0
    for row in _LINE.findall(text):
        if row.strip():
            lead = len(row) - len(row.lstrip())
            lines.append(_measured(text_page, row.strip(), at + _units(row[:lead])))
        at += _units(row)
    text_page.close()
    page.close()
    return _same_baseline_joined(lines)


def _units(text: str) -> int:
    """The length in UTF-16 units, in which PDFium counts."""
    return len(text) + sum(ord(character) > 0xFFFF for character in text) if not text.isascii() else len(text)


def _measured(text_page: Any, text: str, offset: int) -> Line:
    import pypdfium2.raw as pdfium

    index = max(0, pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, offset))
    x, y, right, _ = (ctypes.c_double() for _ in range(4))
    pdfium.FPDFText_GetCharOrigin(text_page, index + _units(text) - 1, right, y)
    pdfium.FPDFText_GetCharOrigin(text_page, index, x, y)
    middle = index + _units(text[: _middle_of(text)])
    matrix = pdfium.FS_MATRIX()
    scale = 1.0
    if pdfium.FPDFText_GetMatrix(text_page, middle, matrix):
        scale = (matrix.c**2 + matrix.d**2) ** 0.5 or 1.0
    return Line(text, x.value, right.value, y.value, round(pdfium.FPDFText_GetFontSize(text_page, middle) * scale, 1))


def _middle_of(text: str) -> int:
    """A drawn character in the middle: a bullet at the beginning or a reference at the end may be of another size, and a
    space that PDFium made up has none. `text` ends in no space."""
    position = len(text) // 2
    while text[position].isspace():
        position += 1
    return position


def _same_baseline_joined(lines: list[Line]) -> list[Line]:
    """Pieces that stand beside each other (a table's cells, a tabulated line) are one line."""
    joined: list[Line] = []
    for line in lines:
        last = joined[-1] if joined else None
        if last and _stands_beside(last, line) and last.text[-1] not in _HYPHENS:
            joined[-1] = Line(f"{last.text} {line.text}", last.x, line.right, last.y, last.size)
        else:
            joined.append(line)
    return joined


def _stands_beside(last: Line, line: Line) -> bool:
    """On the same baseline, or a raised or lowered character right after the line."""
    distance, size = abs(last.y - line.y), max(last.size, line.size, 1.0)
    return (distance < 0.3 * line.size and line.x > last.x) or (
        distance < 0.7 * size and last.right - 1 <= line.x < last.right + 2 * size
    )


def _without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Leave out what runs along the tops and bottoms: lines that most pages share, and lines that count the pages."""
    seen: dict[str, list[tuple[int, str]]] = {}
    for number, page in enumerate(pages):
        for line in {page[index].text for index in _edges(page)}:
            seen.setdefault(_DIGITS.sub("#", line), []).append((number, line))
    filled = sum(map(bool, pages))
    running = {
        text
        for text, lines in seen.items()
        if len(lines) >= _RUNNING_PAGES and (_is_shared(lines, filled) or _counts_pages(lines))
    }
    kept = []
    for page in pages:
        edges = _edges(page)
        kept.append([line for index, line in enumerate(page) if index not in edges or _DIGITS.sub("#", line.text) not in running])
    return kept if any(kept) else pages


def _edges(page: Sequence[Line]) -> set[int]:
    """The indexes of the first two and the last two lines."""
    return {index for index in (0, 1, len(page) - 2, len(page) - 1) if 0 <= index < len(page)}


def _is_shared(lines: Sequence[tuple[int, str]], filled: int) -> bool:
    return Counter(text for _, text in lines).most_common(1)[0][1] >= _RUNNING_SHARE * filled


def _counts_pages(lines: Sequence[tuple[int, str]]) -> bool:
    """Whether a number in them grows with the page, by one or, on a spread, by two."""

    def starts(page: int, text: str) -> set[tuple[int, int]]:
        return {(step, int(found) - step * page) for found in _DIGITS.findall(text) if len(found) < 6 for step in (1, 2)}

    return bool(set.intersection(*(starts(page, text) for page, text in lines)))


class _Layout:
    """Makes paragraphs of lines and hands them to the builder."""

    def __init__(self, builder: DocumentBuilder, pages: Sequence[Sequence[Line]]) -> None:
        self.builder = builder
        self.pages = pages
        weights: Counter[float] = Counter()
        for page in pages:
            for line in page:
                weights[line.size] += len(line.text)
        self.body = weights.most_common(1)[0][0] if weights else 1.0
        large = sorted((size for size in weights if size >= self.body * _HEADING_SCALE), reverse=True)
        self.levels = {size: min(rank, _HEADING_LEVELS) for rank, size in enumerate(_distinct(large), start=1)}

    def add_pages(self) -> None:
        """A paragraph that plainly goes on over a page's end is one paragraph, of the page where it starts."""
        waiting: tuple[int, list[Line]] | None = None
        for number, page in enumerate(self.pages, start=1):
            for index, group in enumerate(self._groups(page)):
                if waiting and index == 0 and self._goes_on(waiting[1][-1], group[0]):
                    waiting[1].extend(group)
                    continue
                if waiting:
                    self._add(*waiting)
                waiting = (number, list(group))
        if waiting:
            self._add(*waiting)

    def _groups(self, page: Sequence[Line]) -> Iterator[list[Line]]:
        gaps = sorted(round(a.y - b.y, 1) for a, b in pairwise(page) if 0.8 * b.size < a.y - b.y < 4 * max(a.size, 1))
        # Lines within paragraphs stand closer than paragraphs do. A page of few lines does not say how close.
        usual = gaps[len(gaps) // 4] if len(gaps) >= _TELLING_GAPS else min([*gaps[:1], 1.3 * self.body])
        group: list[Line] = []
        for line in page:
            if group and self._begins_paragraph(group, line, usual):
                yield group
                group = []
            group.append(line)
        if group:
            yield group

    def _begins_paragraph(self, group: Sequence[Line], line: Line, usual: float) -> bool:
        last = group[-1]
        gap = last.y - line.y
        if abs(last.size - line.size) > 0.08 * max(last.size, 1) or _BULLET.match(line.text):
            return True
        if gap > max(1.35 * usual, 1.3 * line.size):
            return True
        if gap < -line.size:  # the next column's top
            return not self._goes_on(last, line)
        is_indented = line.x > group[0].x + 0.8 * line.size if len(group) > 1 else False
        return is_indented and bool(_SENTENCE_END.search(last.text))

    def _goes_on(self, last: Line, line: Line) -> bool:
        if abs(last.size - line.size) > 0.08 * max(last.size, 1) or self._level(last):
            return False
        return last.text[-1] in _HYPHENS or (not _SENTENCE_END.search(last.text) and line.text[:1].islower())

    def _level(self, line: Line) -> int:
        return next((level for size, level in self.levels.items() if abs(size - line.size) <= 0.25), 0)

    def _add(self, page: int, group: Sequence[Line]) -> None:
        self.builder.page = page
        text = _joined(group)
        level = self._level(group[0])
        is_heading = bool(level) and len(text) <= _HEADING_LENGTH and any(map(str.isalpha, text))
        if is_heading:
            self.builder.heading(text, level)
        elif _BULLET.match(text):
            self.builder.list_item(_SYMBOL_BULLET.sub("", text, count=1))
        else:
            self.builder.paragraph(text)


def _distinct(sizes: Sequence[float]) -> list[float]:
    """Sizes that differ by more than a rounding."""
    kept: list[float] = []
    for size in sizes:
        if not kept or kept[-1] - size > 0.5:
            kept.append(size)
    return kept


def _joined(lines: Sequence[Line]) -> str:
    """The lines' text. Where the next word would still have fitted, the author ended the line, and it stays ended; but a
    line that goes on in lower case was only wrapped."""
    edge = max(line.right for line in lines)
    text = lines[0].text
    for last, line in pairwise(lines):
        if text[-1] in _HYPHENS:
            text = text[:-1] + line.text
            continue
        word = len(line.text.partition(" ")[0]) + 2
        width = max(line.right - line.x, 0.0) / max(len(line.text), 1)
        was_ended = last.right + word * width < edge and not line.text[:1].islower()
        text += ("\n" if was_ended else " ") + line.text
    return text.rstrip(_HYPHENS)
