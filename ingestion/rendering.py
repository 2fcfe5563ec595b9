"""Pages of a PDF as people see them: the picture of a page, and where a quotation stands on it. Made in the sandbox."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ingestion.parsers.base import ParseError
from ingestion.parsers.sandbox import run_job

MAX_WIDTH = 4_000
MAX_QUOTE = 8_000  # characters


@dataclass(frozen=True, slots=True)
class PageBoxes:
    """A page's size and the boxes (x, y, width, height) on it, in points from the top left corner, one per line of text."""

    width: float
    height: float
    boxes: tuple[tuple[float, float, float, float], ...]


def render_page(path: Path, page: int, *, width: int = 1100) -> bytes:
    """A page (counted from 1) as PNG, `width` pixels wide. Raises ParseError."""
    arguments = {"path": str(path), "page": page, "width": max(1, min(width, MAX_WIDTH))}
    return run_job("ingestion.parsers.pdf_pages:render", arguments, readable=[path])


def find_boxes(path: Path, page: int, quote: str) -> PageBoxes:
    """Where `quote`, or the part of it that is on this page, stands; no boxes when it is not there. Raises ParseError."""
    arguments = {"path": str(path), "page": page, "quote": quote[:MAX_QUOTE]}
    data = run_job("ingestion.parsers.pdf_pages:boxes", arguments, readable=[path])
    try:
        found = json.loads(data)
        boxes = tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in found["boxes"])
        return PageBoxes(float(found["width"]), float(found["height"]), boxes)
    except (ValueError, TypeError, KeyError):
        raise ParseError("crashed", "The page could not be read. Open the original instead.") from None
