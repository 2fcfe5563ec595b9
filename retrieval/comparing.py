"""Two embedders on the same questions: each question's nDCG@10, and the mean difference with its interval."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.embedders import Embedder
from retrieval.feedback import fuse_again
from retrieval.fusion import fuse
from retrieval.indexes.exact import ExactIndex
from retrieval.lexical import LexicalSnapshot, load_lexical, scope_clauses, write_lexical
from retrieval.metrics import ndcg_at_k
from retrieval.passages import FloatMatrix, Hit, Passage
from retrieval.terms import read_query

CANDIDATES = 100
AT_ONCE = 128
RESAMPLES = 2000

Progress = Callable[[int], None]  # passages embedded


@dataclass(frozen=True, slots=True)
class JudgedQuestions:
    """Passages, and questions with the grades of those that answer them, by passage id."""

    passages: Sequence[Passage]
    questions: Mapping[str, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Scores:
    """nDCG@10 of each question, in their order: by the vectors alone, and fused with BM25 as the product's search does it."""

    dense: tuple[float, ...]
    fused: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """In points of nDCG@10: the means before and after, and the mean of the questions' differences with its 95 % interval
    (percentile bootstrap over questions)."""

    before: float
    after: float
    low: float
    high: float
    questions: int

    @property
    def difference(self) -> float:
        return self.after - self.before

    def __str__(self) -> str:
        return f"{self.before:.1f} → {self.after:.1f} ({self.difference:+.1f}, {self.low:+.1f} to {self.high:+.1f})"


def score(judged: JudgedQuestions, embedder: Embedder, *, progress: Progress | None = None) -> Scores:
    """Embeds all passages and asks all questions. Dense search is exact; words are looked up in a BM25 index of its own."""
    rows = [passage.searchable_text for passage in judged.passages]
    parts: list[FloatMatrix] = []
    for start in range(0, len(rows), AT_ONCE):
        parts.append(embedder.embed_passages(rows[start : start + AT_ONCE]))
        if progress is not None:
            progress(min(len(rows), start + AT_ONCE))
    index = ExactIndex(np.array([passage.id for passage in judged.passages]), np.concatenate(parts))
    dense: list[float] = []
    fused: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "lexical"
        write_lexical(folder, add=judged.passages, remove=())
        lexical = load_lexical(folder)
        for question, grades in judged.questions.items():
            vector = embedder.embed_queries([question])
            nearest, words = index.search(vector, CANDIDATES)[0], _by_words(lexical, question)
            dense.append(_ndcg(nearest, grades))
            first = fuse(nearest, words, depth=CANDIDATES)
            fused.append(_ndcg(fuse_again(vector, first, words, [index], depth=CANDIDATES), grades))
    return Scores(tuple(dense), tuple(fused))


def _by_words(lexical: LexicalSnapshot, question: str) -> list[Hit]:
    clauses = read_query(question)
    return lexical.search(scope_clauses([lexical], clauses)[0], CANDIDATES) if clauses else []


def _ndcg(hits: Sequence[Hit], grades: Mapping[int, int]) -> float:
    run = {str(hit.id): float(-rank) for rank, hit in enumerate(hits[:10])}
    return ndcg_at_k({"q": run}, {"q": {str(key): grade for key, grade in grades.items()}}, 10)


def change(before: Sequence[float], after: Sequence[float], *, seed: int = 0) -> Change:
    """Of the same questions in the same order."""
    old, new = 100 * np.asarray(before), 100 * np.asarray(after)
    chooser = np.random.default_rng(seed)
    rows = chooser.integers(0, len(old), (RESAMPLES, len(old)))
    low, high = np.quantile((new - old)[rows].mean(axis=1), [0.025, 0.975])
    return Change(float(old.mean()), float(new.mean()), float(low), float(high), len(old))
