from __future__ import annotations

import pytest

from specialists.squad_metrics import exact_match, f1, holds


def test_it_ignores_case_articles_and_punctuation() -> None:
    assert exact_match("The 27 days.", ["27 days"]) == 1.0
    assert exact_match("26 days", ["27 days"]) == 0.0


def test_it_takes_the_best_of_several_golds() -> None:
    assert f1("27 days of leave", ["a week", "27 days"]) == pytest.approx(2 * 2 / (4 + 2))


def test_it_rewards_silence_only_where_there_is_no_answer() -> None:
    assert exact_match("", []) == 1.0
    assert f1("", ["27 days"]) == 0.0
    assert f1("27 days", []) == 0.0


def test_it_finds_a_gold_as_whole_words() -> None:
    assert holds("Employees get 27 days, paid.", ["27 days"])
    assert not holds("Employees get 127 days.", ["27 days"])
    assert not holds("Anything", [])
