"""Questions that are changed so that their text no longer answers them."""

from __future__ import annotations

import random

from specialists.reader.negatives import alter_question, names_in
from specialists.reader.rows import ReaderRow

TEXT = "The largest office is in Porto. It opened in 2019 and has 40 desks."


def row(question: str, *, context: str = "Offices") -> ReaderRow:
    return ReaderRow("1", question, TEXT, context, ((32, "It opened in 2019"),))


def altered(question: str, others: list[ReaderRow], *, tries: int = 40) -> set[str]:
    own = row(question)
    names = names_in([own, *others])
    found = [alter_question(own, names, random.Random(seed)) for seed in range(tries)]
    return {item.question for item in found if item}


def test_it_takes_names_that_the_text_lacks_rather_from_the_same_document() -> None:
    near, far = row("Who works in Leeds today?"), row("Who works in Oslo today?", context="Ships")

    found = altered("What is in Porto today?", [near, far], tries=200)

    assert found == {"What is in Leeds today?", "What is in Oslo today?"}
    names = names_in([row("What is in Porto today?"), near, far])
    drawn = [alter_question(row("What is in Porto today?"), names, random.Random(seed)) for seed in range(200)]
    assert sum("Leeds" in item.question for item in drawn if item) > 120


def test_it_turns_a_word_into_an_opposite_that_the_text_lacks() -> None:
    assert altered("which is the largest office?", []) == {"which is the smallest office?"}
    assert altered("which office opened?", []) == {"which office closed?"}


def test_it_leaves_a_question_with_nothing_to_change() -> None:
    assert altered("how many desks does it have?", []) == set()


def test_what_it_makes_has_no_answer() -> None:
    (found,) = {alter_question(row("which is the largest office?"), names_in([]), random.Random(1))}
    assert found is not None
    assert found.answers == ()
    assert found.text == TEXT
