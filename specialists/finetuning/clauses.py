"""Contracts whose clauses are named, in CUAD's form or as a table: which type a clause is and what risk it has, and what a
contract says about a type."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property

from specialists.finetuning.pairs import Pair, Section
from specialists.finetuning.quoting import lines_within, section_at
from specialists.finetuning.records import Field, Record

KIND = ("clause type", "clause_type", "type of clause", "type", "category", "label", "title")
RISK = ("risk", "risk level", "risk_level", "severity")
WORDS = ("words", "clause", "clause text", "clause_text", "text", "wording", "excerpt")
CONTRACT = ("contract", "agreement", "document", "file")
CLAUSE_NAMES = frozenset({"clause type", "clause_type", "type of clause", "clause", "clause text", "clause_text"})
NO_SUCH = "not in this contract"
MOST_QUOTED = 300  # characters
_WORD = re.compile(r"\S+")


class Wording:
    """A document's text, read once however many clauses are looked for in it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return [found.span() for found in _WORD.finditer(self.text)]

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, (start, end) in enumerate(self._spans):
            places[self.text[start:end]].append(place)
        return places

    def find(self, quoted: str, begin: int, end: int) -> tuple[int, int] | None:
        """Where in text[begin:end] the words stand first, whatever the spaces between them. The first and the last may be parts
        of a word, as in “(the Seller”."""
        wanted = quoted.split()
        if len(wanted) < 3:
            pattern = re.compile(r"\s+".join(map(re.escape, wanted)))
            found = pattern.search(self.text, begin, end)
            return found.span() if found else None
        rarest = min(range(1, len(wanted) - 1), key=lambda number: len(self._places.get(wanted[number], ())))
        for place in self._places.get(wanted[rarest], ()):
            span = self._span(wanted, place - rarest)
            if span is not None and begin <= span[0] and span[1] <= end:
                return span
        return None

    def _span(self, wanted: Sequence[str], first: int) -> tuple[int, int] | None:
        if first < 0 or first + len(wanted) > len(self._spans):
            return None
        spans = self._spans[first : first + len(wanted)]
        there = [self.text[start:end] for start, end in spans]
        if there[1:-1] != wanted[1:-1] or not there[0].endswith(wanted[0]) or not there[-1].startswith(wanted[-1]):
            return None
        return spans[0][1] - len(wanted[0]), spans[-1][0] + len(wanted[-1])


def clause_pairs(record: Record, sections: Sequence[Section], wording: Wording) -> Iterator[Pair]:
    """`sections` and `wording`: of the record's document. Hendrycks et al. 2021 (CUAD) have the types, reviewers the risk."""
    kind, risk, words = record.of(*KIND), record.of(*RISK), record.of(*WORDS)
    is_clause = CLAUSE_NAMES & {field.name.lower().strip() for field in record.fields}
    if record.kind != "row" or kind is None or words is None or not (is_clause or risk):
        return
    place = next(field.start for field in (risk, kind, words) if field is not None and field.start >= 0)
    section = section_at(sections, place)
    if section is None:
        return
    if words.text.strip() == NO_SUCH:
        yield Pair(_about(record, kind), f"{kind.text}: {NO_SUCH}", section, "clause")
        return
    asked = "Which type of clause is this, and what is its risk?" if risk else "Which type of clause is this?"
    quoted = " ".join(words.text.split())[:MOST_QUOTED].removesuffix(" …")
    yield Pair(f"{asked} “{quoted}”", f"{kind.text}, risk: {risk.text}" if risk else kind.text, section, "label")
    yield from _in_the_contract(record, kind, quoted, sections, wording)


def _in_the_contract(
    record: Record, kind: Field, quoted: str, sections: Sequence[Section], wording: Wording
) -> Iterator[Pair]:  # fmt: skip
    """Where the same words stand in the contract above its table, their whole sentences."""
    at = bisect_right(sections, record.start, key=lambda item: item.start) - 1
    while at >= 0 and sections[at].heading_path[:1] == record.path[:1]:
        at -= 1
    begin = sections[at].start + len(sections[at].text) if at >= 0 else 0
    found = wording.find(quoted, begin, record.start)
    section = section_at(sections, found[0]) if found else None
    if found is None or section is None:
        return
    spans = [(left + section.start, right + section.start) for left, right in section.sentences]
    whole = [(left, right) for left, right in spans if left < found[1] and right > found[0]]
    answer = lines_within(section, whole[0][0], whole[-1][1]) if whole else ""
    if answer:
        yield Pair(_about(record, kind), answer, section, "clause")


def _about(record: Record, kind: Field) -> str:
    named = record.of(*CONTRACT)
    title = named.text if named else record.path[0] if record.path else "the contract"
    return f"What does “{title}” say about {kind.text[:1].lower()}{kind.text[1:]}?"
