"""Figures of a classifier, with the intervals that say how far to trust them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.passages import FloatMatrix


def macro_f1(found: NDArray[np.int64], wanted: NDArray[np.int64], classes: int) -> float:
    """The mean over the labels that occur in the test rows."""
    scores = []
    for label in range(classes):
        true = int(((found == label) & (wanted == label)).sum())
        wrong = int((found == label).sum()) + int((wanted == label).sum()) - 2 * true
        if (wanted == label).any():
            scores.append(2 * true / (2 * true + wrong))
    return float(np.mean(scores))


def calibration_error(probabilities: FloatMatrix, wanted: NDArray[np.int64], bins: int = 10) -> float:
    """Expected calibration error of the most probable label, in bins of like size."""
    sure = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == wanted
    parts = np.array_split(np.argsort(sure, kind="stable"), min(bins, len(sure)))
    return float(sum(len(part) * abs(sure[part].mean() - is_right[part].mean()) for part in parts) / len(sure))
