"""Words as the groundedness rules compare them: without case, endings, contractions and typographic differences."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_STOP_WORDS = """
a an the and or but if then than that this these those there here it its he she they them his her their we our us you your i my
of in on at to for from by with as is are was were be been being am do does did done have has had having will would shall
should can could may might must not no nor so such into onto over under about also both which who whom whose what when where
why how each per via any all some more most other own same very just up out off s
"""


def word_list(text: str) -> list[str]:
    return text.split()


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS = word_set(_STOP_WORDS)
_WORD = re.compile(r"[^\W_]+(?:[-'.,_/&@][^\W_]+)*|[%$€£¥]")
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "−": "-", "‑": "-"}
)
_CONTRACTIONS = (
    (re.compile(r"\bcannot\b", re.IGNORECASE), "can not"),
    (re.compile(r"\bcan't\b", re.IGNORECASE), "can not"),
    (re.compile(r"\bwon't\b", re.IGNORECASE), "will not"),
    (re.compile(r"\bshan't\b", re.IGNORECASE), "shall not"),
    (re.compile(r"(?<=\w)n't\b", re.IGNORECASE), " not"),
)
_ENDINGS = (("ies", "y"), ("ied", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", ""))
SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class Word:
    """`stem` is compared, `text` is shown; text is plain[start:end] of the normalised text."""

    text: str
    stem: str
    start: int

    @property
    def is_capitalised(self) -> bool:
        return self.text[0].isupper()


@lru_cache(maxsize=512)
def plain(text: str) -> str:
    """The text with one kind of quotes, dashes and spaces, and with its contractions written out."""
    text = " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTES).split())
    for pattern, words in _CONTRACTIONS:
        text = pattern.sub(words, text)
    return text


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A rough stem: enough to find "approves" in "approved", and never joining two words of different meaning by length."""
    word = "".join(c for c in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(c))
    word = word.removesuffix("'s").removesuffix("'")
    for ending, replacement in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM and not word.endswith(("ss", "us", "is")):
            word = word[: len(word) - len(ending)] + replacement
            break
    if len(word) > SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > SHORTEST_STEM and word.endswith("e") else word


@lru_cache(maxsize=512)
def words(text: str) -> tuple[Word, ...]:
    """The words of plain(text), in order."""
    return tuple(Word(found.group(), stem(found.group()), found.start()) for found in _WORD.finditer(plain(text)))


@lru_cache(maxsize=512)
def content(text: str) -> frozenset[str]:
    """The stems that carry meaning."""
    return frozenset(word.stem for word in words(text) if word.text.lower() not in STOP_WORDS)


def containment(claim: str, passage: str) -> float:
    """The share of the claim's content words that the passage has; 1.0 for a claim without any."""
    wanted = content(claim)
    return len(wanted & content(passage)) / len(wanted) if wanted else 1.0


_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])|\s*[\n\r]+\s*(?:[-*•|#>]+\s*)?")
_ABBREVIATED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|No|Nr|vs|etc|e\.g|i\.e|approx|Inc|Ltd|Co|Jr|Sr|Prof|Fig|Sec|Art|[A-Z])\.$")


@lru_cache(maxsize=512)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text; a heuristic of our own, since the exact splitter belongs to ingestion."""
    parts: list[str] = []
    last = 0
    for cut in _SENTENCE_END.finditer(text):
        if "\n" not in cut.group() and _ABBREVIATED.search(text[last : cut.start()].rstrip("\"')]")):
            continue
        parts.append(text[last : cut.start()] + cut.group().rstrip())
        last = cut.end()
    parts.append(text[last:])
    return tuple(part.strip() for part in parts if part.strip(" \n\t-*•|#>"))


_JOINT = re.compile(r"[,;:] (?:and|but|while|whereas|or) |; |: ")
SHORTEST_CLAUSE = 5  # words


@lru_cache(maxsize=512)
def clauses(text: str) -> tuple[str, ...]:
    """The statements that a sentence joins, in full; the sentence itself when it joins none."""
    parts = [part.strip() for part in _JOINT.split(plain(text))]
    return tuple(parts) if len(parts) > 1 and all(len(part.split()) >= SHORTEST_CLAUSE for part in parts) else (text,)
