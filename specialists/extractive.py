"""The extractive composer: it picks the sentences of the passages that answer the question, and quotes them word for word.

Which sentences: each gets a score, the log-odds of a logistic regression over a few features (`FEATURES`). Whether at all:
the composer abstains when no sentence is close enough to the question, by the cosine of their embeddings; of all features it
is the one that a question's choice of words moves least. Weights and threshold are fitted by `manage.py fit_composer` and
kept, with their figures, in composer.json.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialists.composition.types import ComposedSentence, Composition, Evidence, Quote

__all__ = [
    "EXTRACTIVE_MODEL", "FEATURES", "PARAMETERS", "Candidate", "Composition", "Evidence", "Parameters",
    "Quote", "closeness", "compose", "features", "list_candidates", "load_parameters", "score",
]  # fmt: skip

EXTRACTIVE_MODEL = "sentence-composer-1"
FEATURES = ("cosine", "coverage", "coverage_in_context", "relevance", "answer_type", "length")
PARAMETERS = Path(__file__).with_name("composer.json")
MAX_SENTENCES = 28  # that are embedded: what two cores do in about 150 ms
MAX_QUOTES = 3
MIN_WORDS = 3

FloatMatrix = NDArray[np.float32]

_ASKS_NUMBER = re.compile(r"\b(?:how (?:many|much|long|often|old|far|big|large|high|tall)|what (?:percentage|number|amount))\b")
_ASKS_NUMBER_NOUN = re.compile(r"\b(?:limit|rate|price|cost|budget|notice|deadline|minimum|maximum|version|threshold|cap)\b")
_ASKS_TIME = re.compile(r"\b(?:when|what (?:year|date|day|time|month)|which (?:year|date|day|month))\b")
_ASKS_WHO = re.compile(r"\b(?:who|whom|whose)\b")
_ASKS_WHERE = re.compile(r"\bwhere\b")
_HAS_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|"
    r"million|once|twice|half|no limit|unlimited)\b",
    re.IGNORECASE,
)
_HAS_TIME = re.compile(
    r"\b(?:1\d{3}|20\d{2}|january|february|march|april|may|june|july|august|september|october|november|december|monday|"
    r"tuesday|wednesday|thursday|friday|saturday|sunday|\d{1,2}:\d{2}|day|days|week|weeks|month|months|year|years|hour|hours)\b",
    re.IGNORECASE,
)
_HAS_NAME = re.compile(r"(?<=[a-z,;:(|] )[A-Z][a-zA-Z-]+|^[A-Z][a-z]+ [A-Z][a-z]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    rank: int  # of its passage
    evidence: Evidence
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.evidence.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Parameters:
    """A fitted composer. `mean`, `scale` and `weights` have one entry per feature."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    threshold: float  # on the cosine of the closest sentence
    margin: float  # how far below the best (log-odds) a further sentence may be


@cache
def load_parameters() -> Parameters:
    data = json.loads(PARAMETERS.read_text(encoding="utf-8"))
    if tuple(data["features"]) != FEATURES:
        raise ValueError(f"{PARAMETERS} was fitted for other features; run manage.py fit_composer")
    return Parameters(
        tuple(data["mean"]), tuple(data["scale"]), tuple(data["weights"]), data["bias"], data["threshold"], data["margin"]
    )


def compose(question: str, evidence: Sequence[Evidence], parameters: Parameters | None = None) -> Composition:
    """Quote the sentences that answer, best first; abstain when none is good enough."""
    parameters = parameters or load_parameters()
    candidates = list_candidates(question, evidence)
    if not candidates:
        return Composition(is_answered=False, confidence=0.0, quotes=())
    matrix = features(question, candidates)
    scores = score(matrix, parameters)
    confidence = closeness(matrix)
    quotes = _pick(candidates, scores, float(scores.max()) - parameters.margin)
    sentences = tuple(ComposedSentence(quote.text, (place,)) for place, quote in enumerate(quotes))
    return Composition(confidence >= parameters.threshold, confidence, quotes, sentences)


def list_candidates(question: str, evidence: Sequence[Evidence]) -> list[Candidate]:
    """The sentences worth embedding: not questions, not scraps; the MAX_SENTENCES that share most with the question."""
    candidates = []
    for rank, item in enumerate(evidence):
        for start, end in item.sentences:
            text = item.text[start:end]
            if len(text.split()) >= MIN_WORDS and not text.rstrip().endswith("?"):
                candidates.append(Candidate(rank, item, start, end))
    if len(candidates) <= MAX_SENTENCES:
        return candidates
    alone, in_context = _coverages(question, candidates)
    worth = [own + both + 1 / (1 + item.rank) for own, both, item in zip(alone, in_context, candidates, strict=True)]
    chosen = sorted(range(len(candidates)), key=lambda row: (-worth[row], row))[:MAX_SENTENCES]
    return [candidates[row] for row in sorted(chosen)]


def closeness(matrix: NDArray[np.float64]) -> float:
    """The cosine of the sentence that is closest to the question."""
    return float(matrix[:, FEATURES.index("cosine")].max())


def score(matrix: NDArray[np.float64], parameters: Parameters) -> NDArray[np.float64]:
    """Log-odds per row of the (sentences, features) matrix."""
    standard = (matrix - np.array(parameters.mean)) / np.array(parameters.scale)
    return np.asarray(standard @ np.array(parameters.weights) + parameters.bias)


def features(question: str, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """The (sentences, len(FEATURES)) matrix."""
    from retrieval.embedders import get_embedder

    embedder = get_embedder()
    asked = embedder.embed_queries([question])[0]
    cosine = embedder.embed_passages([f"{candidate.evidence.context}\n{candidate.text}" for candidate in candidates]) @ asked
    coverage, coverage_in_context = _coverages(question, candidates)
    kind = [_answer_type(question, candidate.text) for candidate in candidates]
    relevance = [candidate.evidence.relevance for candidate in candidates]
    length = [math.log(len(candidate.text.split())) for candidate in candidates]
    return np.column_stack([cosine, coverage, coverage_in_context, relevance, kind, length]).astype(np.float64)


def _coverages(question: str, candidates: Sequence[Candidate]) -> tuple[list[float], list[float]]:
    """The share of the question's terms that a sentence has, alone and with its heading; rare terms weigh more."""
    from retrieval.terms import query_terms

    terms = set(query_terms(question))
    if not terms:
        return [0.0] * len(candidates), [0.0] * len(candidates)
    own = [terms & set(query_terms(candidate.text)) for candidate in candidates]
    context = {id(c.evidence): terms & set(query_terms(c.evidence.context)) for c in candidates}
    frequency = {term: sum(term in found for found in own) for term in terms}
    weight = {term: math.log(1 + len(candidates) / (1 + frequency[term])) for term in terms}
    total = sum(weight.values())
    alone = [sum(weight[term] for term in found) / total for found in own]
    both = [sum(weight[t] for t in found | context[id(c.evidence)]) / total for found, c in zip(own, candidates, strict=True)]
    return alone, both


def _answer_type(question: str, sentence: str) -> float:
    """1 when the sentence has the kind of thing that is asked for, −1 when it lacks it, 0 when the question does not say."""
    asked = question.lower()
    if _ASKS_NUMBER.search(asked) or _ASKS_NUMBER_NOUN.search(asked):
        return 1.0 if _HAS_NUMBER.search(sentence) else -1.0
    if _ASKS_TIME.search(asked):
        return 1.0 if _HAS_TIME.search(sentence) else -1.0
    if _ASKS_WHO.search(asked) or _ASKS_WHERE.search(asked):
        return 1.0 if _HAS_NAME.search(sentence) else -1.0
    return 0.0


def _pick(candidates: Sequence[Candidate], scores: NDArray[np.float64], least: float) -> tuple[Quote, ...]:
    """The best sentences that say something of their own, best first."""
    quotes: list[Quote] = []
    words: list[set[str]] = []
    for row in np.argsort(-scores, kind="stable"):
        candidate, value = candidates[int(row)], float(scores[row])
        if value < least or len(quotes) == MAX_QUOTES:
            break
        own = set(candidate.text.lower().split())
        if any(len(own & known) >= 0.8 * min(len(own), len(known)) for known in words):
            continue
        words.append(own)
        quotes.append(Quote(candidate.evidence.passage, candidate.start, candidate.end, candidate.text, value))
    return tuple(quotes)
