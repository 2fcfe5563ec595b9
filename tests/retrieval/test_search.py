from __future__ import annotations

import random
from typing import Any

import pytest

from retrieval import search as search_module
from retrieval.errors import RetrievalError
from retrieval.search import SearchResult, search
from tests.retrieval.embedders import HashingEmbedder
from tests.retrieval.writing import found, write


def test_it_cannot_be_called_without_a_scope() -> None:
    with pytest.raises(TypeError, match="scope"):
        search("heron")  # type: ignore[call-arg]


@pytest.mark.parametrize(("question", "scope"), [("heron", []), ("", ["partition-1"]), ("  \n", ["partition-1"])])
def test_it_embeds_nothing_when_there_is_nothing_to_search(question: str, scope: list[str], embedder: HashingEmbedder) -> None:
    write("partition-1", {1: "heron"})
    embedder.embedded.clear()
    assert search(question, scope=scope) == SearchResult()
    assert embedder.embedded == []


def test_it_treats_a_partition_that_does_not_exist_as_empty(embedder: HashingEmbedder) -> None:
    assert search("heron", scope=["partition-404"]) == SearchResult()
    assert embedder.embedded == []


def test_it_searches_the_scope_and_nothing_else() -> None:
    write("partition-1", {1: "the heron fishes"})
    write("partition-2", {2: "the heron sleeps"})
    write("partition-3", {3: "the heron flies"})
    assert sorted(found("heron", "partition-1", "partition-3")) == [1, 3]
    assert found("heron", "partition-2") == [2]


def test_it_opens_no_partition_outside_the_scope(settings: Any) -> None:
    write("partition-1", {1: "heron"})
    (settings.INDEXES_DIR / "partition-2").mkdir()
    (settings.INDEXES_DIR / "partition-2" / "manifest.json").write_text("damaged")
    assert found("heron", "partition-1") == [1]
    with pytest.raises(RetrievalError, match="index_corrupt"):
        found("heron", "partition-1", "partition-2")


def test_it_finds_what_only_one_side_finds(embedder: HashingEmbedder) -> None:
    write("partition-1", {1: "running herons", 2: "an owl"})
    result = search("runs heron", scope=["partition-1"])
    assert [hit.id for hit in result.lexical] == [1]  # by the stems
    assert {hit.id for hit in result.dense} == {1, 2}
    assert result.hits[0].id == 1
    assert set(result.timings_ms) == {"embed", "dense", "lexical", "fuse", "feedback"}


def test_it_gives_at_most_top_k_and_the_best_first() -> None:
    write("partition-1", {number: "heron " * number + "owl" for number in range(1, 40)})
    result = search("heron", scope=["partition-1"], top_k=5)
    assert len(result.hits) == 5
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)
    with pytest.raises(ValueError, match="top_k"):
        search("heron", scope=["partition-1"], top_k=0)


def test_it_counts_a_passage_in_two_partitions_once() -> None:
    write("partition-1", {7: "the heron fishes", 8: "an owl"})
    write("partition-2", {7: "the heron fishes"})
    assert sorted(found("heron", "partition-1", "partition-2")) == [7, 8]
    result = search("heron", scope=["partition-1", "partition-2"])
    assert sorted(hit.id for hit in result.dense) == [7, 8]
    assert [hit.id for hit in result.lexical] == [7]


def test_it_opens_a_partition_that_is_named_twice_once() -> None:
    write("partition-1", {1: "heron", 2: "an owl"})
    assert search("heron", scope=["partition-1"] * 2).lexical == search("heron", scope=["partition-1"]).lexical


def test_it_embeds_a_question_once(embedder: HashingEmbedder) -> None:
    write("partition-1", {1: "heron"})
    embedder.embedded.clear()
    for _ in range(3):
        search("which bird is asked for only here?", scope=["partition-1"])
    assert embedder.embedded == ["which bird is asked for only here?"]


def test_it_weighs_a_word_by_its_rarity_in_the_whole_scope() -> None:
    """In partition 1 every passage has "pump", so by its own counts the word says nothing there."""
    write("partition-1", {number: f"pump number{number}" for number in range(1, 20)})
    write("partition-2", {100: "pump", **{number: f"bird number{number}" for number in range(101, 400)}})
    scores = {hit.id: hit.score for hit in search("pump", scope=["partition-1", "partition-2"], top_k=50).lexical}
    alone = {hit.id: hit.score for hit in search("pump", scope=["partition-1"], top_k=50).lexical}
    assert scores[1] > 20 * alone[1]
    assert 0.5 < scores[1] / scores[100] < 2


def test_it_refuses_rather_than_answers_from_a_part_of_the_scope(settings: Any) -> None:
    write("partition-1", {1: "heron"})
    write("partition-2", {2: "heron"})
    (settings.INDEXES_DIR / "partition-2" / "vectors-00000001.faiss").write_bytes(b"nothing")
    with pytest.raises(RetrievalError, match="index_corrupt"):
        search("heron", scope=["partition-1", "partition-2"])


def test_it_looks_deeper_than_it_answers() -> None:
    assert search_module.LEAST_CANDIDATES >= 50
    write("partition-1", {number: f"heron number{number}" for number in range(1, 201)})
    result = search("heron", scope=["partition-1"], top_k=40)
    assert (len(result.dense), len(result.lexical), len(result.hits)) == (160, 160, 40)


def test_it_finds_under_a_selective_filter_what_exact_search_finds(embedder: HashingEmbedder) -> None:
    """One passage in a hundred may be found. The truth is all cosines, and BM25 over all, cut to these afterwards."""
    words = ("heron", "owl", "pond", "reed", "kestrel", "marsh", "nest")
    texts = {n: f"{words[n % 7]} {words[n * n % 5]} number{n} {words[n // 7 % 7]}" for n in range(1, 1501)}
    write("partition-1", texts)
    only = frozenset(random.Random(3).sample(sorted(texts), 15))
    for question in ("heron at the pond", "a marsh nest", "kestrel"):
        result = search(question, scope=["partition-1"], top_k=10, only=only)
        vectors = embedder.embed_passages([texts[n] for n in sorted(only)])
        cosines = dict(zip(sorted(only), (vectors @ embedder.embed_queries([question])[0]).tolist(), strict=True))
        exact = sorted(only, key=lambda n: (-cosines[n], n))
        assert [round(hit.score, 5) for hit in result.dense] == [round(cosines[n], 5) for n in exact]
        assert {hit.id for hit in result.dense} == only
        everything = search(question, scope=["partition-1"], top_k=1500).lexical
        assert result.lexical == tuple(hit for hit in everything if hit.id in only)
        assert {hit.id for hit in result.hits} <= only and len(result.hits) == 10


def test_it_searches_nothing_for_a_filter_that_nothing_passes(embedder: HashingEmbedder) -> None:
    write("partition-1", {1: "heron"})
    embedder.embedded.clear()
    assert search("heron", scope=["partition-1"], only=()) == SearchResult()
    assert embedder.embedded == []
    assert search("heron", scope=["partition-1"], only={404}).hits == ()
