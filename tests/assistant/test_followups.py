from __future__ import annotations

import pytest

from assistant.followups import standalone_question

LEAVE = "How many days of leave do I get in my first year?"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("and for contractors?", "How many days of leave do I get in my first year, for contractors?"),
        ("What about contractors?", "How many days of leave do I get in my first year, for contractors?"),
        ("In Portugal?", "How many days of leave do I get in my first year, In Portugal?"),
        ("When does it expire?", "How many days of leave do I get in my first year? When does it expire?"),
    ],
)
def test_it_completes_a_follow_up_from_the_question_before(question: str, expected: str) -> None:
    assert standalone_question(question, LEAVE) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Who approves a new supplier?",
        "And who approves a new supplier in the Leeds office?",
        "What is the hotel limit in Lisbon?",
        "Where is the parental leave policy that replaced the one of 2023 kept?",
    ],
)
def test_it_leaves_a_whole_question_alone(question: str) -> None:
    assert standalone_question(question, LEAVE) == question


def test_it_has_nothing_to_complete_a_first_question_from() -> None:
    assert standalone_question("and   for contractors?", None) == "and for contractors?"
