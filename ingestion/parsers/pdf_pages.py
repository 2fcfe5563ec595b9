"""The sandbox's jobs on one page of a PDF: its picture, and where a quotation stands on it."""

from __future__ import annotations

import ctypes
import io
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingestion.parsers.base import ParseError
from ingestion.parsers.pdf import open_pdf

MAX_PIXELS = 20_000_000
MIN_PART = 20  # letters and digits: a shorter end of a quotation may stand anywhere
_PRECISION = 100  # device units per point: PDFium converts to whole ones

Box = tuple[float, float, float, float]


def render(path: str, page: int, width: int) -> bytes:
    """The page as PNG, `width` pixels wide (less when the page is so long that the picture would be huge)."""
    pdf = open_pdf(Path(path))
    sheet = _page(pdf, page)
    points_wide, points_high = (max(size, 1.0) for size in sheet.get_size())
    scale = min(width / points_wide, (MAX_PIXELS / (points_wide * points_high)) ** 0.5)
    picture = sheet.render(scale=scale).to_pil()
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _page(pdf: Any, number: int) -> Any:
    import pypdfium2

    if not 1 <= number <= len(pdf):
        raise ParseError("no_such_page", f"The document has no page {number}; it has {len(pdf)}.")
    try:
        return pdf[number - 1]
    except pypdfium2.PdfiumError:
        raise ParseError("damaged", f"Page {number} of the PDF is damaged and cannot be shown.") from None


def boxes(path: str, page: int, quote: str) -> bytes:
    """JSON with the page's size in points and the boxes of the quotation, line by line, from the top left corner."""
    sheet = _page(open_pdf(Path(path)), page)
    width, height = sheet.get_size()
    text_page = sheet.get_textpage()
    letters, owners = _letters(text_page)
    wanted = fold(quote)
    found = [owners[at] for start, end in matches(letters, wanted) for at in range(start, end)]
    lines = list(_merged(_char_boxes(sheet, text_page, found)))
    return json.dumps({"width": width, "height": height, "boxes": lines}).encode()


def fold(text: str) -> str:
    """The letters and digits alone: spaces, hyphens, quotation marks and ligatures differ between a text and its page."""
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())


def _letters(text_page: Any) -> tuple[str, list[int]]:
    """The page's folded characters, and for each the index of the page's character it came from."""
    import pypdfium2.raw as pdfium

    pieces: list[str] = []
    owners: list[int] = []
    for index in range(pdfium.FPDFText_CountChars(text_page)):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        folded = fold(chr(code)) if 0x20 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
        pieces.append(folded)
        owners.extend([index] * len(folded))
    return "".join(pieces), owners


def matches(letters: str, wanted: str) -> list[tuple[int, int]]:
    """Where `wanted` stands in `letters`: whole; or its beginning and its end, when it runs over a page's end or around a
    running header; or nowhere."""
    if not wanted:
        return []
    if (at := letters.find(wanted)) >= 0:
        return [(at, at + len(wanted))]
    head = _longest(lambda size: letters.find(wanted[:size]), len(wanted))
    tail = _longest(lambda size: letters.find(wanted[-size:]), len(wanted) - head[1])
    return [(at, at + size) for at, size in (head, tail) if size >= MIN_PART]


def _longest(find: Any, limit: int) -> tuple[int, int]:
    """The (place, size) of the longest part that is found: if a part is, every shorter one is too."""
    low, high, place = 0, limit, -1
    while low < high:
        middle = (low + high + 1) // 2
        if (at := find(middle)) >= 0:
            low, place = middle, at
        else:
            high = middle - 1
    return place, low


def _char_boxes(sheet: Any, text_page: Any, indexes: list[int]) -> Iterator[Box]:
    """The characters' boxes (left, top, right, bottom) as the page is shown: turned and cropped."""
    import pypdfium2.raw as pdfium

    width, height = (round(size * _PRECISION) for size in sheet.get_size())
    rectangle = pdfium.FS_RECTF()
    x, y = ctypes.c_int(), ctypes.c_int()
    for index in dict.fromkeys(indexes):
        if not pdfium.FPDFText_GetLooseCharBox(text_page, index, rectangle):
            continue
        corners = []
        for point in ((rectangle.left, rectangle.top), (rectangle.right, rectangle.bottom)):
            pdfium.FPDF_PageToDevice(sheet, 0, 0, width, height, 0, *point, x, y)
            corners.append((x.value / _PRECISION, y.value / _PRECISION))
        (x1, y1), (x2, y2) = corners
        if x1 != x2 and y1 != y2:
            yield min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _merged(pieces: Iterator[Box]) -> Iterator[Box]:
    """One box (x, y, width, height) per line: characters that follow each other at the same height."""
    current: Box | None = None
    for left, top, right, bottom in pieces:
        if current is not None:
            middle, size = (top + bottom) / 2, bottom - top
            same_line = current[1] <= middle <= current[3] and current[0] - size <= left <= current[2] + 3 * size
            if same_line:
                current = (min(current[0], left), min(current[1], top), max(current[2], right), max(current[3], bottom))
                continue
            yield _sized(current)
        current = (left, top, right, bottom)
    if current is not None:
        yield _sized(current)


def _sized(box: Box) -> Box:
    left, top, right, bottom = box
    return round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)
