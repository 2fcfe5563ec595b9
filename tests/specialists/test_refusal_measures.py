from __future__ import annotations

import numpy as np
import pytest

from specialists.measures import auroc
from specialists.refusal import measures
from specialists.refusal.measures import NOTHING, choose_threshold, upper_bound


@pytest.mark.parametrize(
    ("wrong", "answered", "expected"),
    [(0, 29, 0.0981), (0, 10, 0.2589), (5, 100, 0.1023), (50, 500, 0.1250), (3, 3, 1.0), (0, 0, 1.0), (300, 3000, 0.1095)],
)
def test_it_bounds_a_share_as_clopper_and_pearson_do(wrong: int, answered: int, expected: float) -> None:
    """The values are those of the beta quantile at 0.95."""
    assert upper_bound(wrong, answered) == pytest.approx(expected, abs=2e-4)


def sure_and_unsure(total: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Half of the answers are stated as 0.95 and mostly right, half as 0.4 and mostly wrong."""
    generator = np.random.default_rng(5)
    probability = np.where(np.arange(total) < total // 2, 0.95, 0.4)
    return probability, (generator.random(total) < probability).astype(float)


def test_it_takes_the_lowest_threshold_that_keeps_the_promise() -> None:
    probability, is_right = sure_and_unsure()
    strict = choose_threshold(probability, is_right, risk=0.10)
    assert (strict.value, strict.coverage) == (0.95, 0.5)
    assert strict.risk < strict.bound <= 0.10
    assert choose_threshold(probability, is_right, risk=0.5).coverage == 1.0


def test_it_answers_nothing_when_no_threshold_keeps_the_promise() -> None:
    probability, is_right = sure_and_unsure()
    assert choose_threshold(probability, is_right, risk=0.01) is NOTHING
    assert choose_threshold(np.zeros(0), np.zeros(0), risk=0.1) is NOTHING
    few = choose_threshold(np.full(20, 0.9), np.ones(20), risk=0.1)  # twenty right answers prove less than it looks
    assert few is NOTHING


def test_it_keeps_its_promise_on_questions_it_has_not_seen() -> None:
    """Of 200 draws, the risk on a large second sample exceeds the promise about as rarely as the confidence says."""
    generator = np.random.default_rng(11)
    broken = 0
    for _ in range(200):
        stated = generator.random(600)
        chosen = choose_threshold(stated, (generator.random(600) < stated).astype(float), risk=0.2)
        fresh = generator.random(20_000)
        came = measures.applied(fresh, (generator.random(20_000) < fresh).astype(float), chosen.value)
        broken += came.risk > 0.2
    assert broken <= 24


def test_it_measures_discrimination() -> None:
    assert auroc(np.array([0.9, 0.8, 0.2]), np.array([1.0, 1.0, 0.0])) == 1.0
    assert auroc(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == 0.5
    assert auroc(np.array([0.9, 0.4, 0.6, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])) == 0.75
    assert auroc(np.array([0.9]), np.array([1.0])) == 0.5


def test_it_measures_calibration_in_equal_groups() -> None:
    probability, is_right = sure_and_unsure(10_000)
    assert measures.expected_calibration_error(probability, is_right) < 0.03
    assert measures.expected_calibration_error(np.full(1000, 0.9), np.zeros(1000)) == pytest.approx(0.9)
    assert [item.count for item in measures.reliability(np.arange(30) / 30, np.ones(30))] == [2] * 15
    assert measures.expected_calibration_error(np.zeros(0), np.zeros(0)) == 0.0


def test_it_draws_risk_over_coverage() -> None:
    curve = measures.risk_coverage_curve(np.array([0.9, 0.1, 0.5]), np.array([1.0, 0.0, 1.0]))
    assert curve == [(pytest.approx(1 / 3), 0.0), (pytest.approx(2 / 3), 0.0), (1.0, pytest.approx(1 / 3))]
    assert measures.aurc(np.array([0.9, 0.1, 0.5]), np.array([1.0, 0.0, 1.0])) == pytest.approx(1 / 9)
