"""How good probabilities of being right are, and which threshold keeps a promise about wrong answers.

A judged answer is a pair: the probability that was given, and whether the answer was right. Arrays have shape (questions,).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
CONFIDENCE = 0.95
LEVELS = 100  # thresholds that are tried: the answers are looked at in steps of a hundredth


@dataclass(frozen=True, slots=True)
class Threshold:
    """What answering from this probability on means, measured on judged questions. `bound` is the upper end of the one-sided
    Clopper-Pearson interval of the share of wrong answers. Without a threshold (`value` above 1) nothing is answered."""

    value: float
    coverage: float
    risk: float
    bound: float
    answered: int

    @property
    def answers_nothing(self) -> bool:
        return self.value > 1


NOTHING = Threshold(2.0, 0.0, 0.0, 1.0, 0)


def upper_bound(wrong: int, answered: int, confidence: float = CONFIDENCE) -> float:
    """Clopper and Pearson 1934: the share of wrong answers above which this few would be seen in less than 1 - confidence of
    all samples. It is found by bisection on the binomial tail."""
    if answered == 0 or wrong >= answered:
        return 1.0
    logs = _log_choose(answered)[: wrong + 1]
    low, high = wrong / answered, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(logs, answered, middle) > 1 - confidence else (low, middle)
    return high


def is_bounded(wrong: int, answered: int, share: float, confidence: float = CONFIDENCE) -> bool:
    """Whether the upper bound is at most `share`: the same question asked of the tail once."""
    return answered > wrong and _tail(_log_choose(answered)[: wrong + 1], answered, share) <= 1 - confidence


def _tail(logs: FloatArray, answered: int, share: float) -> float:
    """P(at most this many of `answered`) when each is wrong with this probability. logs: of the binomial coefficients."""
    if share in (0.0, 1.0):
        return 1.0 - share
    counts = np.arange(len(logs))
    return float(np.exp(logs + counts * math.log(share) + (answered - counts) * math.log1p(-share)).sum())


@lru_cache(maxsize=256)
def _log_choose(total: int) -> FloatArray:
    """The logarithms of `total` choose 0, 1, … total."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    return np.asarray(factorials[total] - factorials - factorials[::-1])


def choose_threshold(probability: FloatArray, is_right: FloatArray, *, risk: float, confidence: float = CONFIDENCE) -> Threshold:
    """The lowest threshold whose bound on the share of wrong answers is at most `risk`; NOTHING when there is none."""
    order = np.argsort(-probability, kind="stable")
    ranked, wrong = probability[order], np.cumsum(1 - is_right[order])
    best = 0
    for answered in _levels(ranked):
        if is_bounded(int(wrong[answered - 1]), answered, risk, confidence):
            best = answered
    if not best:
        return NOTHING
    mistakes = int(wrong[best - 1])
    return Threshold(float(ranked[best - 1]), best / len(ranked), mistakes / best, upper_bound(mistakes, best, confidence), best)


def _levels(ranked: FloatArray) -> list[int]:
    """How many are answered at each threshold that is tried: never a part of those with equal probabilities."""
    wanted = np.unique(np.linspace(1, len(ranked), min(LEVELS, len(ranked))).round().astype(int)).tolist() if len(ranked) else []
    return sorted({int(np.searchsorted(-ranked, -ranked[count - 1], side="right")) for count in wanted})


def applied(probability: FloatArray, is_right: FloatArray, threshold: float) -> Threshold:
    """What a threshold means for these questions, which need not be those that it was chosen on."""
    answered = probability >= threshold
    count, wrong = int(answered.sum()), int((1 - is_right[answered]).sum())
    if not count:
        return Threshold(threshold, 0.0, 0.0, 1.0, 0)
    return Threshold(threshold, count / len(probability), wrong / count, upper_bound(wrong, count), count)


def risk_coverage_curve(probability: FloatArray, is_right: FloatArray) -> list[tuple[float, float]]:
    """(coverage, share of wrong answers) when the surest questions are answered first, from one to all of them."""
    order = np.argsort(-probability, kind="stable")
    wrong = np.cumsum(1 - is_right[order])
    count = np.arange(1, len(order) + 1)
    return [(float(c / len(order)), float(w / c)) for c, w in zip(count, wrong, strict=True)]


def aurc(probability: FloatArray, is_right: FloatArray) -> float:
    """The area under the risk-coverage curve (Geifman and El-Yaniv 2017); lower is better."""
    return float(np.mean([risk for _, risk in risk_coverage_curve(probability, is_right)])) if len(probability) else 0.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions of like probability: how many, their mean probability, and the share that was right."""

    count: int
    stated: float
    observed: float


def reliability(probability: FloatArray, is_right: FloatArray, bins: int = 15) -> list[Bin]:
    """The questions by probability, cut into bins of equally many."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [Bin(len(part), float(probability[part].mean()), float(is_right[part].mean())) for part in parts]


def ece_by_chance(probability: FloatArray, bins: int = 15, draws: int = 200) -> float:
    """The calibration error that these probabilities would show on so few questions if each were exactly true."""
    chooser = np.random.default_rng(0)
    drawn = [(chooser.random(len(probability)) < probability).astype(float) for _ in range(draws)]
    return float(np.mean([expected_calibration_error(probability, is_right, bins) for is_right in drawn]))


def expected_calibration_error(probability: FloatArray, is_right: FloatArray, bins: int = 15) -> float:
    """The mean distance of stated and observed over equal-mass bins (Nguyen and O'Connor 2015)."""
    found = reliability(probability, is_right, bins)
    total = sum(item.count for item in found)
    return sum(item.count * abs(item.stated - item.observed) for item in found) / total if total else 0.0
