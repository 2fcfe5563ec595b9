from __future__ import annotations

import pytest

from specialists.grounding.rules import judge, states_something

POLICY = (
    "Leave policy\nFull-time employees receive 20 days of paid leave each year. Unused days must be used before 31 March 2027. "
    "The manager may approve up to 5 more days. Alice Young reports to Bob Stone. Contractors do not receive paid leave. "
    "Error E-417 means that the sensor is dry. The budget is $1,500 or 12.5 % of the price. The desk opens at 5 pm on Friday. "
    "Its motto is “measure twice and cut once”. Members of the European Union are served within two weeks."
)


@pytest.mark.parametrize(
    "claim",
    [
        "Full-time employees receive 20 days of paid leave each year.",
        "Full-time employees receive twenty days of paid leave a year.",
        "Contractors don't receive paid leave.",
        "Unused days must be used before March 31, 2027.",
        "Unused days must be used before 2027-03-31.",
        "Unused days must be used before the end of March 2027.",
        "The budget is 1500 dollars or 12.5 percent of the price.",
        "The desk opens at 17:00 on Friday.",
        "Members of the EU are served within 14 days.",
        "According to the policy, Bob Stone is the person to whom Alice Young reports.",
        "Error E417 says that the sensor is dry.",
        "The motto is “Measure twice and cut once”.",
        "There are two kinds of days: paid leave and more days that the manager may approve.",
    ],
)
def test_it_accepts_what_the_passage_says_in_other_forms(claim: str) -> None:
    assert judge(claim, [POLICY]).faults == ()


@pytest.mark.parametrize(
    ("claim", "kind", "reason"),
    [
        ("Full-time employees receive 25 days of paid leave each year.", "number", "“25 days” is not in the cited passage"),
        ("Full-time employees receive 20 weeks of paid leave.", "unit", "where the cited passage says “20 days”"),
        ("Full-time employees receive 5 days of paid leave each year.", "number", "It says “5 days”"),
        ("Unused days must be used before 31 May 2027.", "date", "which says “31 March 2027”"),
        ("Unused days must be used after 31 March 2027.", "opposite", "It says “after”"),
        ("The manager must approve up to 5 more days.", "opposite", "says “may”"),
        ("Bob Stone reports to Alice Young.", "name", "Alice Young reports to Bob Stone"),
        ("The day is approved by Maria Keller.", "name", "“Maria Keller” is not in the cited passage."),
        ("Contractors receive paid leave.", "negation", "leaves that out"),
        ("Full-time employees do not receive 20 days of paid leave each year.", "negation", "which the cited passage does not"),
        ("Error E-471 means that the sensor is dry.", "code", "“E-471” is not"),
        ("The desk opens at 6 pm on Friday.", "time", "“6 pm” is not"),
        ("The desk opens at 5 pm on Monday.", "date", "Monday"),
        ("The motto is “measure once and cut twice”.", "quotation", "quotation marks"),
        ("Parking permits are issued by reception at headquarters.", "words", "Hardly any"),
        ("Alice Young reports to Bob Stone, and parking permits are issued by reception.", "words", "parking permits"),
    ],
)
def test_it_names_what_the_passage_does_not_say(claim: str, kind: str, reason: str) -> None:
    faults = judge(claim, [POLICY]).faults
    assert any(fault.kind == kind and reason in fault.reason for fault in faults), faults


@pytest.mark.parametrize(
    ("passage", "claim", "is_fault"),
    [
        ("Mira keeps the key.", "Jonas keeps the key.", True),
        ("Keys\nMira keeps the key. Jonas has the car.", "Jonas keeps the key.", True),
        ("Mira keeps the key. Jonas keeps the key of the cellar.", "Jonas keeps the key.", False),
        ("Zendesk collects all tickets from customers.", "Freshdesk collects all tickets from customers.", True),
        ("Staff keep the key in the drawer.", "Workers keep the key in the drawer.", False),
        ("Mira keeps the key in the drawer.", "Employees keep the key in the drawer.", False),
        ("Mira keeps the key. Another mira is in the garden.", "Jonas keeps the key.", False),
        ("Mira Keller leads the laboratory. Mira keeps the key.", "Keller keeps the key.", False),
        ("Elisabeth keeps the key.", "Elisa keeps the key.", False),
        ("Mira keeps the key.", "She keeps the key.", False),
    ],
)
def test_it_finds_another_name_where_it_begins_the_sentence(passage: str, claim: str, is_fault: bool) -> None:
    assert [fault.kind for fault in judge(claim, [passage]).faults] == (["name"] if is_fault else [])


def test_it_lets_a_sentence_that_agrees_outweigh_a_similar_one() -> None:
    winter = "The Oslo office gives engineers 10 days of leave in winter."
    summer = "In summer the Oslo office grants engineers 25 days of leave."
    claim = "The Oslo office gives engineers 25 days of leave."
    assert judge(claim, [f"{winter} The limit is 25 in all."]).faults
    assert judge(claim, [f"{winter} {summer}"]).faults == ()


def test_it_knows_whole_sentences_word_for_word_and_not_halves_of_them() -> None:
    assert judge("Alice Young reports to Bob Stone. Contractors don’t receive paid leave.", [POLICY]).is_verbatim
    assert not judge("receive paid leave", [POLICY]).is_verbatim


def test_it_takes_facts_from_all_passages_that_are_cited_together() -> None:
    claim = "Alice Young reports to Bob Stone and to Maria Keller."
    assert judge(claim, [POLICY]).faults
    assert judge(claim, [POLICY, "Maria Keller leads the laboratory."]).faults == ()


@pytest.mark.parametrize(
    ("text", "states"),
    [("Here is what I found:", False), ("Shall I look further?", False), ("", False), ("It is 20 days.", True), ("Yes.", False)],
)
def test_it_tells_what_needs_a_source(text: str, states: bool) -> None:
    assert states_something(text) is states
