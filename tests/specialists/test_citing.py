"""Sentences and citations out of a text that comes in pieces: never half of either, however it is cut."""

from __future__ import annotations

import pytest

from specialists.citing import MOST_CITATIONS, MOST_SENTENCES, CitedSentence, SentenceParser, parse_sentence

ANSWER = (
    "Staff get 27 days of leave [1][3]. Up to 5 may be carried over, e.g. to spring [2]. Ask Dr. Adams by 3 p.m.[4]\n\n"
    "- **Full-time**: 27 days [1]\n- Part-time: in proportion [1, 2].\nThat is all"
)
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
    parser, found = SentenceParser(), []
    for start in range(0, len(ANSWER), size):
        found += parser.feed(ANSWER[start : start + size])

    assert [*found, *parser.close()] == SENTENCES


def test_a_sentence_waits_for_markers_that_may_still_come() -> None:
    parser = SentenceParser()

    assert parser.feed("Leave is 27 days. ") == []
    assert parser.feed("[1") == []
    assert parser.feed("] The") == [CitedSentence("Leave is 27 days.", (1,))]


@pytest.mark.parametrize(
    ("text", "words", "citations"),
    [
        ("It is 27 days 【2】.", "It is 27 days.", (2,)),
        ("See item [a] of list (3).", "See item [a] of list (3).", ()),
        ("## Leave", "Leave", ()),
        ("`days` are _working_ days [1].", "days are working days.", (1,)),
        ("snake_case_name stays [1].", "snake_case_name stays.", (1,)),
        ("3. Third step [1]", "Third step", (1,)),
    ],
)
def test_what_is_no_word_of_the_sentence_is_taken_off(text: str, words: str, citations: tuple[int, ...]) -> None:
    found = parse_sentence(text)

    assert found is not None
    assert (found.text, found.citations) == (words, citations)


def test_nothing_but_markers_is_no_sentence() -> None:
    assert parse_sentence("[1][2].") is None
    assert parse_sentence(" \n") is None


def test_an_endless_answer_is_bounded() -> None:
    parser = SentenceParser()
    found = parser.feed("Again and again [1][2][3][4][5][6]. " * 100)

    assert len([*found, *parser.close()]) == MOST_SENTENCES
    assert all(len(sentence.citations) == MOST_CITATIONS for sentence in found)
