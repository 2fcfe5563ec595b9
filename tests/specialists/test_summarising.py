from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from specialists.composition.types import Composition, Evidence
from specialists.language_models.types import End, Message, Piece
from specialists.summarising.picking import pick
from specialists.summarising.wish import document_named
from specialists.summarising.writing import write_summary
from specialists.writing import Draft

SECTIONS = {
    "Annual leave": "Full-time employees receive 27 days of paid leave per year. Unused days expire on 31 March of the next.",
    "Parental leave": "Parental leave lasts 18 weeks at full pay. It can be taken in up to three parts by each parent.",
    "Sick leave": "A medical certificate is needed from the fourth day of sickness. Is a photo of it enough? Ask your manager.",
}


def evidence_of(sections: dict[str, str]) -> list[Evidence]:
    found = []
    for number, (heading, text) in enumerate(sections.items(), start=1):
        ends = [place + 1 for place, char in enumerate(text) if char in ".?"]
        starts = [0, *(end + 1 for end in ends[:-1])]
        found.append(Evidence(number, f"Leave policy > {heading}", text, tuple(zip(starts, ends, strict=True))))
    return found


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Summarise “Leave policy”", "Leave policy"),
        ("please summarize the document 'Leave policy' in three sentences.", "Leave policy"),
        ("Can you give me a short summary of leave-policy.md, please?", "leave-policy.md"),
        ("TL;DR of Leave policy", "Leave policy"),
        ("How is leave summarised in the payslip?", ""),
        ("Summarise", ""),
    ],
)
def test_it_reads_which_document_is_to_be_summarised(message: str, name: str) -> None:
    assert document_named(message) == name


def picked(evidence: Sequence[Evidence]) -> Composition:
    work = pick(evidence)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def test_it_quotes_what_carries_each_section_in_the_documents_order() -> None:
    evidence = evidence_of(SECTIONS)

    composition = picked(evidence)

    assert composition.is_answered
    assert {quote.passage for quote in composition.quotes} == {1, 2, 3}
    places = [(quote.passage, quote.start) for quote in composition.quotes]
    assert places == sorted(places)
    for quote in composition.quotes:
        assert evidence[quote.passage - 1].text[quote.start : quote.end] == quote.text
        assert not quote.text.endswith("?")


def test_it_quotes_no_line_about_the_document() -> None:
    """Which, as the first of its section, would be preferred to the others."""
    header = "Owner: Ada Lane, Head of People, Ghent · Last checked on 12 October 2026"
    text = f"{header}\n{SECTIONS['Annual leave']}"
    end = text.index("year.") + len("year.")
    spans = ((0, len(header)), (len(header) + 1, end), (end + 1, len(text)))
    quoted = [quote.text for quote in picked([Evidence(1, "Leave policy > Annual leave", text, spans)]).quotes]
    assert quoted and header not in quoted


def test_it_finds_nothing_to_quote_in_a_table() -> None:
    rows = "Berlin | 12 | 4\nParis | 9 | 3"
    assert not picked([Evidence(1, "Offices", rows, ((0, 15), (16, 29)))]).is_answered


class Parrot:
    """Says the first sentence of each passage that it is given, with its number."""

    name, adapters = "parrot", ()

    def __init__(self, window: int) -> None:
        self.window = window
        self.asked: list[str] = []

    def generate(self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "") -> Iterator[Piece | End]:
        self.asked.append(messages[1].content)
        for number, block in enumerate(messages[1].content.split("<passage ")[1:], start=1):
            yield Piece(f"{block.split(chr(10))[1].split('. ')[0].rstrip('.')} [{number}]. ")
        yield Piece("The office in Rome is closed [1].")
        yield End("stop", 100, 10)

    def count_tokens(self, text: str) -> int:
        return len(text) // 3

    def warm_up(self) -> None:
        return


def test_it_writes_a_long_document_part_by_part_from_its_own_words() -> None:
    evidence = evidence_of(SECTIONS)
    model = Parrot(window=980)  # two of the three sections and the rules, or three short quotes
    work = write_summary(model, "Leave policy", evidence, None)
    told = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            draft: Draft = end.value
            break

    assert len(model.asked) >= 3
    assert {quote.passage for quote in draft.quotes} == {1, 2, 3}
    for quote in draft.quotes:
        assert evidence[quote.passage - 1].text[quote.start : quote.end] == quote.text
    assert "Rome" not in " ".join(sentence.text for sentence in draft.sentences)
    assert draft.left_out == 1
    assert draft.end.tokens_in == 100 * len(model.asked)
