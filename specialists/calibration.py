"""Fits the composer: a logistic regression over sentence features, and the threshold below which it abstains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """One question as the composer sees it: its confidence, whether its best sentence is right, and whether the searched
    documents answer the question at all."""

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


def choose_threshold(judged: Sequence[Judged], *, refuse: float) -> float:
    """The confidence that this share of the unanswerable questions stays below, such as 0.9."""
    values = [item.confidence for item in judged if not item.is_answerable]
    return float(np.quantile(values, refuse))


def risk_coverage(judged: Sequence[Judged], threshold: float) -> dict[str, float]:
    """What the threshold means, for answerable and unanswerable questions; right: the best sentence holds the answer."""
    answered = [item for item in judged if item.confidence >= threshold]
    answerable = [item for item in judged if item.is_answerable]
    unanswerable = [item for item in judged if not item.is_answerable]
    return {
        "answerable": len(answerable),
        "unanswerable": len(unanswerable),
        "answerable_answered": _share(item.confidence >= threshold for item in answerable),
        "unanswerable_refused": _share(item.confidence < threshold for item in unanswerable),
        "best_sentence_right": _share(item.is_right for item in answered if item.is_answerable),
    }


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return round(sum(found) / len(found), 4) if found else 0.0
