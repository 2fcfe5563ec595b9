"""One trained head of the router: a text and its embedding in, a calibrated probability per label out, and a score that
says how unlike the training texts it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.passages import FloatMatrix
from specialists.router.features import Sketch
from specialists.router.softmax import log_softmax

OUTSIDE_FEATURES = ("unsure", "energy", "margin", "centroid")


@dataclass(frozen=True, slots=True)
class Scores:
    """(texts, labels) probabilities, and per text a score that is higher the less it belongs to any label: log-odds where texts
    outside all labels were at hand in training."""

    probabilities: FloatMatrix
    outside: FloatMatrix


@dataclass(frozen=True, slots=True)
class Outsider:
    """Whether a text belongs to no label: a logistic regression over OUTSIDE_FEATURES, standardised by `mean` and `spread`.

    `centroids` (labels, dimension) are the labels' mean embeddings at length 1. At `threshold`, two or three in a hundred dev
    rows, which do belong, are called outside. Mahalanobis' distance was tried and added nothing to these four."""

    centroids: FloatMatrix
    mean: FloatMatrix
    spread: FloatMatrix
    slopes: FloatMatrix
    intercept: float
    threshold: float

    def features(self, logits: FloatMatrix, vectors: FloatMatrix) -> FloatMatrix:
        """(texts, 4), each larger for stranger texts. Energy: Liu et al. 2020."""
        top = np.sort(logits, axis=1)[:, -2:]
        energy = np.log(np.exp(logits - top[:, 1:]).sum(axis=1)) + top[:, 1]
        columns = (
            energy - top[:, 1],  # minus the log of the largest probability
            -energy,
            top[:, 0] - top[:, 1],
            -(vectors @ self.centroids.T).max(axis=1),
        )
        return np.stack(columns, axis=1).astype(np.float32)

    def score(self, logits: FloatMatrix, vectors: FloatMatrix) -> FloatMatrix:
        standard = (self.features(logits, vectors) - self.mean) / self.spread
        found: FloatMatrix = (standard @ self.slopes + self.intercept).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class Classifier:
    """`weights`: (dimension + sketch columns + 1, labels); the last row is the bias."""

    labels: tuple[str, ...]
    sketch: Sketch
    weights: FloatMatrix
    temperature: float
    outsider: Outsider

    def score(self, texts: Sequence[str], vectors: FloatMatrix) -> Scores:
        """`vectors`: the texts' embeddings as queries, (texts, dimension)."""
        return self.score_inputs(np.concatenate([vectors, self.sketch.transform(texts)], axis=1), vectors)

    def score_inputs(self, inputs: FloatMatrix, vectors: FloatMatrix) -> Scores:
        logits = inputs @ self.weights[:-1] + self.weights[-1]
        return Scores(np.exp(log_softmax(logits / self.temperature)), self.outsider.score(logits, vectors))


def index_of(labels: Sequence[str], wanted: Sequence[str]) -> NDArray[np.int64]:
    places = {label: place for place, label in enumerate(labels)}
    return np.array([places[label] for label in wanted], np.int64)
