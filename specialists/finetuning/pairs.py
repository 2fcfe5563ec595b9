"""Questions that a document answers by its own form: headings that ask, the rows of its tables, and the sections it is made of.

No model writes them, so none can invent them: the answer is a sentence of the passage, word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from specialists.finetuning.headings import doing, question_about, question_of, question_of_cell
from specialists.metadata_lines import is_metadata_line

MOST_ANSWER = 400  # characters
LEAST_ANSWER = 15
MOST_ROWS_OF_TABLE = 12  # of one passage
_BARE = re.compile(r"\s+")
_NUMBERING = re.compile(r"^\s*(?:\d+(?:\.\d+)*[.)]?|[A-Z][.)]|§\s*\d+(?:\.\d+)*)\s+")


@dataclass(frozen=True, slots=True)
class Section:
    """A passage with where it stands. `context` is what a prompt calls it, as when people ask; `columns`: of the table that it is
    a part of; `sentences`: spans of its text."""

    chunk: int
    document: int
    title: str
    context: str
    heading_path: tuple[str, ...]
    text: str
    sentences: tuple[tuple[int, int], ...]
    columns: tuple[str, ...] = ()
    is_first: bool = True  # of the passages under its heading
    start: int = 0  # where its text begins in the document's
    part: int = 0  # of a file of many tickets or contracts: which of them; what is held out is never half of one
    stands_for: int = 0  # of a document with other versions: the one that stands for all of them; 0 is itself

    @property
    def unit(self) -> tuple[int, int]:
        """What is held out or trained on as a whole. Versions of a document say much the same, so they go together."""
        return self.stands_for or self.document, self.part


@dataclass(frozen=True, slots=True)
class Pair:
    """`origin`: faq, table, heading, example, written, howto, usage, ticket, clause or label. An answer of several lines is one
    of several sentences, each of which is cited. `rejected`: what a model wrote instead, whose words may come from any of the
    documents `rejected_from`; it had read the `rejected_units` of them."""

    question: str
    answer: str
    section: Section
    origin: str
    rejected: str = ""
    rejected_from: frozenset[int] = frozenset()
    rejected_units: frozenset[tuple[int, int]] = frozenset()


def pairs_of(section: Section) -> Iterator[Pair]:
    if section.columns:
        yield from _table_pairs(section)
    elif section.is_first:
        yield from _heading_pairs(section)


def _heading_pairs(section: Section) -> Iterator[Pair]:
    heading = _NUMBERING.sub("", section.heading_path[-1]).strip() if section.heading_path else ""
    answer = leading_sentence(section)
    if not heading or not answer:
        return
    if asked := question_of(heading):
        yield Pair(asked, answer, section, "faq")
    elif asked := doing(heading):
        yield Pair(asked, answer, section, "howto")
    elif question_key(heading) in question_key(section.title):
        return
    elif asked := question_about(heading, section.title, section.text, turn=section.chunk):
        yield Pair(asked, answer, section, "heading")


def _table_pairs(section: Section) -> Iterator[Pair]:
    """One question for each row, about a cell of it; the columns take turns."""
    names = [name.strip() for name in section.columns]
    rows = [line for line in section.text.split("\n") if line.count("|") == len(names) - 1]
    for place, line in enumerate(rows[:MOST_ROWS_OF_TABLE]):
        cells = [cell.strip() for cell in line.split("|")]
        column = 1 + place % (len(names) - 1) if len(names) > 1 else 0
        if not column or not cells[0] or not cells[column] or not names[column]:
            continue
        asked = question_of_cell(names[column], cells[0], section.title, turn=place)
        yield Pair(asked, line.strip(), section, "table")


def leading_sentence(section: Section) -> str:
    """The first sentence that says something of the subject; empty where there is none of a fit length."""
    for start, end in section.sentences:
        text = _BARE.sub(" ", section.text[start:end]).strip()
        is_fit = LEAST_ANSWER <= len(text) <= MOST_ANSWER and not text.endswith((":", "?")) and " " in text
        if is_fit and not is_metadata_line(text):
            return text
    return ""


def sentence_with(section: Section, words: str) -> str:
    """The sentence of the passage that holds the words; else the words themselves."""
    at = section.text.find(words)
    for start, end in section.sentences:
        if at >= 0 and start <= at and at + len(words) <= end and end - start <= MOST_ANSWER:
            return _BARE.sub(" ", section.text[start:end]).strip()
    return _BARE.sub(" ", words).strip()


def distinct(pairs: Sequence[Pair]) -> list[Pair]:
    """The first of those that ask the same."""
    seen: set[str] = set()
    kept = []
    for pair in pairs:
        key = question_key(pair.question)
        if key and key not in seen:
            seen.add(key)
            kept.append(pair)
    return kept


def in_turn(pairs: Sequence[Pair]) -> list[Pair]:
    """Documents take turns, so that a long one does not fill the set."""
    by_document: dict[int, list[Pair]] = {}
    for pair in pairs:
        by_document.setdefault(pair.section.document, []).append(pair)
    ordered = []
    for turn in range(max(map(len, by_document.values()), default=0)):
        ordered += [items[turn] for items in by_document.values() if turn < len(items)]
    return ordered


def question_key(question: str) -> str:
    return " ".join(re.findall(r"\w+", question.lower()))
