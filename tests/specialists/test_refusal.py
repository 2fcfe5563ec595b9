from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from retrieval.passages import Hit
from retrieval.search import SearchResult
from specialists.composition.composing import find
from specialists.reader.decoding import Reading
from specialists.refusal.calibrator import adapt, as_json, fit, from_json, vector
from specialists.refusal.deciding import Refusal, decide
from specialists.refusal.features import FEATURES, Facts, gather
from specialists.refusal.fitting import Row, fit_calibration, held_out_articles
from specialists.refusal.measures import NOTHING, Threshold
from tests.specialists.readings import passage, reading

LEAVE = passage(1, "Full-time employees receive 27 days of paid annual leave.", context="Leave policy > Annual leave")
TRAVEL = passage(2, "Hotels in Leeds may cost up to 140 pounds a night.", context="Travel policy > Hotels")
EVIDENCE = [LEAVE, TRAVEL]
FOUND = SearchResult((Hit(1, 0.03), Hit(2, 0.02)), (Hit(1, 0.7), Hit(2, 0.2)), (Hit(1, 9.0), Hit(2, 3.0)))
SURE = reading((LEAVE, "27 days", 6.0))
UNSURE = reading((LEAVE, "27 days", -2.0), (TRAVEL, "140 pounds", -2.2))


def facts_of(question: str) -> Facts | None:
    return gather(question, SURE, find(question, SURE, EVIDENCE), EVIDENCE, FOUND)


def decision(question: str, said: Reading, **options: Any) -> Refusal:
    return decide(question, said, find(question, said, EVIDENCE), EVIDENCE, FOUND, **options)


def made_rows(count: int = 900, articles: int = 6) -> list[Row]:
    """Questions whose answers are right with a probability that null odds and cosine give away."""
    generator = np.random.default_rng(2)
    rows = []
    for number in range(count):
        odds, cosine = generator.normal(scale=3), generator.random()
        features = dict.fromkeys(FEATURES, 0.0) | {"null_odds": odds, "cosine_sentence": cosine}
        is_right = generator.random() < 1 / (1 + np.exp(-(odds + 4 * cosine - 2)))
        has_span = bool(number % 20)
        article = f"article {number % articles}"
        rows.append(Row(article, "answerable", features if has_span else {}, bool(is_right) and has_span))
    return rows


def test_it_gathers_every_feature_and_the_words_that_nothing_holds() -> None:
    facts = facts_of("How many days of annual leave do Norwegian employees get in 2024?")
    assert facts is not None
    assert tuple(facts.features) == FEATURES
    assert facts.features["null_odds"] == 6.0
    assert facts.features["fused_rank"] == 1.0
    assert facts.features["cosine_passage"] == 0.7
    assert facts.features["unmatched_numbers"] == 1.0
    assert facts.features["unmatched_names"] == 1.0
    assert facts.features["asks_number"] == facts.features["type_match"] == 1.0
    assert facts.missing == ("Norwegian", "2024")


def test_it_has_nothing_to_gather_without_a_span() -> None:
    assert gather("Anything?", reading(), [], EVIDENCE, FOUND) is None


def test_it_tells_a_question_that_the_passages_cover_from_one_they_do_not() -> None:
    near = facts_of("How many days of annual leave?")
    far = facts_of("How many goats graze behind Elland?")
    assert near is not None
    assert far is not None
    assert near.features["coverage_passage"] > 0.99
    assert far.features["coverage_passage"] < 0.1
    assert near.features["cosine_sentence"] > far.features["cosine_sentence"] + 0.3


def test_it_decides_by_the_threshold_and_says_why() -> None:
    calibration = fit_calibration(made_rows(), reader="made", about={})
    threshold = Threshold(0.5, 0.6, 0.05, 0.08, 300)
    sure = decision("How many days of annual leave?", SURE, calibrator=calibration.calibrator, threshold=threshold)
    unsure = decision("Do Norwegians get leave?", UNSURE, calibrator=calibration.calibrator, threshold=threshold)
    assert sure.is_answered
    assert sure.reason == f"reader sure: {sure.probability:.2f}, at least 0.50 needed"
    assert not unsure.is_answered
    assert "no passage holds “Norwegians”" in unsure.reason


def test_it_refuses_without_a_span_and_when_no_threshold_keeps_the_promise() -> None:
    calibrator = fit_calibration(made_rows(), reader="made", about={}).calibrator
    nothing = decision("Anything?", reading(), calibrator=calibrator, threshold=Threshold(0.1, 1, 0, 0, 9))
    assert (nothing.is_answered, nothing.probability, nothing.features) == (False, 0.0, {})
    never = decision("How many days of annual leave?", SURE, calibrator=calibrator, threshold=NOTHING, risk=0.01)
    assert not never.is_answered
    assert "no threshold keeps wrong answers to 1%" in never.reason


def test_it_is_calibrated_on_articles_that_nothing_was_fitted_on() -> None:
    about: dict[str, Any] = {}
    calibration = fit_calibration(made_rows(6000, articles=9), reader="made", about=about)
    figures = about["figures"]
    assert figures["auroc"] > 0.9
    assert figures["ece"] < 0.05
    assert figures["risks"]["10%"]["wrong"] < 0.12
    assert len(calibration.held_out) == 2000
    assert len(calibration.chosen_on) == 4000


def test_it_never_fits_on_a_held_out_article() -> None:
    rows = made_rows()
    apart = held_out_articles(row.article for row in rows)
    assert len(apart) == 2
    poisoned = [Row(row.article, row.kind, row.features, not row.is_right) if row.article in apart else row for row in rows]
    one, other = (fit_calibration(given, reader="made", about={}) for given in (rows, poisoned))
    assert one.calibrator == other.calibrator
    assert np.array_equal(one.chosen_on.probability, other.chosen_on.probability)


@pytest.mark.parametrize(("count", "low", "high"), [(0, 1.0, 1.0), (10, 0.75, 1.0), (2000, 0.35, 0.65)])
def test_it_moves_to_a_corpus_of_its_own_as_far_as_the_answers_say(count: int, low: float, high: float) -> None:
    """In this corpus the shipped log-odds are twice too sure."""
    base = fit(*_arrays())
    generator = np.random.default_rng(4)
    raw = generator.normal(scale=3, size=count)
    own = adapt(base, raw, (generator.random(count) < 1 / (1 + np.exp(-raw / 2))).astype(float))
    assert low <= own.slope <= high


def test_it_ends_near_the_observed_share_when_all_answers_were_equally_sure() -> None:
    """Undamped, Newton's method leaps over the valley here and never comes back."""
    own = adapt(fit(*_arrays()), np.full(80, 3.4), np.repeat([1.0, 0.0], [30, 50]))
    assert 0.3 < 1 / (1 + np.exp(-(own.slope * 3.4 + own.intercept))) < 0.5


def _arrays() -> tuple[np.ndarray, np.ndarray]:
    rows = [row for row in made_rows() if row.features]
    return np.array([vector(row.features) for row in rows]), np.array([float(row.is_right) for row in rows])


def test_it_is_kept_as_numbers_and_refuses_a_file_of_other_features() -> None:
    calibration = fit_calibration(made_rows(), reader="made", about={})
    again = from_json(json.loads(json.dumps(as_json(calibration))))
    features = made_rows()[1].features
    assert again.calibrator.probability(features) == pytest.approx(calibration.calibrator.probability(features), abs=1e-3)
    assert again.threshold(0.2).coverage == pytest.approx(calibration.threshold(0.2).coverage, abs=0.02)
    with pytest.raises(ValueError, match="fitted for other features"):
        from_json({**as_json(calibration), "features": ["cosine"]})
