"""Fits the composer: a logistic regression over sentence features, and the threshold below which it abstains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """One question as the composer sees it: its best sentence's probability, whether that sentence is right, and whether
    the searched documents answer the question at all."""

    confidence: float
    is_right: bool
    is_answerable: bool


def fit_logistic(
    rows: FloatArray, labels: FloatArray, *, l2: float = 1.0, steps: int = 30
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Newton's method on the L2-penalised log-likelihood; features are standardised, the bias is not penalised.

    rows: (sentences, features); labels: (sentences,) of 0 and 1. Returns mean, scale, weights (features,), bias.
    """
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    design = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    penalty = np.diag([l2] * rows.shape[1] + [0.0])
    weights = np.zeros(design.shape[1])
    for _ in range(steps):
        probability = 1 / (1 + np.exp(-(design @ weights)))
        gradient = design.T @ (probability - labels) + penalty @ weights
        hessian = (design * (probability * (1 - probability))[:, None]).T @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return mean, scale, weights[:-1], float(weights[-1])


def choose_threshold(judged: Sequence[Judged]) -> float:
    """The confidence at which most decisions are right: a right sentence where there is an answer, silence where there is none.

    A wrong sentence is never a right decision, so it pushes the threshold up.
    """
    values = sorted({item.confidence for item in judged})
    best = max(values, key=lambda value: (right_decisions(judged, value), -value))
    return float(best)


def right_decisions(judged: Sequence[Judged], threshold: float) -> int:
    return sum(
        (item.is_answerable and item.is_right) if item.confidence >= threshold else (not item.is_answerable) for item in judged
    )


def risk_coverage(judged: Sequence[Judged], threshold: float) -> dict[str, float]:
    """What the threshold means: the share answered, the share of wrong answers among them, and the right decisions."""
    answered = [item for item in judged if item.confidence >= threshold]
    wrong = sum(not item.is_right for item in answered)
    answerable = [item for item in judged if item.is_answerable]
    return {
        "questions": len(judged),
        "answered": round(len(answered) / len(judged), 4),
        "wrong_among_answered": round(wrong / len(answered), 4) if answered else 0.0,
        "answerable_answered": round(sum(i.confidence >= threshold for i in answerable) / max(1, len(answerable)), 4),
        "unanswerable_refused": round(
            sum(i.confidence < threshold for i in judged if not i.is_answerable) / max(1, len(judged) - len(answerable)), 4
        ),
        "right_decisions": round(right_decisions(judged, threshold) / len(judged), 4),
    }
