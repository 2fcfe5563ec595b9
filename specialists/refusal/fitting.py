"""Fits the refusal calibrator, and says how good it is on articles that nothing was fitted or chosen on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from specialists.measures import auroc
from specialists.refusal import measures
from specialists.refusal.calibrator import Calibration, Calibrator, FloatArray, Judged, adapt, as_probability, fit, vector

RISKS = (0.05, 0.10, 0.15, 0.20)
FOLDS = 12
NONE = Judged(np.zeros(0), np.zeros(0))


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


def fit_calibration(rows: Sequence[Row], *, reader: str, about: dict[str, Any], own: Sequence[Row] = ()) -> Calibration:
    """Weights from all articles but the held-out ones, of `rows` and of `own` together; `own` are questions about documents of
    the kind that the calibration is for. Slope, intercept and thresholds come from `own` (without: from `rows`), by the
    probabilities that each article gets when others are fitted, so that no question is judged by weights that it helped to fit.
    `about` gets the figures of what was held out: "figures" of `rows`, "organisation" of `own`."""
    (chosen, tested), (own_chosen, own_tested) = _parted(rows), _parted(own)
    together = [*chosen, *own_chosen]
    weights, raw = fit(*_arrays(together)), _cross_fitted(together)
    calibration = _settled(Calibration(weights, NONE, NONE, reader, about), chosen, raw[: len(chosen)], tested)
    about["figures"] = figures(calibration, tested)
    if own:
        calibration = _settled(calibration, own_chosen, raw[len(chosen) :], own_tested)
        about["organisation"] = figures(calibration, own_tested)
    return calibration


def _parted(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """What is fitted and chosen on, and what is held out."""
    apart = held_out_articles(row.article for row in rows)
    return [row for row in rows if row.article not in apart], [row for row in rows if row.article in apart]


def _cross_fitted(rows: Sequence[Row]) -> FloatArray:
    """Each row's raw log-odds by weights that its fold of articles had no part in."""
    names = sorted({row.article for row in rows})
    fold = {name: place % FOLDS for place, name in enumerate(names)}
    raw = np.zeros(len(rows))
    for number in sorted(set(fold.values())):
        here = np.array([fold[row.article] == number for row in rows])
        others = fit(*_arrays([row for row in rows if fold[row.article] != number]))
        raw[here] = _raw(others, [row for row in rows if fold[row.article] == number])
    return raw


def _settled(calibration: Calibration, chosen: Sequence[Row], raw: FloatArray, tested: Sequence[Row]) -> Calibration:
    """With slope and intercept for the chosen rows, the questions to choose thresholds on, and those held out."""
    is_right, has_span = _is_right(chosen), np.isfinite(raw)
    plain = replace(calibration.calibrator, slope=1.0, intercept=0.0)
    calibrator = adapt(plain, raw[has_span], is_right[has_span], is_shrunk=False)
    return replace(
        calibration,
        calibrator=calibrator,
        chosen_on=Judged(_probability(raw, calibrator), is_right),
        held_out=Judged(probabilities(calibrator, tested), _is_right(tested)),
    )


def _is_right(rows: Sequence[Row]) -> FloatArray:
    return np.array([float(row.is_right) for row in rows])


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
        "ece_by_chance": round(measures.ece_by_chance(probability), 4),
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
