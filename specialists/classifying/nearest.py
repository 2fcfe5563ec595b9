"""The class of a text by the labelled examples nearest to it, with a confidence that the examples themselves give: each is judged
by the others, and a text is as likely right as those of them were that were about as sure (leave-one-out; Cover & Hart 1967)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 7
SHARPNESS = 12.0  # of the weights, exp(SHARPNESS · cosine)
LEAST_EXAMPLES = 12
LEAST_CLASSES = 2
ALIKE = 30  # examples that were about as sure, by which the confidence is judged
LEAST_RIGHT = 0.6  # with less it is a guess
FARTHEST = 0.05  # the share of examples that are as far from all others as a text may be

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`label`: empty where it would be a guess. `confidence`: the share of right ones among examples that were about as sure, or
    of all votes where there are too few examples; `right`: the share of all examples that the others name rightly. `nearest`: the
    places of the examples that voted for the label, nearest first. `is_far`: the text is unlike all examples, so that it may well
    have none of their classes, however they vote."""

    label: str
    confidence: float
    right: float
    examples: int
    nearest: tuple[int, ...] = ()
    is_far: bool = False


def classify(vector: Rows, labels: Sequence[str], vectors: Rows) -> Suggestion | None:
    """`vector`: (dimension,) of the text; `vectors`: (examples, dimension), unit rows, one for each of `labels`. None without
    enough examples, or with one class only."""
    if len(labels) < LEAST_EXAMPLES or len(set(labels)) < LEAST_CLASSES:
        return None
    among = vectors @ vectors.T
    np.fill_diagonal(among, -np.inf)
    judged = [_vote(row, labels) for row in among]
    is_right = np.array([label == own for (label, _, _), own in zip(judged, labels, strict=True)])
    cosines = vectors @ vector
    label, share, voters = _vote(cosines, labels)
    about_as_sure = np.argsort([abs(other - share) for _, other, _ in judged], kind="stable")[:ALIKE]
    confidence = float(is_right[about_as_sure].mean())
    is_far = bool(cosines.max() < np.quantile(among.max(axis=1), FARTHEST))
    named = "" if is_far or confidence < LEAST_RIGHT else label
    return Suggestion(named, confidence, float(is_right.mean()), len(labels), voters, is_far)


def _vote(cosines: Rows, labels: Sequence[str]) -> tuple[str, float, tuple[int, ...]]:
    """The label with most weight among the nearest, its share of the weight, and who voted for it."""
    nearest = [int(place) for place in np.argsort(-cosines, kind="stable")[:NEIGHBOURS]]
    weights: dict[str, float] = {}
    for place in nearest:
        weights[labels[place]] = weights.get(labels[place], 0.0) + float(np.exp(SHARPNESS * cosines[place]))
    label = max(weights, key=lambda name: weights[name])
    voters = tuple(place for place in nearest if labels[place] == label)
    return label, weights[label] / (sum(weights.values()) or 1.0), voters
