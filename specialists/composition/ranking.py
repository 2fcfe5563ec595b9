"""Which of the reader's spans answers: its own odds, the passage's relevance and place in the search, and the words around.

The reader compares spans with “no answer” passage by passage, so a confident span of a passage about something else can come
first. The weights are fitted by manage.py fit_refusal and kept in ranking.json.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from specialists.composition.asking import coverage, term_weights, type_match
from specialists.composition.types import Evidence, Offsets
from specialists.composition.values import Value
from specialists.errors import SpecialistError

if TYPE_CHECKING:
    from specialists.reader.serving import Reading, Span

RANKING_FEATURES = (
    "score", "relevance", "share", "closeness", "coverage_sentence", "coverage_passage", "cosine", "type_match", "length"
)  # fmt: skip

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """One weight per ranking feature. `reader`: whose spans it was fitted on."""

    weights: tuple[float, ...]
    reader: str = ""

    def scores(self, rows: FloatArray) -> FloatArray:
        """Log-odds up to a constant of the question. rows: (spans, features)."""
        return np.asarray(rows @ np.array(self.weights))


@dataclass(frozen=True, slots=True)
class Found:
    """A span with its passage, its value and the words that would be quoted for it. `cosine` is theirs with the question;
    `rank_score` orders the spans of one question."""

    span: Span
    evidence: Evidence
    value: Value
    quote: Offsets
    cosine: float = 0.0
    rank_score: float = 0.0

    @property
    def words(self) -> str:
        return self.evidence.text[slice(*self.quote)]

    @property
    def text(self) -> str:
        return self.evidence.text[self.span.start : self.span.end]


BY_SCORE = Ranking(tuple(float(name == "score") for name in RANKING_FEATURES))


def ranking_file() -> Path:
    """Beside the weights of the reader that it was fitted for."""
    return settings.SPECIALISTS_DIR / "reader" / "ranking.json"


def shipped() -> Ranking:
    """The installed reader's ranking; without one, the reader's own score decides. Raises SpecialistError `not_calibrated` when
    it cannot be read."""
    path = ranking_file()
    if not path.is_file():
        return BY_SCORE
    try:
        return _load(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = "The ranking of the reader's spans cannot be read. An administrator must run manage.py fit_refusal."
        raise SpecialistError("not_calibrated", message, permanent=True) from error


def fitted_for() -> str:
    """The reader whose spans the installed ranking was fitted on; empty without a ranking. Raises SpecialistError."""
    return shipped().reader


@lru_cache(maxsize=2)
def _load(path: Path, _stamp: int) -> Ranking:
    data = json.loads(path.read_text(encoding="utf-8"))
    if tuple(data["features"]) != RANKING_FEATURES:
        raise ValueError("The ranking of spans was fitted for other features. Run manage.py fit_refusal.")
    return Ranking(tuple(float(weight) for weight in data["weights"]), str(data["reader"]))


def with_cosines(question: str, found: Sequence[Found]) -> list[Found]:
    """The same spans with the cosines of their quotes, each read below its headings."""
    from retrieval.embedders import get_embedder
    from retrieval.search import question_vector

    if not found:
        return []
    texts = [f"{item.evidence.context}\n{item.words}" for item in found]
    different = list(dict.fromkeys(texts))
    cosines = (get_embedder().embed_passages(different) @ question_vector(question)[0]).tolist()
    known = dict(zip(different, cosines, strict=True))
    return [replace(item, cosine=known[text]) for item, text in zip(found, texts, strict=True)]


def ranking_rows(question: str, found: Sequence[Found], reading: Reading, evidence: Sequence[Evidence]) -> FloatArray:
    """The (spans, features) matrix."""
    weights = term_weights(question, evidence)
    place = {item.passage: rank for rank, item in enumerate(evidence, start=1)}
    rows = []
    for item in found:
        context, passage = item.evidence.context, item.evidence.passage
        rows.append([
            max(-12.0, min(12.0, item.span.score)),
            max(-12.0, min(12.0, reading.relevance.get(passage, 0.0))),
            item.evidence.relevance,
            1 / place[passage],
            coverage(weights, (context, item.words)),
            coverage(weights, (context, item.evidence.text)),
            item.cosine,
            type_match(question, item.text, item.value),
            math.log(1 + len(item.text.split())),
        ])  # fmt: skip
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(RANKING_FEATURES))


def fit_ranking(questions: Sequence[tuple[FloatArray, FloatArray]], *, l2: float = 1.0, steps: int = 30) -> Ranking:
    """A conditional logit (McFadden 1974) over the spans of each question: (rows, is_right) pairs, of which those with right
    and wrong spans count. Newton's method on the L2-penalised log-likelihood of choosing a right one; features are scaled by
    their spread within questions."""
    pairs = [(rows, right) for rows, right in questions if 0 < right.sum() < len(right)]
    if not pairs:
        raise ValueError("No question has both right and wrong spans.")
    spread = np.sqrt(np.mean([rows.var(axis=0) for rows, _ in pairs], axis=0))
    scale = np.where(spread < 1e-6, 1.0, spread)
    weights = np.zeros(len(RANKING_FEATURES))
    for _ in range(steps):
        gradient, hessian = l2 * weights, l2 * np.eye(len(weights))
        for rows, right in pairs:
            scaled = rows / scale
            every, mean = _softmax(scaled @ weights, scaled)
            _, wanted = _softmax((scaled @ weights)[right > 0], scaled[right > 0])
            gradient = gradient + mean - wanted
            hessian = hessian + (scaled * every[:, None]).T @ scaled - np.outer(mean, mean)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-6:
            break
    return Ranking(tuple((weights / scale).tolist()))


def _softmax(odds: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Probabilities, and the mean row under them."""
    share = np.exp(odds - odds.max())
    share = share / share.sum()
    return share, share @ rows
