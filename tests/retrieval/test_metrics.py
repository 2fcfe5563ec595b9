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


# --- Beside pytrec_eval -------------------------------------------------------------------------------------------------
# trec_eval orders by score, and equal scores by id, the greatest string first. It keeps scores as float32, so that two which
# differ by less are equal to it; here they are written with few digits, as the product's own scores are far enough apart.


def _random_case(random: Random) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """Graded judgements, equal scores, queries without an answer or with an empty one, others that nobody has judged, and some
    for which nothing is relevant."""
    documents = [random.choice(["d", "D", "é", "10"]) + str(number) for number in range(random.randint(3, 60))]
    digits = random.choice([0, 1, 3])
    qrels = {
        f"q{query}": {name: random.choice([0, 0, 1, 1, 2, 3]) for name in random.sample(documents, random.randint(1, 3))}
        for query in range(random.randint(1, 8))
    }
    run = {
        query: {
            name: round(random.uniform(-2, 2), digits) for name in random.sample(documents, random.randint(0, len(documents)))
        }
        for query in (*qrels, "not judged")
        if random.random() < 0.8
    }
    return run, qrels


def _by_pytrec_eval(
    run: dict[str, dict[str, float]], qrels: dict[str, dict[str, int]], measure: str
) -> float:  # fmt: skip
    """Its mean over all judged queries: it leaves out what is not in the run, and averages nothing itself."""
    import pytrec_eval

    answered = {query: scores for query, scores in run.items() if scores}
    found = pytrec_eval.RelevanceEvaluator(qrels, {measure}).evaluate(answered)
    return sum(row[measure.replace(".", "_")] for row in found.values()) / len(qrels)


@pytest.mark.parametrize("seed", range(200))
def test_it_measures_what_pytrec_eval_measures(seed: int) -> None:
    run, qrels = _random_case(Random(seed))
    for k in (1, 3, 10, 100):
        assert ndcg_at_k(run, qrels, k) == pytest.approx(_by_pytrec_eval(run, qrels, f"ndcg_cut.{k}"), abs=1e-6)
        assert recall_at_k(run, qrels, k) == pytest.approx(_by_pytrec_eval(run, qrels, f"recall.{k}"), abs=1e-6)
    assert mrr_at_k(run, qrels, 100) == pytest.approx(_by_pytrec_eval(run, qrels, "recip_rank"), abs=1e-6)


@pytest.mark.parametrize(("relevant", "rank"), [("b", 1), ("a", 2), ("B", 3), ("10", 4)])
def test_it_orders_equal_scores_as_pytrec_eval_does(relevant: str, rank: int) -> None:
    run, qrels = {"q": dict.fromkeys(["10", "b", "B", "a"], 1.0)}, {"q": {relevant: 1}}
    assert mrr_at_k(run, qrels, 10) == pytest.approx(1 / rank)
    assert _by_pytrec_eval(run, qrels, "recip_rank") == pytest.approx(1 / rank)
