from __future__ import annotations

from specialists.extractive import Evidence, compose, list_candidates


def evidence(passage: int, context: str, *sentences: str) -> Evidence:
    text, spans = "", []
    for sentence in sentences:
        spans.append((len(text), len(text) + len(sentence)))
        text += sentence + " "
    return Evidence(passage, context, text, tuple(spans))


LEAVE = evidence(
    1,
    "Leave policy > Annual leave",
    "Managers plan leave with their team in January.",
    "Full-time employees receive 27 days of paid annual leave per calendar year.",
    "How much is that in weeks?",
)
TRAVEL = evidence(
    2, "Travel policy > Hotels", "Hotels in Lisbon may cost up to 140 euros a night.", "Book through the portal only."
)


def test_it_quotes_the_sentence_that_answers_word_for_word() -> None:
    result = compose("How many days of annual leave do full-time employees get?", [LEAVE, TRAVEL])
    assert result.is_answered
    best = result.quotes[0]
    assert best.passage == 1
    assert best.text == "Full-time employees receive 27 days of paid annual leave per calendar year."
    assert LEAVE.text[best.start : best.end] == best.text


def test_it_abstains_when_nothing_answers() -> None:
    result = compose("What is the boiling point of mercury?", [LEAVE, TRAVEL])
    assert not result.is_answered


def test_it_abstains_without_evidence() -> None:
    assert not compose("Anything?", []).is_answered


def test_it_never_offers_a_question_or_a_scrap_as_an_answer() -> None:
    scraps = evidence(3, "FAQ", "How many days of leave are there?", "Yes.", "Leave is counted in whole days.")
    assert [candidate.text for candidate in list_candidates("days of leave", [scraps])] == ["Leave is counted in whole days."]


def test_it_says_the_same_thing_once() -> None:
    again = evidence(4, "Benefits", "Full-time employees receive 27 days of paid annual leave per calendar year.")
    result = compose("How many days of annual leave do full-time employees get?", [LEAVE, again])
    assert [quote.text for quote in result.quotes].count(LEAVE.text[LEAVE.sentences[1][0] : LEAVE.sentences[1][1]]) == 1
