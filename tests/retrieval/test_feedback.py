"""Feedback from the first passages: what is like them comes up, and nothing else than the candidates is ever in the list."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.feedback import FIRST, fuse_again
from retrieval.indexes.exact import ExactIndex
from retrieval.passages import FloatMatrix, Hit
from retrieval.search import search
from tests.retrieval.writing import write

QUESTION = np.array([[1.0, 0.0, 0.0, 0.0]], np.float32)


def unit(*numbers: float) -> list[float]:
    return (np.array(numbers) / np.linalg.norm(numbers)).tolist()


def index_of(rows: dict[int, list[float]]) -> ExactIndex:
    index = ExactIndex.create(4)
    index.add(np.array(list(rows)), np.array(list(rows.values()), np.float32))
    return index


ROWS = {1: unit(1, 1, 0, 0), 2: unit(1, 1.1, 0, 0), 3: unit(1, 0.9, 0, 0), 4: unit(1, 0, 1.2, 0), 5: unit(1, 1.3, 0, 0)}


def fused(*ids: int) -> list[Hit]:
    return [Hit(number, 1 - place / 10) for place, number in enumerate(ids)]


def order(hits: list[Hit]) -> list[int]:
    return [hit.id for hit in hits]


def test_it_brings_up_what_is_like_the_first_passages() -> None:
    """By the question alone 4 is nearer than 5; the first three are all like 5."""
    by_question = {number: float(QUESTION[0] @ np.array(row)) for number, row in ROWS.items()}
    assert by_question[4] > by_question[5]
    again = fuse_again(QUESTION, fused(1, 2, 3, 4, 5), [], [index_of(ROWS)], depth=5)
    assert order(again).index(5) < order(again).index(4)
    assert sorted(order(again)) == [1, 2, 3, 4, 5] and FIRST == 3


def test_it_keeps_what_the_words_say() -> None:
    lexical = [Hit(4, 9.0)]
    assert order(fuse_again(QUESTION, fused(4, 1, 2, 3, 5), lexical, [index_of(ROWS)], depth=5))[0] == 4


def test_it_keeps_the_order_where_no_vector_can_be_read() -> None:
    assert fuse_again(QUESTION, fused(7, 8), [Hit(7, 2.0), Hit(8, 1.0)], [index_of(ROWS)], depth=5) == fused(7, 8)
    assert fuse_again(QUESTION, fused(7), [], [], depth=5) == fused(7)


def test_it_reads_a_passage_that_is_in_two_partitions_once() -> None:
    one, both = index_of(ROWS), [index_of({1: ROWS[1], 4: ROWS[4]}), index_of({number: ROWS[number] for number in (2, 1, 3, 5)})]
    candidates = fused(1, 2, 3, 4, 5)
    assert fuse_again(QUESTION, candidates, [], both, depth=5) == fuse_again(QUESTION, candidates, [], [one], depth=5)


@pytest.mark.parametrize("first", [1, 2])
def test_it_works_with_fewer_passages_than_it_listens_to(first: int) -> None:
    candidates = fused(*range(1, first + 1))
    assert sorted(order(fuse_again(QUESTION, candidates, [], [index_of(ROWS)], depth=5))) == list(range(1, first + 1))


def test_it_shows_no_infinite_number_for_vectors_that_cancel_out() -> None:
    rows: dict[int, list[float]] = {1: unit(-1, 0, 0, 0)}
    scores = [hit.score for hit in fuse_again(QUESTION, fused(1), [], [index_of(rows)], depth=5)]
    assert np.isfinite(scores).all()


def test_a_search_finds_by_it_what_shares_no_word_with_the_question(embedder: FloatMatrix) -> None:
    """The list before feedback is kept beside the one that counts, and both have the same passages."""
    texts = {1: "heron pond reed", 2: "heron pond nest", 3: "heron reed nest", 4: "pond reed nest", 5: "owl", 6: "kestrel cliff"}
    write("partition-1", texts)
    result = search("heron", scope=["partition-1"], top_k=6)
    assert {hit.id for hit in result.hits} == {hit.id for hit in result.fused} == set(texts)
    assert [hit.id for hit in result.hits].index(4) == 3
