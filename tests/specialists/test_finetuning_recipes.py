"""Rows of tickets, contracts and code, near duplicates, and what a recipe takes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ingestion.chunking import chunk_document
from ingestion.parsers.formats import read_document
from specialists.finetuning import clauses
from specialists.finetuning.clauses import Wording, clause_pairs
from specialists.finetuning.duplicates import without_near_duplicates
from specialists.finetuning.howto import callable_name, code_pairs, is_test, usage_pairs
from specialists.finetuning.mixing import hold_out, hold_out_enough
from specialists.finetuning.pairs import Pair, Section
from specialists.finetuning.presets import PRESETS, choose_pairs, lacks_its_subject
from specialists.finetuning.records import Piece, Record, records_of, starts_of_parts
from specialists.finetuning.rows import Row, RowPassage, render_row
from specialists.finetuning.tickets import ticket_pairs
from specialists.finetuning.verbs import how_do_i
from tests.ingestion.test_parsers_records import MAILBOX, PYTHON

CSV = """Ticket,Subject,Conversation,Resolution
T-1,Gate stays shut,"Ada: Hello,
The gate of hall 3 stays shut since noon.
Ben: We change the fuse.",Changed the fuse of the motor. Tested it twice with the customer.
T-2,Second gate,It is slow.,Done
"""
ANSWERED = """From: Ben <ben@example.org>
To: Ada <ada@example.org>
Subject: Re: Gate stays shut

Dear Ada,

The fuse was blown. Change it with the one in the lid.

Kind regards,
Ben

On Mon, 2 Feb 2026, Ada wrote:

> The gate of hall 3 stays shut.
"""
LAW = "This agreement is governed by the law of Belgium."
CONTRACTS = {
    "data": [
        {
            "title": name,
            "paragraphs": [{
                "context": f"{name} sells parts to the buyer. {LAW} Courts sit in {place}.",
                "qas": [
                    {"id": f"{name}__Governing Law", "question": "", "risk": "low", "answers": [{"text": "law of\n Belgium"}]},
                    {"id": f"{name}__Exclusivity", "question": "", "answers": []},
                ],
            }],
        }
        for name, place in (("Linn", "Ghent"), ("Vale", "Leuven"))
    ]
}  # fmt: skip


def read(folder: Path, name: str, content: str) -> tuple[list[Record], list[Section], str, list[int]]:
    """The records and passages of a file, as a data set's maker has them."""
    path = folder / "stored"
    path.write_text(content, encoding="utf-8")
    parsed = read_document(path, name)
    chunks = chunk_document(parsed, title=name, count_tokens=lambda texts: [len(text.split()) for text in texts])
    sections = [
        Section(
            number, 1, name, item.context, item.heading_path, parsed.text[item.start : item.end],
            tuple((start - item.start, end - item.start) for start, end in item.sentences), start=item.start,
        )
        for number, item in enumerate(chunks)
    ]  # fmt: skip
    pieces = [
        Piece(item.kind, item.start, item.end, item.heading_path, item.level, item.table, item.is_header, item.cells)
        for item in parsed.blocks
    ]
    return list(records_of(parsed.format, parsed.text, pieces)), sections, parsed.text, starts_of_parts(parsed.format, pieces)


def tickets(folder: Path, name: str, content: str) -> list[tuple[str, str]]:
    records, sections, _, _ = read(folder, name, content)
    pairs = [pair for record in records for pair in ticket_pairs(record, sections)]
    assert all(line in " ".join(pair.section.text.split()) for pair in pairs for line in pair.answer.split("\n"))
    return [(pair.question, pair.answer) for pair in pairs]


def test_a_ticket_asks_what_the_customer_wrote_and_answers_with_its_resolution(tmp_path: Path) -> None:
    expected = "Changed the fuse of the motor.\nTested it twice with the customer."
    turns = [{"author": "Ada", "text": "Hello,"}, {"author": "Ada", "text": "It stays shut."}, {"author": "Ben", "text": "Fuse?"}]
    line = {"subject": "Gate 3?", "conversation": turns, "resolution": expected.replace("\n", " ")}

    [(question, answer)] = tickets(tmp_path, "a.csv", CSV)
    assert question.startswith("Gate stays shut. ") and "since noon" in question
    assert answer == expected
    assert tickets(tmp_path, "a.jsonl", json.dumps(line)) == [("Gate 3? It stays shut.", expected)]


def test_a_long_ticket_is_found_by_its_subject(tmp_path: Path) -> None:
    long = "It made a noise and then it stopped again. " * 60
    _, sections, _, _ = read(tmp_path, "a.csv", f'Subject,Conversation,Resolution\nGate,"{long}",Changed the fuse of it.\n')

    assert tickets(tmp_path, "a.csv", f'Subject,Conversation,Resolution\nGate,"{long}",Changed the fuse.\n')
    assert len(sections) > 1
    assert all("Gate" in section.context for section in sections)


def test_a_thread_asks_its_first_words_and_answers_with_the_last_of_somebody_else(tmp_path: Path) -> None:
    assert tickets(tmp_path, "a.mbox", MAILBOX) == [
        (
            "Gate stays shut. The gate of hall 3 stays shut. From the office it can be opened.",
            "The fuse was blown.\nChange it.",
        )
    ]
    assert tickets(tmp_path, "a.eml", ANSWERED) == [
        ("Re: Gate stays shut. The gate of hall 3 stays shut.", "The fuse was blown.\nChange it with the one in the lid.")
    ]
    assert tickets(tmp_path, "a.eml", "Subject: News\nFrom: Ben <ben@example.org>\n\nThe gate works again since today.\n") == []


def test_a_table_that_is_no_list_of_tickets_gives_none(tmp_path: Path) -> None:
    assert tickets(tmp_path, "a.csv", "Office,Rooms\nGhent,3 large rooms\n") == []


def test_a_contract_gives_the_type_and_risk_of_its_clauses_and_what_it_says_of_each(tmp_path: Path) -> None:
    records, sections, text, parts = read(tmp_path, "a.json", json.dumps(CONTRACTS))
    pairs = [pair for record in records for pair in clause_pairs(record, sections, Wording(text))]

    assert [(pair.question, pair.answer, pair.origin) for pair in pairs[:3]] == [
        ("Which type of clause is this, and what is its risk? “law of Belgium”", "Governing Law, risk: low", "label"),
        ("What does “Linn” say about governing Law?", LAW, "clause"),
        ("What does “Linn” say about exclusivity?", "Exclusivity: not in this contract", "clause"),
    ]
    assert [pair.section.heading_path[0] for pair in pairs] == ["Linn"] * 3 + ["Vale"] * 3
    assert len(parts) == 2


def test_a_table_of_clauses_gives_their_types_and_risks(tmp_path: Path) -> None:
    records, sections, text, _ = read(tmp_path, "a.csv", "clause,type,risk\nThe seller pays for all damage.,Liability,high\n")

    [pair] = [pair for record in records for pair in clause_pairs(record, sections, Wording(text))]
    assert (pair.answer, "all damage" in pair.question) == ("Liability, risk: high", True)


class CountingPattern:
    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern, self.times = pattern, 0

    def finditer(self, text: str) -> Any:
        self.times += 1
        return self.pattern.finditer(text)


def test_a_contract_is_read_once_for_all_of_its_clauses(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = CountingPattern(clauses._WORD)
    monkeypatch.setattr(clauses, "_WORD", counting)
    text = "\n\n".join(f"Clause {number}: the  Seller\ndelivers (lot {number}) by noon." for number in range(300))
    wording = Wording(text)

    for number in range(300):
        found = wording.find(f"the Seller delivers (lot {number}) by noon", 0, len(text))
        assert found is not None
        assert text[found[0] : found[1]] == f"the  Seller\ndelivers (lot {number}) by noon"
    assert counting.times == 1
    assert wording.find("Seller delivers (lot 7) by noon", text.index("Clause 8:"), len(text)) is None
    assert wording.find("lot 7) by no", 0, len(text)) == re.search(r"lot 7\) by no", text).span()  # type: ignore[union-attr]
    assert wording.find("lot 7)", 0, len(text)) == re.search(r"lot 7\)", text).span()  # type: ignore[union-attr]
    assert wording.find("noon. Clause 8: and no more", 0, len(text)) is None


def test_code_is_asked_how_to_do_what_its_docstrings_say(tmp_path: Path) -> None:
    source = PYTHON.replace("# Nothing is said about it.", '"""Sends a report to one person, and gives up. Twice if need be."""')
    records, sections, _, _ = read(tmp_path, "mailer.py", source)
    pairs = [pair for record in records for pair in code_pairs(record, sections)]

    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("How do I keep a connection?", "Mailer: Keeps a connection."),
        ("What is Mailer.address for?", "address(self) -> str: Where it sends from."),
        (
            "How do I send a report to one person?",
            "send(self, to: str) -> None: Sends a report to one person, and gives up.",
        ),
    ]
    assert {callable_name(record) for record in records} == {"Mailer", "address", "send", "stop"}


def test_a_test_shows_how_a_function_is_called(tmp_path: Path) -> None:
    source = "def test_it_sends() -> None:\n    mailer = Mailer()\n    mailer.send('ada', twice=True)\n    mailer.send('ben')\n"
    records, sections, _, _ = read(tmp_path, "tests/test_mailer.py", source)

    pairs = [pair for record in records for pair in usage_pairs(record, sections, {"send", "stop"})]
    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("How do I call send? Show an example.", "mailer.send('ada', twice=True)")
    ]
    assert [is_test(name) for name in ("tests/a.py", "a/test_b.py", "b.test.ts", "GateTest.java", "latest/a.py")] == [
        True, True, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "question"),
    [
        ("Installing the agent", "How do I install the agent?"),
        ("Run the tests.", "How do I run the tests?"),
        ("Applies a migration", ""),
        ("Opening hours", ""),
        ("Order status", ""),
        ("Orders abroad", ""),
        ("Setting up a probe", "How do I set up a probe?"),
        ("Installation", ""),
        ("Running", ""),
        ("Rules of the house", ""),
    ],
)
def test_it_asks_how_to_do_what_a_heading_does(words: str, question: str) -> None:
    assert how_do_i(words) == question


def test_it_asks_how_to_do_what_a_docstring_says() -> None:
    assert how_do_i("Applies a migration.", is_sentence=True) == "How do I apply a migration?"
    assert how_do_i("Order parts", is_sentence=True) == "How do I order parts?"
    assert how_do_i("Where it sends from.", is_sentence=True) == ""


def pair_of(question: str, answer: str = "Ask the porter.", origin: str = "heading") -> Pair:
    return Pair(question, answer, Section(1, 1, "", "", (), answer, ()), origin)


def test_of_nearly_the_same_the_first_stays_unless_a_number_differs() -> None:
    first = pair_of("The gate of the north hall stays shut since the storm of last night, what can we do about it?")
    again = pair_of("the gate of the north hall stays shut, since the storm of last night: what can we do about it now?")
    other = pair_of("What does the table say about the price of the part that the gate of the north hall needs, number 12?")
    numbered = pair_of(other.question.replace("12", "13"))

    assert without_near_duplicates([first, again, other, numbered]) == [first, other, numbered]


def test_a_recipe_takes_what_it_is_about_and_little_besides() -> None:
    pairs = [pair_of(f"Ticket {number}?", origin="ticket") for number in range(7)]
    pairs += [pair_of(f"Heading {number}?") for number in range(20)]

    kept, left = choose_pairs(pairs, PRESETS["support"])
    assert ([pair.origin for pair in kept], left) == (["ticket"] * 7 + ["heading"] * 3, 17)
    assert choose_pairs(pairs, PRESETS["general"]) == (pairs, 0)
    assert not lacks_its_subject(pairs, PRESETS["support"])
    assert lacks_its_subject(pairs, PRESETS["code"])
    assert all(sum(preset.shares.values()) == pytest.approx(1) for preset in PRESETS.values())


def test_of_a_file_of_many_tickets_a_fifth_is_held_out() -> None:
    held = hold_out({(1, part) for part in range(10)} | {(document, 0) for document in range(2, 12)}, seed=7)

    assert (sum(unit[0] == 1 for unit in held), sum(unit[0] != 1 for unit in held)) == (2, 2)


def test_of_few_documents_as_many_are_held_out_as_it_takes_to_judge_by() -> None:
    many, few, fewest = ({(document, 0): 3 for document in range(size)} for size in (40, 10, 2))

    assert hold_out_enough(many, seed=7) == hold_out(many, seed=7)
    assert len(hold_out_enough(few, seed=7)) == 5 > len(hold_out(few, seed=7))
    assert len(hold_out_enough(fewest, seed=7)) == 1


def test_each_sentence_of_an_answer_is_cited() -> None:
    row = Row("Gate?", (RowPassage(1, "T", "It is done so. Changed the fuse. Tested it."),), "Changed the fuse.\nTested it.", 1)

    rendered = render_row(row, count_tokens=lambda text: len(text.split()), window=2000, most_tokens=100)
    assert rendered.completion == "Changed the fuse. [1]\nTested it. [1]"
