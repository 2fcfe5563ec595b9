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


def test_it_sets_the_threshold_above_the_share_to_refuse() -> None:
    judged = [Judged(0.9, is_right=True, is_answerable=True), Judged(0.3, is_right=False, is_answerable=True)]
    judged += [Judged(value / 10, is_right=False, is_answerable=False) for value in range(11)]
    threshold = choose_threshold(judged, refuse=0.8)
    assert threshold == pytest.approx(0.8)
    figures = risk_coverage(judged, threshold + 0.01)
    assert figures["answerable_answered"] == 0.5
    assert figures["unanswerable_refused"] == pytest.approx(9 / 11, abs=1e-4)
    assert figures["best_sentence_right"] == 1.0
