"""Whether the reader's answer is sure enough to be shown, decided on this turn's evidence only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from specialists.composition.ranking import Found
from specialists.composition.types import Evidence
from specialists.refusal.calibrator import DEFAULT_RISK, Calibration, Calibrator, shipped
from specialists.refusal.features import Facts, gather
from specialists.refusal.measures import Threshold

if TYPE_CHECKING:
    from retrieval.search import SearchResult
    from specialists.reader.serving import Reading


@dataclass(frozen=True, slots=True)
class Refusal:
    """The decision. `probability`: that the documents answer and the answer is right; `threshold`: what it had to reach;
    `missing`: words of the question that no passage holds; `features`: what it was decided on, to judge and replay it."""

    probability: float
    threshold: float
    is_answered: bool
    reason: str
    features: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def decide(
    question: str,
    reading: Reading,
    spans: Sequence[Found],
    evidence: Sequence[Evidence],
    found: SearchResult,
    *,
    calibrator: Calibrator | None = None,
    threshold: Threshold | None = None,
    risk: float = DEFAULT_RISK,
) -> Refusal:
    """Answer when the probability reaches the threshold. `calibrator` and `threshold`: a corpus's own, instead of the shipped
    ones for this risk."""
    threshold = threshold or shipped_threshold(risk)
    facts = gather(question, reading, spans, evidence, found)
    if facts is None:
        return Refusal(0.0, threshold.value, False, "the reader marked no words of the passages as an answer")
    probability = (calibrator or shipped().calibrator).probability(facts.features)
    is_answered = probability >= threshold.value
    reason = _reason(probability, threshold, facts, risk)
    return Refusal(probability, threshold.value, is_answered, reason, facts.features, facts.missing)


def shipped_threshold(risk: float) -> Threshold:
    """The threshold of the installed reader's calibration; choosing it takes a moment, so it is kept."""
    return _threshold(shipped(), risk)


@lru_cache(maxsize=64)
def _threshold(calibration: Calibration, risk: float) -> Threshold:
    return calibration.threshold(risk)


def _reason(probability: float, threshold: Threshold, facts: Facts, risk: float) -> str:
    """One sentence for the log and the step line."""
    if threshold.answers_nothing:
        return f"no threshold keeps wrong answers to {risk:.0%} on the judged questions, so nothing is answered"
    if probability >= threshold.value:
        return f"reader sure: {probability:.2f}, at least {threshold.value:.2f} needed"
    words = f"reader not sure: {probability:.2f}, at least {threshold.value:.2f} needed"
    if facts.missing:
        return f"{words}; no passage holds {', '.join(f'“{word}”' for word in facts.missing[:3])}"
    return words
