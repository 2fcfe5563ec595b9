"""Where sentences begin and end: Punkt, with the data that llama-index brings, so that nothing is downloaded."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

# Punkt knows Latin, Greek and Cyrillic punctuation; these end sentences without a space after them.
_WIDE_END = re.compile("(?<=[。！？｡])(?=[^。！？｡”」』）\\s])")


@cache
def _punkt() -> Any:
    import nltk
    from nltk.tokenize.punkt import PunktTokenizer

    spec = importlib.util.find_spec("llama_index.core")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("llama_index.core")
    folder = str(Path(spec.origin).parent / "_static" / "nltk_cache")
    if folder not in nltk.data.path:
        nltk.data.path.insert(0, folder)
    return PunktTokenizer("english")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The (start, end) of every sentence; together they cover all but the white space between them."""
    spans: list[tuple[int, int]] = []
    for start, end in _punkt().span_tokenize(text):
        cuts = [start, *(start + cut.start() for cut in _WIDE_END.finditer(text[start:end])), end]
        for left, right in pairwise(cuts):
            trimmed = trim(text, left, right)
            if trimmed[0] < trimmed[1]:
                spans.append(trimmed)
    return spans


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space at its ends."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
