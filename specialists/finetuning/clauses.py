"""Contracts whose clauses are named, in CUAD's form or as a table: which type a clause is and what risk it has, and what a
contract says about a type."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

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


def clause_pairs(record: Record, sections: Sequence[Section], text: str) -> Iterator[Pair]:
    """`sections` and `text`: of the record's document. Hendrycks et al. 2021 (CUAD) have the types, reviewers the risk."""
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
    yield from _in_the_contract(record, kind, quoted, sections, text)


def _in_the_contract(
    record: Record, kind: Field, quoted: str, sections: Sequence[Section], text: str
) -> Iterator[Pair]:  # fmt: skip
    """Where the same words stand in the contract above its table, their whole sentences."""
    at = bisect_right(sections, record.start, key=lambda item: item.start) - 1
    while at >= 0 and sections[at].heading_path[:1] == record.path[:1]:
        at -= 1
    begin = sections[at].start + len(sections[at].text) if at >= 0 else 0
    pattern = re.compile(r"\s+".join(map(re.escape, quoted.split())))
    found = pattern.search(text, begin, record.start)
    section = section_at(sections, found.start()) if found else None
    if found is None or section is None:
        return
    spans = [(left + section.start, right + section.start) for left, right in section.sentences]
    whole = [(left, right) for left, right in spans if left < found.end() and right > found.start()]
    answer = lines_within(section, whole[0][0], whole[-1][1]) if whole else ""
    if answer:
        yield Pair(_about(record, kind), answer, section, "clause")


def _about(record: Record, kind: Field) -> str:
    named = record.of(*CONTRACT)
    title = named.text if named else record.path[0] if record.path else "the contract"
    return f"What does “{title}” say about {kind.text[:1].lower()}{kind.text[1:]}?"
