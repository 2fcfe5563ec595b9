"""Sentences with their citations out of a text that comes in pieces.

A sentence is given out once it is complete with its markers, so nobody ever sees half of either."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_CITATIONS = 4
MOST_SENTENCES = 20

_SQUARE = re.compile(r"\s*[\[【]\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*[\]】]")
_MARKS = r"(?:\s*[\[【]\s*\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*[\]】])*"
# An end of a sentence, its markers, and the beginning of the next: only then nothing of it can be missing.
_END = re.compile(rf"(?:[.!?…][\"'”’)]*{_MARKS}[.]?\s+(?=[^\s\[【a-z])|{_MARKS}[^\S\n]*\n+)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|no|nos|art|sec|p|pp|mr|mrs|ms|dr|prof|st|inc|ltd|co)|\b[A-Z])\.$", re.I
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_EMPHASIS = re.compile(r"\*\*|__|(?<!\w)[*_`](?=\S)|(?<=\S)[*_`](?!\w)|^#+\s*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """`citations`: the numbers of its markers, each once, at most MOST_CITATIONS. `is_item`: one of a list."""

    text: str
    citations: tuple[int, ...]
    is_item: bool = False


class SentenceParser:
    """Feed it pieces; it gives back the sentences that are complete."""

    def __init__(self) -> None:
        self._waiting = ""
        self._count = 0

    def feed(self, piece: str) -> list[CitedSentence]:
        self._waiting += piece
        found, start = [], 0
        for end in _END.finditer(self._waiting):
            before = self._waiting[start : end.start() + 1]
            if "\n" not in end.group() and _ABBREVIATION.search(before):
                continue
            found.append(self._waiting[start : end.end()])
            start = end.end()
        self._waiting = self._waiting[start:]
        return self._parsed(found)

    def close(self) -> list[CitedSentence]:
        """What is left when the text is over."""
        last, self._waiting = self._waiting, ""
        return self._parsed([last])

    def _parsed(self, texts: list[str]) -> list[CitedSentence]:
        sentences = [sentence for sentence in map(parse_sentence, texts) if sentence is not None]
        kept = sentences[: MOST_SENTENCES - self._count]
        self._count += len(kept)
        return kept


def parse_sentence(text: str) -> CitedSentence | None:
    """The sentence without its markers and emphasis; None when nothing is left."""
    numbers = [int(number) for match in _SQUARE.finditer(text) for number in re.split(r"[,;]", match.group(1))]
    words = _EMPHASIS.sub("", _SQUARE.sub("", text))
    is_item = bool(_BULLET.match(words))
    words = " ".join(_BULLET.sub("", words).split())
    if not any(char.isalnum() for char in words):
        return None
    return CitedSentence(words, tuple(dict.fromkeys(numbers))[:MOST_CITATIONS], is_item)
