from __future__ import annotations

import numpy as np
import pytest

from specialists.composition.composing import compose_reading, find
from specialists.composition.ranking import RANKING_FEATURES, Ranking, fit_ranking
from tests.specialists.readings import passage, reading

QUESTION = "How many days of annual leave do employees get?"
LEAVE = passage(1, "Employees get 27 days of annual leave.", context="Leave policy > Annual leave")
LAPTOPS = passage(2, "A stolen laptop is replaced within six weeks.", context="IT help > Laptops")


def only(**weights: float) -> Ranking:
    return Ranking(tuple(weights.get(name, 0.0) for name in RANKING_FEATURES))


def test_it_takes_the_span_of_a_fitting_passage_before_a_surer_one_elsewhere() -> None:
    found = reading((LEAVE, "27 days", 3.0), (LAPTOPS, "six weeks", 5.0), relevance={1: 2.0, 2: -4.0})
    fitted = only(score=0.5, relevance=0.5, closeness=1.0, coverage_sentence=5.0)
    assert compose_reading(QUESTION, found, [LEAVE, LAPTOPS], fitted).quotes[0].passage == 1
    assert compose_reading(QUESTION, found, [LEAVE, LAPTOPS], only(score=1.0)).quotes[0].passage == 2


@pytest.mark.parametrize("name", ["relevance", "closeness", "coverage_sentence", "coverage_passage", "cosine"])
def test_each_feature_tells_the_fitting_passage(name: str) -> None:
    found = reading((LEAVE, "27 days", 3.0), (LAPTOPS, "six weeks", 5.0), relevance={1: 2.0, 2: -4.0})
    assert find(QUESTION, found, [LEAVE, LAPTOPS], only(**{name: 1.0}))[0].evidence is LEAVE


def test_it_finds_the_weights_by_which_spans_were_chosen() -> None:
    generator = np.random.default_rng(8)
    wanted = np.array([1.0, 2.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, -1.0])
    questions = []
    for _ in range(1500):
        rows = generator.normal(size=(8, 9))
        odds = np.exp(rows @ wanted)
        right = np.zeros(8)
        right[generator.choice(8, p=odds / odds.sum())] = 1.0
        questions.append((rows, right))
    assert fit_ranking(questions).weights == pytest.approx(wanted.tolist(), abs=0.25)


def test_it_cannot_be_fitted_on_questions_that_say_nothing() -> None:
    with pytest.raises(ValueError, match="No question has both"):
        fit_ranking([(np.ones((3, 9)), np.zeros(3))])
