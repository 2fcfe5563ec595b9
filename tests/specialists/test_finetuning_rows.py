"""Rows for fine-tuning: what the documents' own form asks, what stands beside it, and what must not be trained on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from specialists.finetuning.findings import find
from specialists.finetuning.mixing import NOT_FOUND, Mixed, hold_out, mix
from specialists.finetuning.pairs import Pair, Section, distinct, pairs_of
from specialists.finetuning.rows import Row, RowPassage, render_row, rows_sha256
from specialists.prompting import NO_ANSWER

TOPICS = ("leave", "travel", "parking", "pensions", "laptops", "training", "sickness", "visitors", "keys", "lunch")


def section(number: int, *, document: int | None = None) -> Section:
    topic = TOPICS[number % len(TOPICS)]
    text = f"The rule about {topic} of group {number} is kept by office {number * 7 + 1}. Ask there before you do anything."
    end = text.index(". ") + 1
    return Section(
        number, document or number // 4, f"Guide {number // 4}", f"Guide {number // 4} > {topic}", (topic.title(),), text,
        ((0, end), (end + 1, len(text))),
    )  # fmt: skip


SECTIONS = {number: section(number) for number in range(1, 121)}
HELD_OUT = hold_out({item.unit for item in SECTIONS.values()}, seed=7)


def mixed() -> list[Mixed]:
    made = []
    for number, item in SECTIONS.items():
        pair = next(iter(pairs_of(item)))
        near = [number, *(other for other in SECTIONS if other != number and other % 10 == number % 10)]
        row = mix(pair, near, SECTIONS, held_out=HELD_OUT, seed=7)
        assert isinstance(row, Mixed)
        made.append(row)
    return made


def test_it_asks_what_headings_and_tables_say() -> None:
    asks = replace(SECTIONS[1], heading_path=("2.1 Who may take the train?",))
    named = replace(SECTIONS[1], heading_path=("Guide", "First class"))
    table = replace(SECTIONS[1], text="Ghent | 3 rooms\nPorto | 5 rooms", columns=("Office ", " Rooms"), heading_path=())

    assert [(pair.question, pair.origin) for pair in pairs_of(asks)] == [("Who may take the train?", "faq")]
    assert [pair.question for pair in pairs_of(named)] == ["What do I need to know about first class?"]
    assert [(pair.question, pair.answer) for pair in pairs_of(table)] == [
        ("What does “Guide 0” say under “Rooms” for “Ghent”?", "Ghent | 3 rooms"),
        ("In “Guide 0”, what stands under “Rooms” for “Porto”?", "Porto | 5 rooms"),
    ]


@pytest.mark.parametrize(
    ("heading", "asked"),
    [
        ("The two models", "What applies to the two models?"),
        ("Codes", "What is there to know about codes in “Guide 0”?"),
        ("October releases", "What applies to October releases?"),
        ("Ghent office", "What applies to Ghent office?"),
        ("A poisoned batch", "What applies to a poisoned batch?"),
        ("What the gateway does", "Can you tell me what the gateway does?"),
        ("Why", ""),
        ("When it does not connect", "What applies when it does not connect?"),
        ("Getting your money back", "How do I get my money back?"),
        ("Found something?", ""),
        ("Ghent gets a new calibration hall", ""),
        ("By office", ""),
        ("Add workers", ""),
        ("My phone had the passkey", ""),
        ("Slow, but alive", ""),
        ("Schedule 1: Charges", ""),
        ("4.7.1, 9 November 2026", ""),
        ("Five parameters, fourteen months, one battery pack", ""),
        ("Five parameters…", ""),
        ("How we work with each other, with customers and with the rivers", ""),
        ("Words that we do not use", "What applies to words that we do not use?"),
    ],
)
def test_it_asks_in_english_or_not_at_all(heading: str, asked: str) -> None:
    text = "The office in Ghent keeps the rule. Ask there before you do anything."
    item = replace(SECTIONS[3], title="Guide 0", heading_path=(heading,), text=text, sentences=((0, 35), (36, len(text))))
    assert [pair.question for pair in pairs_of(item)] == ([asked] if asked else [])


def test_it_answers_with_no_line_about_the_document() -> None:
    text = "Owner: Ada Lane, IT · Last checked on 12 October 2026\nStart Tidewall and choose Ghent."
    end = text.index("\n")
    vpn = replace(SECTIONS[1], heading_path=("Connecting with the VPN",), text=text, sentences=((0, end), (end + 1, len(text))))
    assert [pair.answer for pair in pairs_of(vpn)] == ["Start Tidewall and choose Ghent."]
    assert list(pairs_of(replace(vpn, sentences=((0, end),)))) == []


def test_it_asks_nothing_where_the_heading_says_nothing() -> None:
    for heading in ("Introduction", "Guide 0", "1", ""):
        assert list(pairs_of(replace(SECTIONS[1], heading_path=(heading,)))) == []
    assert list(pairs_of(replace(SECTIONS[1], is_first=False))) == []


def test_of_two_that_ask_the_same_the_first_stays() -> None:
    first = Pair("How long is leave?", "27 days.", SECTIONS[1], "example")

    assert distinct([first, replace(first, question="how LONG is leave", origin="faq")]) == [first]


def test_a_row_to_train_on_shows_nothing_of_the_held_out_documents() -> None:
    shown = {(row.is_held_out, SECTIONS[passage.chunk].unit in HELD_OUT) for row in mixed() for passage in row.row.passages}

    assert (False, True) not in shown
    assert (False, False) in shown and (True, True) in shown


def test_most_rows_have_their_passage_among_others_and_a_quarter_has_none() -> None:
    rows = mixed()
    counts = Counter(row.kind for row in rows)

    assert 0.4 < counts["near"] / len(rows) < 0.75
    assert 0.12 < counts["unanswerable"] / len(rows) < 0.4
    for row in rows:
        chunks = [passage.chunk for passage in row.row.passages]
        assert (row.row.gold in chunks) == row.row.is_answerable == (row.kind != "unanswerable")
        assert len(chunks) == len(set(chunks))


def test_a_changed_fact_is_changed_in_the_passage_and_the_answer_alike() -> None:
    altered = [row for row in mixed() if row.kind == "altered"]

    assert altered
    for row in altered:
        passage = next(item for item in row.row.passages if item.chunk == row.row.gold)
        assert row.row.answer in passage.text
        assert row.row.answer not in SECTIONS[row.row.gold].text


def test_a_question_that_does_not_find_its_own_passage_becomes_no_row() -> None:
    pair = next(iter(pairs_of(SECTIONS[1])))

    assert mix(pair, [2, 3, 4], SECTIONS, held_out=frozenset(), seed=7) == NOT_FOUND


def test_one_seed_has_one_outcome() -> None:
    assert rows_sha256(row.row for row in mixed()) == rows_sha256(row.row for row in mixed())


def words(text: str) -> int:
    return len(text.split())


def test_the_passage_that_answers_stays_when_the_window_is_small() -> None:
    passages = tuple(RowPassage(number, "Title", f"Passage {number} " + "says this and that. " * 30) for number in range(1, 9))
    row = Row("What does it say?", passages, "Passage 8 says this and that.", 8)

    small = render_row(row, count_tokens=words, window=560, most_tokens=100)
    assert 1 < len(small.prompt.numbers) < 8
    number = next(number for number, place in small.prompt.numbers.items() if place == 8)
    assert small.completion == f"Passage 8 says this and that. [{number}]"


def test_a_window_that_cuts_the_answer_off_its_passage_teaches_to_refuse() -> None:
    passage = RowPassage(1, "Title", "Much is said before it. " * 200 + "The answer is forty-two.")
    row = Row("What is the answer?", (passage,), "The answer is forty-two.", 1)

    assert render_row(row, count_tokens=words, window=560, most_tokens=100).completion == NO_ANSWER
    whole = render_row(row, count_tokens=words, window=5000, most_tokens=100)
    assert whole.completion == "The answer is forty-two. [1]"


def test_without_its_passage_a_row_teaches_to_refuse() -> None:
    row = Row("What does it say?", (RowPassage(1, "Title", "Nothing about that."),), "", 2)

    assert render_row(row, count_tokens=words, window=2000, most_tokens=100).completion == NO_ANSWER


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("the password is Tr0ub4dor&3x-9zQ", "password"),
        ("api_key = f3a9c1d27b8e4650", "password"),
        ("AKIAIOSFODNN7EXAMPLE", "access key"),
        ("postgres://app:hunter22@db/prod", "address with a password"),
        ("card 4111 1111 1111 1111", "card number"),
    ],
)
def test_it_finds_secrets(text: str, kind: str) -> None:
    assert [(item.kind, item.is_secret) for item in find(f"Before. {text} After.")] == [(kind, True)]


def test_it_shows_personal_data_and_leaves_ordinary_words_alone() -> None:
    found = {item.kind for item in find("Write to ada@example.org or call +44 20 7946 0958; IBAN GB82 WEST 1234 5698 7654 32.")}

    assert found == {"e-mail address", "telephone number", "bank account"}
    assert find("Your password is a sentence of at least 14 characters. Version 4.2 of 12 March 2026, order 10293847.") == []
