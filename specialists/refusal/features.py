"""What this turn's evidence says about whether the reader's answer is right: the calibrator's inputs.

Nothing of the past is in them: the same question with the same evidence has the same features.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from specialists.composition.asking import KINDS, coverage, kinds_of, term_weights, type_match
from specialists.composition.composing import agreeing_with, confidence_of
from specialists.composition.ranking import Found
from specialists.composition.terms import content_terms
from specialists.composition.types import Evidence

if TYPE_CHECKING:
    from retrieval.passages import Hit
    from retrieval.search import SearchResult
    from specialists.reader.serving import Reading

FEATURES = (
    "null_odds", "answer_odds", "margin", "relevance", "relevance_gap", "agreement", "rivals", "cosine_sentence",
    "cosine_passage", "cosine_best", "dense_rank", "lexical_rank", "lexical_share", "fused_rank", "coverage_sentence",
    "coverage_passage", "unmatched", "unmatched_anywhere", "unmatched_numbers", "unmatched_names", "span_length", "type_match",
    "rank_margin", *KINDS,
)  # fmt: skip
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][\w’'-]+")


@dataclass(frozen=True, slots=True)
class Facts:
    """The features by name, and the question's own words that the quoted passage lacks, for the reason that a person reads."""

    features: dict[str, float]
    missing: tuple[str, ...]
    best: Found


def gather(
    question: str, reading: Reading, spans: Sequence[Found], evidence: Sequence[Evidence], found: SearchResult
) -> Facts | None:
    """`spans`: the reader's, best first. None when it marked nothing."""
    if not spans:
        return None
    best = spans[0]
    words, missing = _words(question, best, evidence)
    features = {**_reader(question, spans, reading), **_search(best, found), **words, **_question(question, best)}
    return Facts({name: round(features[name], 5) for name in FEATURES}, missing, best)


def _reader(question: str, spans: Sequence[Found], reading: Reading) -> dict[str, float]:
    best = spans[0]
    agreeing = agreeing_with(question, spans)
    probability = confidence_of(best, agreeing)
    rivals = [item for item in spans[1:] if item not in agreeing]
    others = [item.span.probability for item in rivals]
    relevance = reading.relevance.get(best.evidence.passage, 0.0)
    return {
        "null_odds": _clipped(best.span.score, 12.0),
        "answer_odds": _log_odds(probability),
        "margin": _clipped(math.log(max(probability, 1e-6) / max(max(others, default=0.0), 1e-6)), 8.0),
        "relevance": _clipped(relevance, 12.0),
        "relevance_gap": _clipped(relevance - max(reading.relevance.values(), default=relevance), 12.0),
        "agreement": math.log1p(len(agreeing)),
        "rank_margin": min(8.0, best.rank_score - rivals[0].rank_score) if rivals else 8.0,
        "rivals": math.log1p(sum(value >= 0.2 * probability for value in others)),
    }


def _search(best: Found, found: SearchResult) -> dict[str, float]:
    passage = best.evidence.passage
    lexical_best = found.lexical[0].score if found.lexical else 0.0
    return {
        "cosine_sentence": best.cosine,
        "cosine_passage": _score_of(found.dense, passage),
        "cosine_best": found.dense[0].score if found.dense else 0.0,
        "dense_rank": _closeness(found.dense, passage),
        "lexical_rank": _closeness(found.lexical, passage),
        "lexical_share": _score_of(found.lexical, passage) / lexical_best if lexical_best > 0 else 0.0,
        "fused_rank": _closeness(found.hits, passage),
    }


def _words(question: str, best: Found, evidence: Sequence[Evidence]) -> tuple[dict[str, float], tuple[str, ...]]:
    """How much of the question the quoted words and their passage hold; rare terms weigh more."""
    weights = term_weights(question, evidence)
    passage = set(content_terms(f"{best.evidence.context} {best.evidence.text}"))
    anywhere = {term for item in evidence for term in content_terms(f"{item.context} {item.text}")}
    text = f"{best.evidence.context} {best.evidence.text}".lower()
    names = [name for name in _NAME.findall(question) if not _is_in(name, text)]
    absent = [term for term in weights if term not in anywhere]
    features = {
        "coverage_sentence": coverage(weights, (best.evidence.context, best.words)),
        "coverage_passage": coverage(weights, (best.evidence.context, best.evidence.text)),
        "unmatched": max((weight for term, weight in weights.items() if term not in passage), default=0.0),
        "unmatched_anywhere": len(absent) / (len(weights) or 1),
        "unmatched_numbers": float(sum(number not in text for number in _NUMBER.findall(question))),
        "unmatched_names": float(len(names)),
    }
    return features, _as_typed(question, absent)


def _as_typed(question: str, terms: Sequence[str]) -> tuple[str, ...]:
    """The words of the question whose terms these are."""
    words = dict.fromkeys(re.findall(r"[\w’'-]+", question))
    return tuple(word for word in words if set(content_terms(word)) & set(terms))


def _question(question: str, best: Found) -> dict[str, float]:
    match, length = type_match(question, best.text, best.value), math.log(1 + len(best.text.split()))
    return {**kinds_of(question), "type_match": match, "span_length": length}


def _is_in(name: str, text: str) -> bool:
    return name.lower().removesuffix("'s").removesuffix("’s") in text


def _score_of(hits: Sequence[Hit], passage: int) -> float:
    """The passage's score; where that search did not bring it, the last one's, which it cannot have reached."""
    return next((hit.score for hit in hits if hit.id == passage), hits[-1].score if hits else 0.0)


def _closeness(hits: Sequence[Hit], passage: int) -> float:
    """1 for the first, a half for the second, 0 for what was not brought."""
    return next((1 / rank for rank, hit in enumerate(hits, start=1) if hit.id == passage), 0.0)


def _log_odds(probability: float) -> float:
    return _clipped(math.log(max(probability, 1e-6) / max(1 - probability, 1e-6)), 10.0)


def _clipped(value: float, most: float) -> float:
    return max(-most, min(most, value))
