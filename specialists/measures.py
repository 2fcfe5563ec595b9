"""The statistics that every specialist's figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | NDArray[np.floating]
Z_95 = 1.959964


def auroc(scores: Values, labels: Values) -> float:
    """The chance that a row labelled 1 scores above one labelled 0; ties count half (Mann and Whitney 1947). 0.5 when a side
    is missing."""
    values, is_positive = np.asarray(scores, dtype=np.float64), np.asarray(labels) > 0
    positive = int(is_positive.sum())
    negative = len(is_positive) - positive
    if not positive or not negative:
        return 0.5
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[is_positive].sum() - positive * (positive + 1) / 2) / (positive * negative))


def wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    if not rows:
        return 0.0, 1.0
    share, scale = right / rows, 1 + Z_95 * Z_95 / rows
    centre = (share + Z_95 * Z_95 / (2 * rows)) / scale
    half = Z_95 * math.sqrt(share * (1 - share) / rows + Z_95 * Z_95 / (4 * rows * rows)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)
