"""Evidence and readings for tests, written by hand: no model is at work."""

from __future__ import annotations

import math

from ingestion.sentences import sentence_spans
from specialists.composition.types import Evidence
from specialists.reader.decoding import Reading, Span


def passage(number: int, text: str, *, context: str = "", document: int = 0) -> Evidence:
    """A passage with its sentences as ingestion finds them; lines of a list or a table are sentences of their own."""
    spans = []
    at = 0
    for line in text.split("\n"):
        own = [(0, len(line))] if " | " in line or line[:2].rstrip(".").isdigit() else sentence_spans(line)
        spans += [(at + left, at + right) for left, right in own if right > left]
        at += len(line) + 1
    return Evidence(number, context, text, tuple(spans), document=document or number)


def reading(*marked: tuple[Evidence, str, float], relevance: dict[int, float] | None = None) -> Reading:
    """The words that the reader marked, each with its log-odds against no answer; probabilities are those of one softmax."""
    total = 1 + sum(math.exp(score) for _, _, score in marked)
    spans = []
    for item, words, score in sorted(marked, key=lambda mark: -mark[2]):
        start = item.text.index(words)
        spans.append(Span(item.passage, start, start + len(words), words, score, math.exp(score) / total))
    return Reading(tuple(spans), 1 / total, relevance or {item.passage: score for item, _, score in marked})
