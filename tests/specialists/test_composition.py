from __future__ import annotations

import pytest

from specialists.composition.composing import DIFFER, compose_reading, find, offer
from specialists.composition.lists import asks_for_list
from specialists.composition.ranking import BY_SCORE
from specialists.composition.types import Composition, Evidence
from tests.specialists.readings import passage, reading

QUESTION = "How many days of annual leave do employees get?"
LEAVE = passage(
    1, "Managers plan in January. Full-time employees receive 27 days of annual leave. They expire in March.",
    context="Leave policy > Annual leave",
)  # fmt: skip
BENEFITS = passage(2, "All employees get twenty-seven days of annual leave a year.", context="Benefits > Annual leave")
OTHER = passage(3, "All employees get 25 days of annual leave a year.", context="Welcome > Annual leave")
TABLE = passage(
    4, "City | Limit per night\nGhent | EUR 155\nLeeds | GBP 140\nPorto | EUR 130", context="Travel policy 2026 > Hotels"
)
RULES = passage(
    5, "Bring these on day one:\n\n1. An identity document.\n\n2. Your signed contract.\n\n3. A bank card.\n\nLunch is paid.",
    context="First day",
)  # fmt: skip


def marked(composition: Composition) -> list[str]:
    return [sentence.text[start:end] for sentence in composition.sentences for start, end in sentence.marks]


def check_verbatim(composition: Composition, *evidence: Evidence) -> None:
    """Every quote is the passage's own words, and every sentence but a table's row stands in its quote."""
    passages = {item.passage: item.text for item in evidence}
    for quote in composition.quotes:
        assert passages[quote.passage][quote.start : quote.end] == quote.text
    for sentence in composition.sentences:
        assert sentence.text in composition.quotes[sentence.quotes[0]].text or " · " in sentence.text
    assert {place for sentence in composition.sentences for place in sentence.quotes} == set(range(len(composition.quotes)))


def test_it_quotes_the_sentence_around_the_span_and_marks_the_span() -> None:
    result = compose_reading(QUESTION, reading((LEAVE, "27 days", 4.0)), [LEAVE])
    assert [sentence.text for sentence in result.sentences] == ["Full-time employees receive 27 days of annual leave."]
    assert marked(result) == ["27 days"]
    check_verbatim(result, LEAVE)


def test_it_answers_nothing_without_a_span() -> None:
    result = compose_reading(QUESTION, reading(), [LEAVE])
    assert (result.is_answered, result.sentences, result.quotes) == (False, (), ())


def test_it_offers_each_likely_sentence_once() -> None:
    """When none is sure enough: the second span is in the first one's sentence, the last one much less likely."""
    marks = reading(
        (LEAVE, "27 days", 4.0), (LEAVE, "annual leave", 3.8), (BENEFITS, "twenty-seven days", 3.0), (OTHER, "25 days", 1.5)
    )
    result = offer(find(QUESTION, marks, [LEAVE, BENEFITS, OTHER], BY_SCORE))
    assert not result.is_answered
    assert [quote.text for quote in result.quotes] == ["Full-time employees receive 27 days of annual leave.", BENEFITS.text]
    assert offer([]).quotes == ()


def test_it_ignores_a_span_of_a_passage_that_is_not_there() -> None:
    """The second gate dropped it after the reader was asked."""
    assert not compose_reading(QUESTION, reading((LEAVE, "27 days", 4.0)), [BENEFITS]).is_answered


@pytest.mark.parametrize("opening", ["They", "However, employees", "This", "Its holders"])
def test_it_brings_what_a_sentence_refers_back_to(opening: str) -> None:
    text = f"Badges are made at the desk. {opening} expire after two years."
    item = passage(1, text)
    result = compose_reading("When do badges expire?", reading((item, "after two years", 3.0)), [item])
    assert result.sentences[0].text == text
    assert marked(result) == ["after two years"]
    check_verbatim(result, item)


@pytest.mark.parametrize("opening", ["This policy", "Badges", "There are badges that"])
def test_it_leaves_a_sentence_alone_that_stands_by_itself(opening: str) -> None:
    item = passage(1, f"The desk opens at nine. {opening} expire after two years.")
    result = compose_reading("When do badges expire?", reading((item, "after two years", 3.0)), [item])
    assert result.sentences[0].text == f"{opening} expire after two years."


def test_it_merges_documents_that_agree_into_one_sentence_with_both_citations() -> None:
    found = reading((LEAVE, "27 days", 4.0), (BENEFITS, "twenty-seven days", 2.0))
    result = compose_reading(QUESTION, found, [LEAVE, BENEFITS])
    assert len(result.sentences) == 1
    assert result.sentences[0].quotes == (0, 1)
    assert result.confidence == pytest.approx(sum(span.probability for span in found.spans))
    check_verbatim(result, LEAVE, BENEFITS)


def test_it_does_not_cite_the_same_number_of_another_subject() -> None:
    parking = passage(6, "The car park closes for 27 days in August.", context="Office > Car park")
    result = compose_reading(QUESTION, reading((LEAVE, "27 days", 4.0), (parking, "27 days", 2.5)), [LEAVE, parking])
    assert result.sentences[0].quotes == (0,)
    assert len(result.quotes) == 1


def test_it_shows_that_two_documents_differ() -> None:
    result = compose_reading(QUESTION, reading((BENEFITS, "twenty-seven days", 4.0), (OTHER, "25 days", 3.0)), [BENEFITS, OTHER])
    assert [sentence.lead for sentence in result.sentences] == [DIFFER, ""]
    assert marked(result) == ["twenty-seven days", "25 days"]
    assert {sentence.layout for sentence in result.sentences} == {"item"}
    check_verbatim(result, BENEFITS, OTHER)


@pytest.mark.parametrize(
    ("other", "words", "score"),
    [
        (passage(7, "Sick employees may stay at home for 3 days.", context="Sick leave"), "3 days", 3.9),  # another subject
        (passage(8, "All employees get 25 hours of annual leave a year."), "25 hours", 3.9),  # another unit
        (passage(9, "All employees get 25 days of annual leave a year."), "25 days", 1.0),  # the reader is not sure of it
        (passage(10, "All employees get 25 days of annual leave a year.", document=2), "25 days", 3.9),  # the same document
    ],
)
def test_it_raises_no_false_alarm(other: Evidence, words: str, score: float) -> None:
    result = compose_reading(QUESTION, reading((BENEFITS, "twenty-seven days", 4.0), (other, words, score)), [BENEFITS, other])
    assert all(sentence.lead == "" for sentence in result.sentences)


def test_it_prefers_the_newer_edition_and_names_the_older_only_when_asked() -> None:
    new = passage(1, "A hotel in Leeds may cost GBP 140 a night.", context="Travel policy 2026 > Hotels")
    old = passage(2, "A hotel in Leeds may cost GBP 105 a night.", context="Travel policy 2023 > Hotels")
    found = reading((old, "GBP 105", 4.0), (new, "GBP 140", 3.0))
    assert marked(compose_reading("What may a hotel in Leeds cost a night?", found, [old, new])) == ["GBP 140"]
    assert "GBP 105" in marked(compose_reading("What could a hotel in Leeds cost a night in 2023?", found, [old, new]))


@pytest.mark.parametrize(
    ("title", "other"),
    [("Contracts > Draft contracts", "Contracts > Signed contracts"), ("Draft rules", "Room plan"), ("Archive room", "Leave")],
)
def test_it_takes_no_ordinary_word_for_an_older_edition(title: str, other: str) -> None:
    wanted = passage(1, "These papers are kept for 3 years.", context=title)
    found = reading((wanted, "3 years", 4.0), (passage(2, "Those are kept for 10 years.", context=other), "10 years", 3.0))
    evidence = [wanted, passage(2, "Those are kept for 10 years.", context=other)]
    assert marked(compose_reading("How long are these papers kept?", found, evidence))[0] == "3 years"


def test_it_always_leaves_an_answer_where_two_editions_each_seem_older() -> None:
    new = passage(1, "A hotel may cost GBP 140 a night.", context="Travel policy 2026, draft > Hotels")
    old = passage(2, "A hotel may cost GBP 105 a night.", context="Travel policy 2023 > Hotels")
    found = reading((old, "GBP 105", 4.0), (new, "GBP 140", 3.9))
    assert marked(compose_reading("What may a hotel cost a night?", found, [old, new]))


def test_it_says_a_table_row_by_its_columns() -> None:
    result = compose_reading("What may I spend on a night in Leeds?", reading((TABLE, "GBP 140", 4.0)), [TABLE])
    assert result.sentences[0].text == "City: Leeds · Limit per night: GBP 140"
    assert marked(result) == ["GBP 140"]
    assert result.quotes[0].text == "Leeds | GBP 140"


def test_it_never_answers_with_the_names_of_columns() -> None:
    assert not compose_reading("What may I spend in Leeds?", reading((TABLE, "Limit per night", 4.0)), [TABLE]).is_answered


def test_it_quotes_one_row_when_the_span_runs_over_two() -> None:
    result = compose_reading("What may I spend in Leeds?", reading((TABLE, "GBP 140\nPo", 4.0)), [TABLE])
    assert result.sentences[0].text == "City: Leeds · Limit per night: GBP 140"
    assert marked(result) == ["GBP 140"]


def test_it_takes_the_column_names_of_a_long_table_from_the_context() -> None:
    rows = passage(4, "Leeds | GBP 140\nPorto | EUR 130", context="Travel policy > Hotels\nCity | Limit per night")
    result = compose_reading("What may I spend on a night in Porto?", reading((rows, "EUR 130", 4.0)), [rows])
    assert result.sentences[0].text == "City: Porto · Limit per night: EUR 130"


@pytest.mark.parametrize(
    "text", ["Owner | People team\nVersion | 2\nValid from | 1 July", "1 | Ghent\n2 | Leeds", "Leeds | GBP 140"]
)
def test_it_says_a_row_as_it_stands_when_no_row_names_the_columns(text: str) -> None:
    row = text.rsplit("\n", maxsplit=1)[-1]
    item = passage(1, text)
    result = compose_reading("What is it?", reading((item, row.split(" | ")[1], 4.0)), [item])
    assert result.sentences[0].text == row


def test_it_gives_the_whole_list_under_one_citation() -> None:
    result = compose_reading("What are the things to bring on day one?", reading((RULES, "Your signed contract", 4.0)), [RULES])
    assert [(sentence.text, sentence.layout) for sentence in result.sentences] == [
        ("Bring these on day one:", "plain"),
        ("1. An identity document.", "item"),
        ("2. Your signed contract.", "item"),
        ("3. A bank card.", "item"),
    ]
    assert len(result.quotes) == 1
    check_verbatim(result, RULES)


def test_it_gives_one_item_when_one_is_asked_for() -> None:
    result = compose_reading("When do I bring my contract?", reading((RULES, "Your signed contract", 4.0)), [RULES])
    assert [sentence.text for sentence in result.sentences] == ["2. Your signed contract."]


def test_it_lists_the_sentences_of_a_passage_that_hold_items() -> None:
    item = passage(1, "Ghent has a canteen. Porto is by the river. Leeds has a canteen, too. London has none.")
    found = reading((item, "Ghent", 4.0), (item, "Leeds", 3.0), (item, "London", -1.0))
    result = compose_reading("Which offices have a canteen?", found, [item])
    assert [sentence.text for sentence in result.sentences] == ["Ghent has a canteen.", "Leeds has a canteen, too."]
    assert marked(result) == ["Ghent", "Leeds"]


@pytest.mark.parametrize("span", ["Ghent, Porto and Leeds", "Ghent", "Porto"])
def test_it_marks_each_member_of_a_series(span: str) -> None:
    text = "Our canteens are Ghent, Porto and Leeds."
    item = passage(1, text)
    result = compose_reading("Which offices have canteens?", reading((item, span, 4.0)), [item])
    assert [sentence.text for sentence in result.sentences] == [text]
    assert marked(result) == ["Ghent", "Porto", "Leeds"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which offices have a canteen?", True),
        ("What are the notice periods?", True),
        ("List the public holidays.", True),
        ("Who are the confidential advisers?", True),
        ("Which gym does the company pay for?", False),
        ("What is the limit per person?", False),
        ("What does E-417 mean?", False),
        ("How many days do employees get?", False),
        ("Who approves discounts?", False),
        ("What time does the bus leave?", False),
    ],
)
def test_it_knows_a_question_that_asks_for_a_list(question: str, expected: bool) -> None:
    assert asks_for_list(question) is expected
