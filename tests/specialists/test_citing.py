"""Sentences and citations out of a text that comes in pieces: never half of either, however it is cut."""

from __future__ import annotations

import pytest

from specialists.citing import MOST_CITATIONS, MOST_SENTENCES, CitedSentence, SentenceParser, parse_sentence

ANSWER = (
    "Staff get 27 days of leave [1][3]. Up to 5 may be carried over, e.g. to spring [2]. Ask Dr. Adams by 3 p.m.[4]\n\n"
    "- **Full-time**: 27 days [1]\n- Part-time: in proportion [1, 2].\nThat is all"
)
NUMBERS = range(1, 9)
SENTENCES = [
    CitedSentence("Staff get 27 days of leave.", (1, 3)),
    CitedSentence("Up to 5 may be carried over, e.g. to spring.", (2,)),
    CitedSentence("Ask Dr. Adams by 3 p.m.", (4,)),
    CitedSentence("Full-time: 27 days", (1,), is_item=True),
    CitedSentence("Part-time: in proportion.", (1, 2), is_item=True),
    CitedSentence("That is all", ()),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, len(ANSWER)])
def test_pieces_of_any_size_make_the_same_sentences(size: int) -> None:
    parser, found = SentenceParser(NUMBERS), []
    for start in range(0, len(ANSWER), size):
        found += parser.feed(ANSWER[start : start + size])

    assert [*found, *parser.close()] == SENTENCES


def test_a_sentence_waits_for_markers_that_may_still_come() -> None:
    parser = SentenceParser(NUMBERS)

    assert parser.feed("Leave is 27 days. ") == []
    assert parser.feed("[1") == []
    assert parser.feed("] The") == [CitedSentence("Leave is 27 days.", (1,))]


@pytest.mark.parametrize(
    ("text", "words", "citations"),
    [
        ("It is 27 days 【2】.", "It is 27 days.", (2,)),
        ("See item [a] of list (3).", "See item [a] of list (3).", ()),
        ("## Leave", "Leave", ()),
        ("`days` are *working* days [1].", "days are working days.", (1,)),
        ("snake_case_name, 2**10 and __init__ stay [1].", "snake_case_name, 2**10 and __init__ stay.", (1,)),
        ("3. Third step [1]", "Third step", (1,)),
        ("Pay within [30] days of items[0] [1].", "Pay within [30] days of items[0].", (1,)),
        ("Leave is 27 days [1] and [2].", "Leave is 27 days.", (1, 2)),
        ("Leave is 27 days [1], [2-4].", "Leave is 27 days.", (1, 2, 3, 4)),
    ],
)
def test_what_is_no_word_of_the_sentence_is_taken_off(text: str, words: str, citations: tuple[int, ...]) -> None:
    found = parse_sentence(text, NUMBERS)

    assert found is not None
    assert (found.text, found.citations) == (words, citations)


@pytest.mark.parametrize(
    "sentence",
    [
        "Requests are due by Dec. 31 at the latest.", "Call ext. 4411 about fig. 3, max. 5 times.",
        "It costs 3.5 euros, see Art. 5.", "Version 2.1.4 is at docs.example.org/a.html today.",
    ],
)  # fmt: skip
def test_a_point_in_a_sentence_does_not_end_it(sentence: str) -> None:
    parser = SentenceParser(NUMBERS)

    found = [*parser.feed(f"{sentence} [1] Then"), *parser.close()]

    assert found == [CitedSentence(sentence, (1,)), CitedSentence("Then", ())]


def test_numbered_lines_are_items() -> None:
    parser = SentenceParser(NUMBERS)
    found = [*parser.feed("1. Open the form [1].\n2. Sign it [2].\n"), *parser.close()]

    assert [(sentence.text, sentence.citations, sentence.is_item) for sentence in found] == [
        ("Open the form.", (1,), True), ("Sign it.", (2,), True),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 5, 400])
def test_what_a_model_thinks_aloud_is_no_part_of_its_answer(size: int) -> None:
    text = "<think>Passage 1 says 18 weeks. So be it.</think>\n\nIt lasts 18 weeks [1]."
    parser, found = SentenceParser(NUMBERS), []
    for start in range(0, len(text), size):
        found += parser.feed(text[start : start + size])

    assert [*found, *parser.close()] == [CitedSentence("It lasts 18 weeks.", (1,))]
    silent = SentenceParser(NUMBERS)
    assert [*silent.feed("<think>It never ends"), *silent.close()] == []


def test_half_a_sentence_of_an_answer_that_was_cut_is_none() -> None:
    for text, kept in (("Passwords may be shared with a deputy", 0), ("It lasts 18 weeks [1].", 1)):
        parser = SentenceParser(NUMBERS)
        assert len([*parser.feed(text), *parser.close(is_cut=True)]) == kept


def test_blanks_and_words_without_end_cost_no_time() -> None:
    parser = SentenceParser(NUMBERS)
    for _ in range(500):
        assert parser.feed(" " * 16) == []
    assert len(parser.feed("x" * 9000)) == 1


def test_nothing_but_markers_is_no_sentence() -> None:
    assert parse_sentence("[1][2].", NUMBERS) is None
    assert parse_sentence(" \n", NUMBERS) is None


def test_an_endless_answer_is_bounded() -> None:
    parser = SentenceParser(NUMBERS)
    found = parser.feed("Again and again [1][2][3][4][5][6]. " * 100)

    assert len([*found, *parser.close()]) == MOST_SENTENCES
    assert all(len(sentence.citations) == MOST_CITATIONS for sentence in found)
