"""Answers that are lists: whether a question asks for one, and which items the passage gives."""

from __future__ import annotations

import re
from collections.abc import Sequence

from specialists.composition.ranking import Found
from specialists.composition.sentences import CELL, is_numbered, sentence_index
from specialists.composition.types import Evidence, Offsets

MOST_ITEMS = 12
SURE_ENOUGH = 3.0  # how far below the best span (log-odds) a further item may be
LONGEST_ITEM = 9  # words of an item in an enumeration within a sentence

_AUXILIARY = frozenset({
    "is", "are", "was", "were", "do", "does", "did", "can", "could", "may", "might", "must", "should", "shall", "will",
    "would", "have", "has", "had",
})  # fmt: skip
_NO_PLURAL = frozenset({
    "this", "its", "us", "was", "is", "has", "does", "news", "always", "his", "as", "yes", "process", "address", "access",
    "business", "class", "status",
})  # fmt: skip
_COMMANDS = re.compile(r"^(?:please\s+)?(?:list|name|enumerate|give\s+me|tell\s+me)\b(?!.*\bhow\b)", re.IGNORECASE)
_ASKED = re.compile(r"\b(?:what|which|who)\b(?!\s+(?:percent|number))", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*[,;]\s*(?:and|or|as well as)?\s+|\s+(?:and|or|as well as)\s+|\s*,\s*")


def asks_for_list(question: str) -> bool:
    """“Which offices…”, “what are the steps…”, “list…”: several things are asked for."""
    if _COMMANDS.match(question.strip()):
        return True
    found = _ASKED.search(question)
    if not found:
        return False
    words = re.findall(r"[a-z'’-]+", question[found.end() :].lower())
    before: list[str] = []
    for word in words[:6]:
        if word in _AUXILIARY:
            return word in ("are", "were") if not before else is_plural(before[-1])
        before.append(word)
    return found[0].lower() != "who" and bool(before) and is_plural(before[0])


def is_plural(word: str) -> bool:
    if word in ("people", "criteria", "children", "men", "women", "data"):
        return True
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) and word not in _NO_PLURAL


def enumerated(evidence: Evidence, span: Offsets) -> tuple[Offsets | None, tuple[Offsets, ...]]:
    """The intro and the items of the list that the span is in; (None, ()) when it is in none.

    Numbered items stand one after another. Items without numbers are known by their intro, which ends with a colon: they are
    the paragraphs under it.
    """
    place = sentence_index(evidence, *span)
    if place is None:
        return None, ()
    spans, text = evidence.sentences, evidence.text
    first = last = place
    if is_numbered(text[slice(*spans[place])]):
        while first > 0 and is_numbered(text[slice(*spans[first - 1])]):
            first -= 1
        while last + 1 < len(spans) and is_numbered(text[slice(*spans[last + 1])]):
            last += 1
    else:
        while first > 0 and _is_paragraph(evidence, first) and not text[slice(*spans[first - 1])].rstrip().endswith(":"):
            first -= 1
        is_introduced = first > 0 and text[slice(*spans[first - 1])].rstrip().endswith(":") and _is_paragraph(evidence, first)
        if not is_introduced:
            return None, ()
        while last + 1 < len(spans) and _is_paragraph(evidence, last + 1) and CELL not in text[slice(*spans[last + 1])]:
            last += 1
    if last == first or last - first >= MOST_ITEMS:
        return None, ()
    has_intro = first > 0 and text[slice(*spans[first - 1])].rstrip().endswith(":")
    return (spans[first - 1] if has_intro else None), tuple(spans[first : last + 1])


def _is_paragraph(evidence: Evidence, place: int) -> bool:
    """Whether the sentence is a paragraph of its own."""
    start, end = evidence.sentences[place]
    opens = not evidence.text[:start].strip() or evidence.text[:start].rstrip(" ").endswith("\n")
    closes = not evidence.text[end:].strip() or evidence.text[end:].lstrip(" ").startswith("\n")
    return opens and closes


def further_items(found: Sequence[Found]) -> list[Found]:
    """The best span and the other spans of its passage that are nearly as likely: the other items."""
    best = found[0]
    near = [item for item in found if item.rank_score >= best.rank_score - SURE_ENOUGH]
    return [item for item in near if item.evidence is best.evidence][:MOST_ITEMS]


def split_enumeration(evidence: Evidence, start: int, end: int) -> tuple[Offsets, ...]:
    """The span as the items of its enumeration, with their neighbours in the same sentence: “A, B and C” are three."""
    items = _split(evidence.text, start, end)
    if len(items) < 2:
        items = _with_neighbours(evidence, (start, end))
    return tuple(items) if len(items) > 1 else ((start, end),)


def _split(text: str, start: int, end: int) -> list[Offsets]:
    """Cut at commas and conjunctions, when every piece is short. A number's comma is none."""
    items, at = [], start
    for gap in _BETWEEN.finditer(text, start, end):
        if gap.start() > at:
            items.append((at, gap.start()))
        at = gap.end()
    items.append((at, end))
    items = [item for item in items if item[0] < item[1]]
    return items if all(len(text[left:right].split()) <= LONGEST_ITEM for left, right in items) else [(start, end)]


def _with_neighbours(evidence: Evidence, item: Offsets) -> list[Offsets]:
    """The members of a series of three or more that the item is one of; names go with names, and lower case with lower case."""
    place = sentence_index(evidence, *item)
    if place is None:
        return [item]
    pieces = _split_loosely(evidence.text, *evidence.sentences[place])
    own = next((index for index, (left, right) in enumerate(pieces) if left <= item[0] and item[1] <= right), None)
    if own is None or pieces[own][1] != item[1]:
        return [item]
    series = [item]
    for piece in pieces[own + 1 :]:
        if not _is_like(evidence.text, item, piece):
            break
        series.append(piece)
    for piece in reversed(pieces[:own] if pieces[own] == item else []):
        if not _is_like(evidence.text, item, piece):
            series[:0] = _closing_name(evidence.text, piece) if evidence.text[item[0]].isupper() else []
            break
        series.insert(0, piece)
    return series if len(series) > 2 else [item]


def _closing_name(text: str, piece: Offsets) -> list[Offsets]:
    """The name that ends the piece before a series, which is its first member: “the offices are Ghent”."""
    name = re.search(r"(?:[A-Z][\w’'-]*\s+)*[A-Z][\w’'-]*$", text[slice(*piece)])
    return [(piece[0] + name.start(), piece[1])] if name else []


def _split_loosely(text: str, start: int, end: int) -> list[Offsets]:
    pieces, at = [], start
    for gap in _BETWEEN.finditer(text, start, end):
        pieces.append((at, gap.start()))
        at = gap.end()
    pieces.append((at, end - 1 if text[end - 1 : end] in ".;" else end))
    return pieces


def _is_like(text: str, item: Offsets, other: Offsets) -> bool:
    own, theirs = text[slice(*item)], text[slice(*other)]
    is_short = len(theirs.split()) <= max(3, len(own.split()) + 2)
    return bool(theirs) and is_short and own[:1].isupper() == theirs[:1].isupper() and own[:1].isdigit() == theirs[:1].isdigit()
