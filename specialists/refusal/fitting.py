"""Fits the refusal calibrator, and says how good it is on articles that nothing was fitted or chosen on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from specialists.measures import auroc
from specialists.refusal import measures
from specialists.refusal.calibrator import Calibration, Calibrator, FloatArray, Judged, adapt, as_probability, fit, vector

RISKS = (0.05, 0.10, 0.15, 0.20)


@dataclass(frozen=True, slots=True)
class Row:
    """A question: the article it belongs to, its kind, its features (none when the reader marked nothing), and whether the
    answer would be right."""

    article: str
    kind: str
    features: dict[str, float]
    is_right: bool


def held_out_articles(names: Iterable[str]) -> frozenset[str]:
    """Every third article by name: for testing only."""
    return frozenset(sorted(set(names))[::3])


def fit_calibration(rows: Sequence[Row], *, reader: str, about: dict[str, Any]) -> Calibration:
    """Weights from all articles but the held-out ones. Slope, intercept and thresholds come from the probabilities that each
    of those articles gets when the others are fitted, so that no question is judged by weights that it helped to fit."""
    apart = held_out_articles(row.article for row in rows)
    own = [row for row in rows if row.article not in apart]
    raw = np.zeros(len(own))
    for article in sorted({row.article for row in own}):
        here = np.array([row.article == article for row in own])
        others = fit(*_arrays([row for row in own if row.article != article]))
        raw[here] = _raw(others, [row for row in own if row.article == article])
    is_right = np.array([float(row.is_right) for row in own])
    has_span = np.array([bool(row.features) for row in own])
    calibrator = adapt(fit(*_arrays(own)), raw[has_span], is_right[has_span], is_shrunk=False)
    chosen_on = Judged(_probability(raw, calibrator), is_right)
    tested = [row for row in rows if row.article in apart]
    held_out = Judged(probabilities(calibrator, tested), np.array([float(row.is_right) for row in tested]))
    calibration = Calibration(calibrator, chosen_on, held_out, reader, about)
    about["figures"] = figures(calibration, tested)
    return calibration


def adapt_calibration(calibration: Calibration, own: Sequence[Row], *, about: dict[str, Any]) -> Calibration:
    """Move a calibration to other documents, by questions about them that nothing was fitted on: the weights stay; slope,
    intercept and thresholds are theirs. Every third document is held out. `about["organisation"]` gets the figures."""
    apart = held_out_articles(row.article for row in own)
    chosen, tested = [row for row in own if row.article not in apart], [row for row in own if row.article in apart]
    raw, is_right = _raw(calibration.calibrator, chosen), np.array([float(row.is_right) for row in chosen])
    has_span = np.isfinite(raw)
    calibrator = adapt(calibration.calibrator, raw[has_span], is_right[has_span])
    moved = Calibration(
        calibrator,
        Judged(_probability(raw, calibrator), is_right),
        Judged(probabilities(calibrator, tested), np.array([float(row.is_right) for row in tested])),
        calibration.reader,
        about,
    )
    about["organisation"] = figures(moved, tested)
    return moved


def probabilities(calibrator: Calibrator, rows: Sequence[Row]) -> FloatArray:
    """The probability of each question's answer; 0 when the reader marked nothing."""
    return _probability(_raw(calibrator, rows), calibrator)


def figures(calibration: Calibration, tested: Sequence[Row]) -> dict[str, Any]:
    """What the held-out articles show, and for some risks what was promised and what came."""
    probability, is_right = calibration.held_out.probability, calibration.held_out.is_right
    kinds = sorted({row.kind for row in tested})
    report: dict[str, Any] = {
        "questions": len(tested),
        "right_if_all_were_answered": round(float(is_right.mean()), 4),
        "auroc": round(auroc(probability, is_right), 4),
        "ece": round(measures.expected_calibration_error(probability, is_right), 4),
        "aurc": round(measures.aurc(probability, is_right), 4),
        "risks": {},
    }
    for risk in RISKS:
        chosen = calibration.threshold(risk)
        came = measures.applied(probability, is_right, chosen.value)
        answered = probability >= chosen.value
        by_kind = {kind: np.array([row.kind == kind for row in tested]) for kind in kinds}
        report["risks"][f"{risk:.0%}"] = {
            "threshold": round(chosen.value, 4),
            "promised_at_most": round(chosen.bound, 4),
            "answered": round(came.coverage, 4),
            "wrong": round(came.risk, 4),
            "answered_by_kind": {kind: round(float(answered[here].mean()), 4) for kind, here in by_kind.items()},
        }
    return report


def _arrays(rows: Sequence[Row]) -> tuple[FloatArray, FloatArray]:
    kept = [row for row in rows if row.features]
    return np.array([vector(row.features) for row in kept]), np.array([float(row.is_right) for row in kept])


def _raw(calibrator: Calibrator, rows: Sequence[Row]) -> FloatArray:
    """Raw log-odds; minus infinity where there is nothing to judge."""
    values = np.full(len(rows), -np.inf)
    has_span = np.array([bool(row.features) for row in rows], dtype=bool)
    if has_span.any():
        values[has_span] = calibrator.raw(np.array([vector(row.features) for row in rows if row.features]))
    return values


def _probability(raw: FloatArray, calibrator: Calibrator) -> FloatArray:
    stated = as_probability(calibrator.slope * np.where(np.isfinite(raw), raw, 0.0) + calibrator.intercept)
    return np.asarray(np.where(np.isfinite(raw), stated, 0.0))
