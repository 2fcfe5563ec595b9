"""The shipped reranker: it puts a small frozen set in order, and decides which found passages are read."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.passages import Hit
from retrieval.search import SearchResult
from specialists.encoders.bundle import read_card
from specialists.reader.rows import load_rows
from specialists.reader.serving import ReaderPassage
from specialists.reranker.choosing import CANDIDATES, PASSAGES_READ, choose
from specialists.reranker.evaluation import evaluate_reranker
from specialists.reranker.serving import get_reranker

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "tests" / "data" / "reading.json"
QUESTION = "How long may a guest stay in the flat?"
ANSWER = ReaderPassage(15, "Guests may use the flat for up to six nights.", "House rules")
OTHERS = [ReaderPassage(place, f"The flat on floor {place} has a kitchen and {place} windows.", "Flats") for place in range(15)]
FOUND = SearchResult(tuple(Hit(place, 1 / (60 + place)) for place in range(CANDIDATES)))


@pytest.fixture
def _fresh() -> Iterator[None]:
    get_reranker.cache_clear()
    yield
    get_reranker.cache_clear()


def test_it_orders_the_frozen_texts_as_its_card_says() -> None:
    reranker = get_reranker()
    assert reranker is not None
    noted = read_card(ROOT / "specialists" / "trained" / "reranker", "reranker").figures["reading.json (int8)"]

    report = evaluate_reranker(reranker, load_rows(TEXTS))

    for name, measured in report.measures.items():
        assert measured.mean == pytest.approx(noted[name]["mean"], abs=2.0), name
    assert report.measures["nDCG@10 reranked"].mean > report.measures["nDCG@10 embedder"].mean


def test_the_passage_that_the_search_found_last_is_read_first() -> None:
    chosen = choose(QUESTION, FOUND, [*OTHERS, ANSWER])

    assert chosen.hits[0].id == ANSWER.id
    assert len(chosen.hits) == PASSAGES_READ


@pytest.mark.parametrize("question", ["休暇", "отпуск", "4021"])
def test_it_leaves_a_question_in_another_script_to_the_search(question: str) -> None:
    assert [hit.id for hit in choose(question, FOUND, [*OTHERS, ANSWER]).hits] == list(range(PASSAGES_READ))


def test_a_passage_that_may_not_be_read_takes_nobodys_place() -> None:
    allowed = [*OTHERS[:3], ANSWER]

    assert {hit.id for hit in choose(QUESTION, FOUND, allowed).hits} == {passage.id for passage in allowed}
    assert choose(QUESTION, FOUND, []).hits == ()


@pytest.mark.usefixtures("_fresh")
def test_without_a_reranker_the_search_decides(settings: Any, tmp_path: Path) -> None:
    settings.SPECIALISTS_DIR = tmp_path

    assert [hit.id for hit in choose(QUESTION, FOUND, [ANSWER, *OTHERS]).hits] == list(range(PASSAGES_READ))


@pytest.mark.usefixtures("_fresh")
def test_a_damaged_reranker_costs_quality_and_no_answer(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    shutil.copytree(ROOT / "specialists" / "trained" / "reranker", tmp_path / "reranker")
    (tmp_path / "reranker" / "card.json").write_text("{")
    settings.SPECIALISTS_DIR = tmp_path

    with caplog.at_level(logging.WARNING):
        chosen = choose(QUESTION, FOUND, [*OTHERS, ANSWER])

    assert [hit.id for hit in chosen.hits] == list(range(PASSAGES_READ))
    assert "The reranker cannot work" in caplog.text
