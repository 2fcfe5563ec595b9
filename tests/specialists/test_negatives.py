"""Questions that are changed so that their text no longer answers them."""

from __future__ import annotations

import random

import pytest

from specialists.encoders.base import DEFAULT_BASE, find_base
from specialists.reader.negatives import alter_question, names_in
from specialists.reader.rows import ReaderRow
from specialists.reader.task import ReaderTask
from specialists.reader.training import negatives_for

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


@pytest.mark.slow
def test_it_never_takes_a_rows_own_text_for_a_wrong_one_though_rows_have_no_ids() -> None:
    rows = [
        ReaderRow(
            "", f"Where is the {room}?", f"The {room} is on floor {floor}.", "", ((len(f"The {room} is "), f"on floor {floor}"),)
        )
        for floor, room in enumerate(("kitchen", "library", "cellar", "workshop"))
    ]
    task = ReaderTask(find_base(DEFAULT_BASE), [(rows, 1.0)], negatives=negatives_for([(rows, 1.0)], 1.0), seed=1, altered=0.0)
    for group in task.epoch(0):
        assert len({window.ids for window in group.windows}) == 2


def test_what_it_makes_has_no_answer() -> None:
    (found,) = {alter_question(row("which is the largest office?"), names_in([]), random.Random(1))}
    assert found is not None
    assert found.answers == ()
    assert found.text == TEXT
