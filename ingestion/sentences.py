"""Where sentences begin and end: Punkt, with the data that llama-index brings, so that nothing is downloaded."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

# What the trained data lack, as business texts write it: English, then German and French.
_ABBREVIATIONS = (
    "e.g i.e etc approx dept al incl excl est tel avg resp cf z.b bzw vgl ca ggf inkl zzgl u.a d.h usw evtl abt p.ex"
)  # fmt: skip
# These are words too, and abbreviations only before a number.
_BEFORE_NUMBERS = re.compile(r"(?:^|\W)(?:nos?|nr|secs?|figs?|arts?|paras?|vols?|ch|pp?|eq|abs|ext)\.$", re.IGNORECASE)
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
    tokenizer = PunktTokenizer("english")
    tokenizer._params.abbrev_types.update(_ABBREVIATIONS.split())
    return tokenizer


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The (start, end) of every sentence; together they cover all but the white space between them."""
    rough: list[tuple[int, int]] = []
    for start, end in _punkt().span_tokenize(text):
        if rough and _goes_on(text, rough[-1], start):
            rough[-1] = (rough[-1][0], end)
        else:
            rough.append((start, end))
    spans = []
    for start, end in rough:
        cuts = [start, *(start + cut.start() for cut in _WIDE_END.finditer(text[start:end])), end]
        spans += [trim(text, left, right) for left, right in pairwise(cuts)]
    return [span for span in spans if span[0] < span[1]]


def _goes_on(text: str, last: tuple[int, int], start: int) -> bool:
    """No sentence begins with a small letter, or with the number of "No." or "Fig."; a new line may be anything."""
    if "\n" in text[last[1] : start]:
        return False
    return text[start].islower() or (
        text[start].isdigit() and bool(_BEFORE_NUMBERS.search(text[max(last[0], last[1] - 8) : last[1]]))
    )


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space at its ends."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
