from __future__ import annotations

import numpy as np
import pytest

from specialists.calibration import Judged, choose_threshold, fit_logistic, risk_coverage


def test_it_finds_the_weights_that_made_the_data() -> None:
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(20_000, 2))
    odds = rows @ np.array([2.0, -1.0]) - 0.5
    labels = (generator.random(20_000) < 1 / (1 + np.exp(-odds))).astype(float)
    mean, scale, weights, bias = fit_logistic(rows, labels)
    assert weights / scale == pytest.approx([2.0, -1.0], abs=0.1)
    assert bias - float(mean @ (weights / scale)) == pytest.approx(-0.5, abs=0.1)


def test_it_sets_the_threshold_where_most_decisions_are_right() -> None:
    judged = [
        Judged(0.9, is_right=True, is_answerable=True),
        Judged(0.8, is_right=True, is_answerable=True),
        Judged(0.6, is_right=False, is_answerable=True),
        Judged(0.5, is_right=False, is_answerable=False),
        Judged(0.2, is_right=False, is_answerable=False),
    ]
    threshold = choose_threshold(judged)
    assert threshold == 0.8
    figures = risk_coverage(judged, threshold)
    assert figures["answered"] == 0.4
    assert figures["wrong_among_answered"] == 0.0
    assert figures["unanswerable_refused"] == 1.0
