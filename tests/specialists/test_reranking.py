"""Passages in the order of the reader's relevance and their place in the search."""

from __future__ import annotations

from retrieval.passages import Hit
from specialists.reader.reranking import rerank

FOUND = [Hit(1, 0.03), Hit(2, 0.02), Hit(3, 0.01)]


def order(relevance: dict[int, float]) -> list[int]:
    return [hit.id for hit in rerank(FOUND, relevance)]


def test_it_puts_what_is_relevant_first_and_loses_nothing() -> None:
    assert order({1: -6.0, 2: -2.0, 3: 5.0}) == [3, 2, 1]


def test_it_keeps_the_order_of_the_search_where_all_are_alike() -> None:
    assert order({1: 0.1, 2: 0.1, 3: 0.1}) == [1, 2, 3]
    assert order({1: 0.0, 2: 0.1, 3: 0.0}) == [1, 2, 3], "a breath of relevance does not outweigh a place"


def test_it_puts_what_was_not_read_last_and_takes_nothing_for_nothing() -> None:
    assert order({1: 0.0, 3: 0.0}) == [1, 3, 2]
    assert rerank([], {}) == []
