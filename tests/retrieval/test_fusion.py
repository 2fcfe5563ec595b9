from __future__ import annotations

import pytest

from retrieval.fusion import reciprocal_rank_fusion
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
