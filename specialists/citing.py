"""Sentences with their citations out of a text that comes in pieces.

A sentence is given out once it is complete with its markers, so nobody ever sees half of either."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

MOST_CITATIONS = 4
MOST_SENTENCES = 20
MOST_WAITING = 4000  # characters without an end of a sentence: then one is made

_MARKER = r"[\[【]\s*\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*\s*[\]】]"
_ONE_MARKER = re.compile(rf"\s*{_MARKER}")
TAKEN = "\0"  # in place of a marker, until the words between markers are taken, too
_JOINED = re.compile(r"\0(?:\s*(?:,|;|and|&)?\s*\0)*")
# An end of a sentence, its markers, and the beginning of the next: only then nothing of it can be missing. What goes on in small
# letters or with a figure ("Dec. 31") is the same sentence.
_END = re.compile(rf"[.!?…][\"'”’)]*(?:\s?{_MARKER})*[.]?\s+(?=[^\s\[【a-z0-9])|\n+")
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|nos?|art|sec|fig|para|ext|max|min|pp?|mr|mrs|ms|dr|prof|st|inc|ltd|co|jan|feb|mar|apr|"
    r"jun|jul|aug|sept?|oct|nov|dec)|\b[A-Z]|(?:^|\n)\s*\d{1,2})\.$",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"[^\S\n]+")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_HEADING = re.compile(r"^\s*#+\s+")
_EMPHASIS = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*|(?<![\w*])[*_](?=\S)([^*_]+?)(?<=\S)[*_](?![\w*])|`([^`\n]+)`")
_THOUGHTS = ("<think>", "</think>")


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """`citations`: the numbers of its markers, each once, at most MOST_CITATIONS. `is_item`: one of a list."""

    text: str
    citations: tuple[int, ...]
    is_item: bool = False


class SentenceParser:
    """Feed it pieces; it gives back the sentences that are complete. `numbers`: what a marker may say; other numbers in brackets
    are words. What a model thinks aloud before its answer (<think> … </think>) is no part of it."""

    def __init__(self, numbers: Collection[int]) -> None:
        self.numbers = numbers
        self.is_full = False  # more was said than is kept
        self._waiting = ""
        self._count = 0
        self._may_think = True

    def feed(self, piece: str) -> list[CitedSentence]:
        self._waiting = _BLANKS.sub(" ", self._waiting + piece)
        if self._may_think and not self._is_past_thoughts():
            return []
        found, start = [], 0
        for end in _END.finditer(self._waiting):
            if "\n" not in end.group() and _NO_END.search(self._waiting[start : end.start() + 1]):
                continue
            found.append(self._waiting[start : end.end()])
            start = end.end()
        self._waiting = self._waiting[start:]
        if len(self._waiting) > MOST_WAITING:
            found.append(self._waiting)
            self._waiting = ""
        return self._parsed(found)

    def close(self, *, is_cut: bool = False) -> list[CitedSentence]:
        """What is left when the text is over. Where it was cut in the middle, half a sentence is none."""
        last, self._waiting = self._waiting, ""
        if self._may_think and last.lstrip().startswith(_THOUGHTS[0]):
            return []
        return [] if is_cut and not re.search(rf"[.!?…][\"'”’)]*(?:\s?{_MARKER})*\s*$", last) else self._parsed([last])

    def _is_past_thoughts(self) -> bool:
        begins, ends = _THOUGHTS
        said = self._waiting.lstrip()
        if said.startswith(begins):
            _, closed, self._waiting = self._waiting.partition(ends)
            if not closed:  # keep no more of it than may hold the beginning of its end
                self._waiting = begins + said[len(begins) :][-len(ends) :]
                return False
        elif begins.startswith(said[: len(begins)]):
            return False
        self._may_think = False
        return True

    def _parsed(self, texts: list[str]) -> list[CitedSentence]:
        sentences = [found for found in (parse_sentence(text, self.numbers) for text in texts) if found is not None]
        kept = sentences[: MOST_SENTENCES - self._count]
        self._count += len(kept)
        self.is_full = self.is_full or len(kept) < len(sentences)
        return kept


def parse_sentence(text: str, numbers: Collection[int]) -> CitedSentence | None:
    """The sentence without its markers and emphasis; None when nothing is left."""
    cited: list[int] = []

    def take(match: re.Match[str]) -> str:
        said = _numbers_in(match.group())
        if not said or not set(said) <= set(numbers):
            return match.group()
        cited.extend(said)
        return TAKEN

    words = _ONE_MARKER.sub(take, text)
    words = _JOINED.sub("", words)
    words = _EMPHASIS.sub(lambda match: next(group for group in match.groups() if group is not None), words)
    words = _HEADING.sub("", words)
    is_item = bool(_BULLET.match(words))
    words = " ".join(_BULLET.sub("", words).split())
    if not any(char.isalnum() for char in words):
        return None
    return CitedSentence(words, tuple(dict.fromkeys(cited))[:MOST_CITATIONS], is_item)


def _numbers_in(marker: str) -> list[int]:
    """“[1, 3]” is 1 and 3, “[1-3]” is 1, 2 and 3."""
    found: list[int] = []
    for part in re.split(r"[,;]", marker):
        ends = [int(number) for number in re.findall(r"\d+", part)]
        found += range(ends[0], ends[-1] + 1) if ends and ends[-1] - ends[0] < MOST_SENTENCES else ends
    return found
