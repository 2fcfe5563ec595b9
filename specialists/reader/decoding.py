"""From the reader's logits to spans: per window the best token spans, then one softmax over all passages and no answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specialists.encoders.pairs import Window

FloatArray = NDArray[np.float32]
BEST_TOKENS = 20
MAX_SPANS = 12


@dataclass(frozen=True, slots=True)
class Span:
    """Words of a passage that may answer. `start` and `end` are characters of ReaderPassage.text; `score` is the log-odds
    against “this passage does not answer”; `probability` is the span's share under one softmax over all passages."""

    passage: int
    start: int
    end: int
    text: str
    score: float
    probability: float


@dataclass(frozen=True, slots=True)
class Reading:
    """`spans` best first, none overlapping; `null_probability`: that no passage answers; `relevance`: per passage, the log-odds
    that it holds the answer (the reranker)."""

    spans: tuple[Span, ...]
    null_probability: float
    relevance: dict[int, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    passage: int
    start: int
    end: int
    score: float


def spans_of(passage: int, window: Window, logits: FloatArray, *, answer_tokens: int) -> list[Candidate]:
    """The best spans of a window, of at most so many tokens.

    logits: (tokens, 2), start and end. A score is start + end − those of [CLS]."""
    begin, stop = window.text_start, window.text_end
    if begin == stop:
        return []
    starts, ends = logits[begin:stop, 0], logits[begin:stop, 1]
    null = float(logits[0, 0] + logits[0, 1])
    best_starts = np.argsort(-starts, kind="stable")[:BEST_TOKENS]
    best_ends = np.argsort(-ends, kind="stable")[:BEST_TOKENS]
    first, last = np.meshgrid(best_starts, best_ends, indexing="ij")
    fits = (first <= last) & (last - first < answer_tokens)
    found = [
        Candidate(passage, window.offsets[f][0], window.offsets[e][1], float(starts[f] + ends[e]) - null)
        for f, e in zip(first[fits].tolist(), last[fits].tolist(), strict=True)
    ]
    return sorted(found, key=lambda span: -span.score)[:BEST_TOKENS]


def decode(candidates: Iterable[Candidate], texts: dict[int, str], relevance: dict[int, float]) -> Reading:
    """One softmax over the spans of all passages and the null answer, whose score is 0."""
    best: dict[tuple[int, int, int], float] = {}
    for item in candidates:
        key = (item.passage, item.start, item.end)
        best[key] = max(item.score, best.get(key, -math.inf))
    ranked = sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))
    highest = max(0.0, ranked[0][1]) if ranked else 0.0
    total = math.exp(-highest) + sum(math.exp(score - highest) for _, score in ranked)
    spans = [
        Span(passage, start, end, texts[passage][start:end], score, math.exp(score - highest) / total)
        for (passage, start, end), score in _apart(ranked)
    ]
    return Reading(tuple(spans), math.exp(-highest) / total, relevance)


def _apart(ranked: Sequence[tuple[tuple[int, int, int], float]]) -> list[tuple[tuple[int, int, int], float]]:
    kept: list[tuple[tuple[int, int, int], float]] = []
    for key, score in ranked:
        passage, start, end = key
        if all(passage != other or end <= s or e <= start for (other, s, e), _ in kept):
            kept.append((key, score))
            if len(kept) == MAX_SPANS:
                break
    return kept
