"""The words of a passage that answer, from a span of its document: whole sentences, a line each, no more than fit an answer."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from specialists.finetuning.pairs import Section
from specialists.grounding.words import sentences

MOST_LINES = 3
MOST_WORDS = 600  # characters of all lines; MOST_COMPLETION tokens have room for them
MOST_ASKED = 500  # characters of a question
_GREETING = re.compile(
    r"(?:dear|hi|hello|hey|good (?:morning|afternoon|day)|beste|hallo|sehr geehrte|thanks|thank you|many thanks|kind regards|"
    r"best (?:regards|wishes)|regards|cheers|sincerely|yours)\b.{0,60}",
    re.IGNORECASE,
)
_SPOKEN = re.compile(r"^[^\n:]{1,40}: ")


def section_at(sections: Sequence[Section], place: int) -> Section | None:
    """The passage that holds the character of the document's text. The passages are in the document's order."""
    at = bisect_right(sections, place, key=lambda item: item.start) - 1
    return sections[at] if at >= 0 and place < sections[at].start + len(sections[at].text) else None


def lines_within(section: Section, start: int, end: int) -> str:
    """The sentences of text[start:end] of the document that stand in the passage. A greeting is none of them."""
    kept: list[str] = []
    for line in _sentences(section, start - section.start, end - section.start):
        if len(kept) == MOST_LINES or sum(map(len, kept)) + len(line) > MOST_WORDS:
            break
        kept.append(line)
    return "\n".join(kept)


def _sentences(section: Section, start: int, end: int) -> Iterator[str]:
    for left, right in section.sentences:
        words = " ".join(section.text[max(left, start) : min(right, end)].split()) if left < end and right > start else ""
        for line in sentences(words) if words else ():
            is_greeting = _GREETING.fullmatch(line.strip(" ,.!")) or line.endswith(",")
            if not is_greeting and any(char.isalnum() for char in line):
                yield line.strip()


def beginning(words: str, most: int = MOST_ASKED) -> str:
    """At most so many characters, cut at the end of a sentence where there is one, else of a word."""
    words = " ".join(words.split())
    if len(words) <= most:
        return words
    cut = words[:most]
    end = max(cut.rfind(mark) for mark in (". ", "? ", "! "))
    return cut[: end + 1] if end > most // 3 else cut.rpartition(" ")[0] + " …"


def first_turn(conversation: str) -> str:
    """What the first speaker says, of lines such as “Ada: It is stuck.”; else all of it."""
    said: list[str] = []
    speaker = ""
    for line in conversation.split("\n"):
        named = _SPOKEN.match(line)
        if named and speaker and named.group() != speaker:
            break
        if named and not said:
            speaker = named.group()
        said.append(line.removeprefix(speaker) if speaker else line)
    return " ".join(line for line in said if line.strip() and not _GREETING.fullmatch(line.strip(" ,.!")))
