"""Tickets: what the customer wrote is the question, how it was resolved is the answer, in the words of the ticket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from specialists.finetuning.pairs import Pair, Section
from specialists.finetuning.quoting import beginning, first_turn, lines_within, section_at
from specialists.finetuning.records import Field, Record

SUBJECT = ("subject", "summary", "short description", "topic", "title")
SAID = (
    "conversation", "description", "body", "message", "messages", "question", "request", "problem", "issue", "details",
    "comments",
)  # fmt: skip
SOLVED = ("resolution", "solution", "answer", "resolution notes", "close notes", "fix", "reply", "response", "outcome")
MOST_TITLE = 200  # characters
LEAST_SOLVED = 12  # characters: “Done” resolves nothing


def ticket_pairs(record: Record, sections: Sequence[Section]) -> Iterator[Pair]:
    """`sections`: the passages of the record's document. None where it is no ticket, or has no resolution that says something."""
    subject, said, solved = record.of(*SUBJECT), record.of(*SAID), record.of(*SOLVED)
    if record.kind == "code" or solved is None or (subject is None and said is None) or len(solved.text) < LEAST_SOLVED:
        return
    question = _question(subject, said)
    section = section_at(sections, solved.start)
    answer = lines_within(section, solved.start, solved.end) if section else ""
    if section and question and len(answer) >= LEAST_SOLVED:
        yield Pair(question, answer, section, "ticket")


def _question(subject: Field | None, said: Field | None) -> str:
    """The subject, and what was written at first, where that says more."""
    title = beginning(subject.text, MOST_TITLE) if subject else ""
    words = beginning(first_turn(said.text)) if said else ""
    if not title or title.lower() in words.lower():
        return words or title
    end = "" if title.endswith(("?", "!", ".", "…")) else "."
    return f"{title}{end} {words}" if words else title
