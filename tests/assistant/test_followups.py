from __future__ import annotations

import pytest

from assistant.followups import standalone_question, topic

LEAVE = "How many days of leave do I get in my first year?"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("and for contractors?", "How many days of leave do I get in my first year, for contractors?"),
        ("What about contractors?", "How many days of leave do I get in my first year, for contractors?"),
        ("at what pay?", "How many days of leave do I get in my first year, at what pay?"),
        ("and in my second year?", "How many days of leave do I get in my second year?"),
        ("When does it expire?", "When does it expire? (days of leave, first year)"),
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
        "What about the travel policy of 2026?",
        "When will the probe that measures nitrate be delivered?",
        "Where is the form that I must sign?",
        "Is there a canteen in Leeds?",
        "Are there any rules for visitors?",
        "Who do I call at IT?",
        "Is it allowed to bring a dog?",
        "How long is the holiday this year?",
        "May employees bring their dog?",
        "What must I bring on day one?",
        "Does one token cover both APIs?",
    ],
)
def test_it_leaves_a_whole_question_alone(question: str) -> None:
    assert standalone_question(question, LEAVE) == question


@pytest.mark.parametrize(
    "question",
    [
        "Is that also so in Leeds?",
        "What does that mean?",
        "Who pays for that?",
        "Does that policy cover interns?",
        "Who works there?",
        "Is it paid out?",
        "When do they expire?",
        "Which one is longer?",
        "Can I sell this?",
        "What are their limits?",
        "is it taxed?",
    ],
)
def test_it_sees_what_a_question_refers_back_to(question: str) -> None:
    assert standalone_question(question, LEAVE) == f"{question[0].upper()}{question[1:]} (days of leave, first year)"


@pytest.mark.parametrize(
    ("previous", "question", "expected"),
    [
        ("What is the referral bonus?", "When is it paid?", "When is it paid? (referral bonus)"),
        ("How long does a VPN session last?", "how do I install it", "How do I install it? (VPN session last)"),
        ("What does a hotel in Leeds cost?", "Who pays for that?", "Who pays for that? (hotel, Leeds cost)"),
        ("When is it paid? (referral bonus)", "And who gets it?", "Who gets it? (paid, referral bonus)"),
        ("What is it?", "Is that so?", "Is that so?"),
    ],
)
def test_it_adds_what_the_question_before_was_about_and_not_that_question(previous: str, question: str, expected: str) -> None:
    """Read together, the reader would answer the first one again, and be sure of it."""
    assert standalone_question(question, previous) == expected


@pytest.mark.parametrize("question", ["how about it?", "what about that", "and this?", "and them?", "What about the same?"])
def test_it_asks_the_question_before_again_where_only_a_pronoun_stands(question: str) -> None:
    previous = "What time does the office in Leeds open?"
    assert standalone_question(question, previous) == previous


@pytest.mark.parametrize("question", ["Why?", "and why?", "why not?", "How so?", "But when?", "where"])
def test_it_says_what_a_bare_question_word_is_about(question: str) -> None:
    standalone = standalone_question(question, "Is travel by train allowed at Brackwell?")
    word = question.removeprefix("and ").removeprefix("But ").rstrip("?").capitalize()
    assert standalone.startswith(f"{word}? (") and "travel" in standalone and "train" in standalone


def test_it_has_nothing_to_complete_a_first_question_from() -> None:
    assert standalone_question("and   for contractors?", None) == "and for contractors?"


def test_it_puts_a_new_place_in_the_place_of_the_old_one() -> None:
    assert standalone_question("and in Lisbon?", "What does a hotel in Berlin cost?") == "What does a hotel in Lisbon cost?"
    whole = standalone_question("and in Porto?", "What is the hotel limit in Leeds for a customer?")
    assert whole == "What is the hotel limit in Porto for a customer?"


def test_it_does_not_pile_follow_ups_up() -> None:
    turns: list[tuple[str, str]] = []
    for question in ("How do I fail over the database?", "who does it?", "how long does it take?", "and for replicas?"):
        turns.append((question, standalone_question(question, topic(turns))))
    assert [whole for _, whole in turns] == [
        "How do I fail over the database?",
        "Who does it? (fail over, database)",
        "How long does it take? (fail over, database)",
        "How do I fail over the database, for replicas?",
    ]


def test_it_remembers_the_phrase_that_was_put_in() -> None:
    turns = [("What is the hotel limit in Leeds?",) * 2]
    turns.append(("and in Porto?", standalone_question("and in Porto?", topic(turns))))
    assert topic(turns) == "What is the hotel limit in Porto?"


def test_it_begins_anew_with_a_whole_question() -> None:
    turns = [("What is the hotel limit in Leeds?",) * 2, ("Who approves a new supplier?",) * 2]
    assert topic(turns) == "Who approves a new supplier?"
    assert topic([]) is None
