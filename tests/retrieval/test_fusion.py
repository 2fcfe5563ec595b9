from __future__ import annotations

import pytest

from retrieval.fusion import DENSE_WEIGHT, LEXICAL_EXPONENT, fuse, reciprocal_rank_fusion
from retrieval.passages import Hit


def _ranking(*ids: int) -> list[Hit]:
    return [Hit(passage, 1.0 - rank / 100) for rank, passage in enumerate(ids)]


def test_it_adds_reciprocal_ranks() -> None:
    fused = reciprocal_rank_fusion([_ranking(1, 2, 3), _ranking(3, 4)])
    assert [hit.id for hit in fused] == [3, 1, 2, 4]
    assert fused[0].score == pytest.approx(1 / 63 + 1 / 61)
    assert fused[3].score == pytest.approx(1 / 62)


def test_it_gives_equal_scores_in_the_order_of_their_ids() -> None:
    assert [hit.id for hit in reciprocal_rank_fusion([_ranking(9, 2), _ranking(2, 9)])] == [2, 9]
    assert [hit.id for hit in reciprocal_rank_fusion([_ranking(7), _ranking(5), _ranking(6)])] == [5, 6, 7]


def test_it_counts_a_repeated_id_at_its_best_rank() -> None:
    assert reciprocal_rank_fusion([_ranking(1, 1, 2)]) == [Hit(1, 1 / 61), Hit(2, 1 / 62)]


def test_it_uses_ranks_and_not_scores() -> None:
    assert reciprocal_rank_fusion([[Hit(1, 1e9), Hit(2, -5.0)]], k=1) == [Hit(1, 1 / 2), Hit(2, 1 / 3)]


def test_it_fuses_nothing_into_nothing() -> None:
    assert reciprocal_rank_fusion([]) == []
    assert reciprocal_rank_fusion([[], []]) == []


def test_it_adds_the_shares_of_both_sides() -> None:
    dense = [Hit(1, 0.9), Hit(2, 0.6), Hit(3, 0.5)]
    lexical = [Hit(3, 12.0), Hit(1, 6.0), Hit(4, 4.0)]
    scores = {hit.id: hit.score for hit in fuse(dense, lexical, depth=3)}
    assert scores[1] == pytest.approx(DENSE_WEIGHT + (1 - DENSE_WEIGHT) * 0.25**LEXICAL_EXPONENT)
    assert scores[2] == pytest.approx(DENSE_WEIGHT * 0.25)
    assert scores[3] == pytest.approx(1 - DENSE_WEIGHT)
    assert scores[4] == 0.0
    assert [hit.id for hit in fuse(dense, lexical, depth=3)] == [1, 3, 2, 4]


def test_it_counts_the_only_passage_with_a_word_in_full() -> None:
    dense = [Hit(passage, 0.6 - passage / 1000) for passage in range(1, 101)]
    assert fuse(dense, [Hit(100, 0.01)], depth=100)[0].score == pytest.approx(DENSE_WEIGHT)
    assert {hit.id for hit in fuse(dense, [Hit(100, 0.01)], depth=100)[:2]} == {1, 100}
    assert fuse([Hit(1, 0.5)], [Hit(1, 3.0)], depth=100) == [Hit(1, 1.0)]


def test_it_fuses_one_side_alone_and_nothing() -> None:
    assert [hit.id for hit in fuse([], [Hit(7, 2.0), Hit(5, 1.0)], depth=100)] == [7, 5]
    assert [hit.id for hit in fuse([Hit(7, 0.2), Hit(5, 0.1)], [], depth=100)] == [7, 5]
    assert fuse([], [], depth=100) == []
    assert [hit.id for hit in fuse([Hit(9, -0.1), Hit(4, -0.1)], [], depth=2)] == [4, 9]
