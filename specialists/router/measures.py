"""Figures of a classifier, with the intervals that say how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.passages import FloatMatrix


def wilson(right: int, rows: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    if not rows:
        return 0.0, 1.0
    share, scale = right / rows, 1 + z * z / rows
    centre = (share + z * z / (2 * rows)) / scale
    half = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


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


def auroc(low: Sequence[float] | FloatMatrix, high: Sequence[float] | FloatMatrix) -> float:
    """The share of pairs in which the one of `high` scores higher; ties count half."""
    ordered = np.sort(np.asarray(low))
    below = np.searchsorted(ordered, high, side="left") + np.searchsorted(ordered, high, side="right")
    return float(below.mean() / (2 * len(ordered)))
