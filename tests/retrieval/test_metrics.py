from __future__ import annotations

from math import log2
from random import Random

import pytest

from retrieval.metrics import mrr_at_k, ndcg_at_k, recall_at_k

QRELS = {"q1": {"a": 3, "b": 1, "c": 0, "d": 2}}
RUN = {"q1": {"b": 0.9, "x": 0.8, "a": 0.7, "c": 0.6}}  # b, x, a, c


def test_it_measures_ndcg_with_the_grade_as_gain() -> None:
    ideal = 3 + 2 / log2(3) + 1 / 2
    assert ndcg_at_k(RUN, QRELS, 10) == pytest.approx((1 + 3 / 2) / ideal)
    assert ndcg_at_k(RUN, QRELS, 2) == pytest.approx(1 / (3 + 2 / log2(3)))


def test_it_measures_recall_over_the_relevant_documents() -> None:
    assert recall_at_k(RUN, QRELS, 1) == pytest.approx(1 / 3)
    assert recall_at_k(RUN, QRELS, 3) == pytest.approx(2 / 3)


def test_it_measures_the_first_relevant_rank() -> None:
    assert mrr_at_k(RUN, QRELS, 10) == 1.0
    assert mrr_at_k({"q1": {"x": 3.0, "c": 2.0, "d": 1.0}}, QRELS, 10) == pytest.approx(1 / 3)
    assert mrr_at_k({"q1": {"x": 3.0, "c": 2.0, "d": 1.0}}, QRELS, 2) == 0.0


@pytest.mark.parametrize("measure", [ndcg_at_k, recall_at_k, mrr_at_k])
def test_it_averages_over_all_judged_queries(measure: object) -> None:
    qrels = {"q1": {"a": 1}, "unanswered": {"a": 1}, "nothing relevant": {"a": 0}, "empty": {"a": 1}}
    run = {"q1": {"a": 1.0}, "empty": {}, "not judged": {"z": 1.0}}
    assert measure(run, qrels, 10) == pytest.approx(0.25)  # type: ignore[operator]


@pytest.mark.parametrize("measure", [ndcg_at_k, recall_at_k, mrr_at_k])
def test_it_does_not_average_over_nothing(measure: object) -> None:
    with pytest.raises(ValueError, match="no judged queries"):
        measure({}, {}, 10)  # type: ignore[operator]


def test_it_breaks_ties_by_descending_id_as_trec_eval_does() -> None:
    assert mrr_at_k({"q1": {"a": 1.0, "x": 1.0}}, QRELS, 10) == pytest.approx(1 / 2)


def test_it_gives_no_gain_to_a_negative_grade() -> None:
    assert ndcg_at_k({"q": {"bad": 2.0, "good": 1.0}}, {"q": {"bad": -1, "good": 1}}, 10) == pytest.approx(1 / log2(3))


def test_it_measures_what_pytrec_eval_measures() -> None:
    """The figures are pytrec_eval-terrier 0.5.11's: graded judgements, equal scores, and a judged query without an answer."""
    random = Random(7)
    qrels = {f"q{q}": {f"d{d}": random.choice([0, 1, 1, 2, 3]) for d in random.sample(range(40), 6)} for q in range(5)}
    run = {f"q{q}": {f"d{d}": round(random.random(), 1) for d in random.sample(range(40), 25)} for q in range(4)}
    assert ndcg_at_k(run, qrels, 10) == pytest.approx(0.1571357314694338)
    assert recall_at_k(run, qrels, 10) == pytest.approx(0.2666666666666667)
