"""The reranker: its training ends with a folder that is prepared, evaluated and served. What it learns is not shown here."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from retrieval.passages import Hit
from specialists.errors import SpecialistError
from specialists.reranker.ordering import reorder
from specialists.reranker.serving import Reranker
from tests.specialists.tiny_rows import ROOMS, squad, write_squad

READER = Path(__file__).parents[2] / "specialists" / "trained" / "reader"
SETTINGS = ("--start", str(READER), "--layers", "3", "--learning-rate", "2e-4", "--epochs", "1", "--batch", "8")


def with_rooms() -> dict[str, Any]:
    """Every question fits one passage only."""
    content = squad()
    for article in content["data"]:
        for paragraph, room in zip(article["paragraphs"], ROOMS, strict=True):
            paragraph["qas"] = paragraph["qas"][:1]
            paragraph["qas"][0]["question"] = f"How many desks does the {article['title']} team have in the {room}?"
    return content


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reranker")
    rows = write_squad(folder / "rows.json", with_rooms())
    output = ("--output", str(folder / "reranker"))
    call_command("train_specialist", "reranker", "--data", str(rows), *output, *SETTINGS, stdout=StringIO())
    return folder


@pytest.mark.slow
def test_it_is_evaluated_and_its_card_says_so(trained: Path) -> None:
    out = StringIO()
    model = ("--model", str(trained / "reranker"), "--data", str(trained / "rows.json"))
    call_command("evaluate_specialist", "reranker", *model, "--record", "by heart", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert report["passages"] == 60
    assert report["measures"]["nDCG@10 reranked"]["mean"] > 90
    assert "| nDCG@10 reranked |" in (trained / "reranker" / "MODEL_CARD.md").read_text()


@pytest.mark.slow
def test_it_is_refused_until_it_is_prepared(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecialistError, match="prepare_specialists"):
        Reranker(trained / "reranker", tmp_path / "nothing")


def test_it_wants_more_than_ten_rows(tmp_path: Path) -> None:
    path = write_squad(tmp_path / "rows.json", squad(departments=2, rooms=4))

    with pytest.raises(CommandError, match="8 answerable questions are too few to train a reranker"):
        call_command("train_specialist", "reranker", "--data", str(path), "--output", str(tmp_path / "out"))


def test_it_weighs_relevance_against_both_sides_of_the_search() -> None:
    dense = (Hit(7, 0.9), Hit(8, 0.5), Hit(9, 0.4))
    lexical = (Hit(7, 20.0), Hit(9, 12.0), Hit(1, 2.0))

    assert reorder([7, 8, 9], {7: 0.0, 8: 0.1, 9: 0.2}, (dense, lexical)) == [7, 9, 8]  # the search is surer than the reranker
    assert reorder([7, 8, 9], {7: 0.0, 8: 30.0, 9: 0.0}, ()) == [8, 7, 9]
    assert reorder([7, 8, 9], {7: -8.0, 8: -8.0, 9: 4.0}, (dense, ())) == [9, 7, 8]
    assert reorder([7, 8, 9], {9: -8.0}, (dense, lexical)) == [9, 7, 8]
    assert reorder([], {}, (dense, lexical)) == []


def test_a_side_that_brought_nothing_of_it_or_says_the_same_of_all_changes_nothing() -> None:
    assert reorder([1, 2], {1: 0.0, 2: 0.5}, ((Hit(5, 0.3),), (Hit(1, 1.0), Hit(2, 1.0)))) == [2, 1]
