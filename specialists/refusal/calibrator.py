"""The probability that the reader's answer is right, fitted on judged questions and kept as plain numbers in refusal.json."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from specialists.calibration import fit_logistic
from specialists.composition import ranking
from specialists.errors import SpecialistError
from specialists.refusal.features import FEATURES
from specialists.refusal.measures import Threshold, choose_threshold

logger = logging.getLogger(__name__)

DEFAULT_RISK = 0.2  # at less, the shipped reader answers few questions about documents that it was not adapted to
PRIOR_SLOPE, PRIOR_INTERCEPT = 0.3, 1.0  # standard deviations: how far a corpus may move from what is shipped, a priori

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Log-odds are slope * (weights . standardised features + bias) + intercept. mean, scale, weights: one per feature."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    slope: float = 1.0
    intercept: float = 0.0

    def raw(self, rows: FloatArray) -> FloatArray:
        """Log-odds before slope and intercept. rows: (questions, features) in the order of FEATURES."""
        standard = np.clip((rows - np.array(self.mean)) / np.array(self.scale), -6, 6)
        return np.asarray(standard @ np.array(self.weights) + self.bias)

    def probabilities(self, rows: FloatArray) -> FloatArray:
        return as_probability(self.slope * self.raw(rows) + self.intercept)

    def probability(self, features: Mapping[str, float]) -> float:
        return float(self.probabilities(vector(features)[None, :])[0])

    def raw_at(self, probability: float) -> float:
        """The raw log-odds that get this probability."""
        odds = math.log(max(probability, 1e-12) / max(1 - probability, 1e-12))
        return (odds - self.intercept) / self.slope

    def probability_at(self, raw: float) -> float:
        return float(as_probability(np.array(self.slope * raw + self.intercept)))

    def contributions(self, features: Mapping[str, float]) -> dict[str, float]:
        """How far each feature moves the log-odds from those of an average question."""
        standard = np.clip((vector(features) - np.array(self.mean)) / np.array(self.scale), -6, 6)
        return dict(zip(FEATURES, (standard * np.array(self.weights) * self.slope).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Judged:
    """Questions with the probability that was stated and whether the answer was right. Both have shape (questions,)."""

    probability: FloatArray
    is_right: FloatArray

    def __len__(self) -> int:
        return len(self.probability)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A calibrator with the questions that thresholds are chosen on, and those that nothing was fitted or chosen on."""

    calibrator: Calibrator
    chosen_on: Judged
    held_out: Judged
    reader: str = ""
    about: Mapping[str, Any] | None = None

    def threshold(self, risk: float) -> Threshold:
        return choose_threshold(self.chosen_on.probability, self.chosen_on.is_right, risk=risk)


def vector(features: Mapping[str, float]) -> FloatArray:
    return np.array([features[name] for name in FEATURES], dtype=np.float64)


def as_probability(log_odds: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))))


def fit(rows: FloatArray, is_right: FloatArray, *, l2: float = 3.0) -> Calibrator:
    """A logistic regression over the features; slope and intercept are left at 1 and 0."""
    mean, scale, weights, bias = fit_logistic(rows, is_right, l2=l2)
    scale = np.where(scale < 1e-6, 1.0, scale)  # a feature that never varies has no weight
    return Calibrator(tuple(mean.tolist()), tuple(scale.tolist()), tuple(weights.tolist()), bias)


def adapt(calibrator: Calibrator, raw: FloatArray, is_right: FloatArray, *, is_shrunk: bool = True) -> Calibrator:
    """Platt 1999, shrunk: slope and intercept of most posterior probability for these judged answers, starting from the
    calibrator's own. A handful of answers moves them little; hundreds decide. raw: the calibrator's raw log-odds."""
    start = np.array([calibrator.slope, calibrator.intercept])
    prior = np.diag([PRIOR_SLOPE**-2, PRIOR_INTERCEPT**-2]) if is_shrunk else np.eye(2) * 1e-6
    design = np.column_stack([raw, np.ones(len(raw))])

    def loss(at: FloatArray) -> float:
        odds = design @ at
        return float(np.logaddexp(0, odds).sum() - is_right @ odds + (at - start) @ prior @ (at - start) / 2)

    found = start.copy()
    for _ in range(50):
        stated = as_probability(design @ found)
        gradient = design.T @ (stated - is_right) + prior @ (found - start)
        step = np.linalg.solve((design * (stated * (1 - stated))[:, None]).T @ design + prior, gradient)
        while loss(found - step) > loss(found) and np.abs(step).max() > 1e-9:  # a whole step may leap over the valley
            step = step / 2
        found = found - step
        if np.abs(step).max() < 1e-9:
            break
    return replace(calibrator, slope=float(max(found[0], 0.05)), intercept=float(found[1]))


def as_json(calibration: Calibration) -> dict[str, Any]:
    own = calibration.calibrator
    rounded = {name: [round(value, 6) for value in getattr(own, name)] for name in ("mean", "scale", "weights")}
    return {
        "features": list(FEATURES),
        **rounded,
        "bias": round(own.bias, 6),
        "slope": round(own.slope, 6),
        "intercept": round(own.intercept, 6),
        "reader": calibration.reader,
        "about": dict(calibration.about or {}),
        "chosen_on": _pairs(calibration.chosen_on),
        "held_out": _pairs(calibration.held_out),
    }


def _pairs(judged: Judged) -> dict[str, list[float]]:
    """Probabilities in thousandths, of the right answers and of the wrong ones, sorted."""
    thousandths = np.round(judged.probability * 1000).astype(int)
    return {
        "right": sorted(thousandths[judged.is_right > 0].tolist()),
        "wrong": sorted(thousandths[judged.is_right == 0].tolist()),
    }


def from_json(data: Mapping[str, Any]) -> Calibration:
    """Raises ValueError for a file that was fitted for other features."""
    if tuple(data["features"]) != FEATURES:
        raise ValueError("The refusal calibrator was fitted for other features. Run manage.py fit_refusal.")
    calibrator = Calibrator(
        tuple(data["mean"]), tuple(data["scale"]), tuple(data["weights"]), data["bias"], data["slope"], data["intercept"]
    )
    if not all(math.isfinite(value) for value in (*calibrator.mean, *calibrator.scale, *calibrator.weights)):
        raise ValueError("The refusal calibrator holds numbers that are none. Run manage.py fit_refusal.")
    return Calibration(calibrator, _judged(data["chosen_on"]), _judged(data["held_out"]), data["reader"], data["about"])


def _judged(pairs: Mapping[str, Sequence[float]]) -> Judged:
    values = [*pairs["right"], *pairs["wrong"]]
    return Judged(np.array(values, dtype=np.float64) / 1000, np.repeat([1.0, 0.0], [len(pairs["right"]), len(pairs["wrong"])]))


def is_installed() -> bool:
    return calibration_file().is_file()


def calibration_file() -> Path:
    """Beside the weights of the reader that it was fitted for."""
    return settings.SPECIALISTS_DIR / "reader" / "refusal.json"


def check_fitted_for(reader: str) -> None:
    """A probability that was fitted on another reader's scores means nothing, nor does a ranking of its spans.

    Raises SpecialistError `not_calibrated`."""
    if not is_installed() or shipped().reader != reader or ranking.fitted_for() not in ("", reader):
        message = "The refusal was not calibrated for the installed reader. An administrator must run manage.py fit_refusal."
        raise SpecialistError("not_calibrated", message, permanent=True)


def shipped() -> Calibration:
    """The installed reader's calibration. Raises SpecialistError `not_calibrated` when it cannot be read."""
    path = calibration_file()
    try:
        return _load(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s cannot be used: %s", path, error)
        message = "The calibration of the refusal cannot be read. An administrator must run manage.py fit_refusal."
        raise SpecialistError("not_calibrated", message, permanent=True) from error


@lru_cache(maxsize=2)
def _load(path: Path, _stamp: int) -> Calibration:
    return from_json(json.loads(path.read_text(encoding="utf-8")))
