"""Hard negatives: what a search finds for a question and what does not answer it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from specialists.embedder.rows import EmbedderRow

WRONG = 4  # of a question, of which each epoch shows one
LOOKED_AT = 30
SHINGLE = 4  # words
COPY_SHARE = 0.6  # of a passage's runs of words: more in common, and it may answer what the other does


@dataclass(frozen=True, slots=True)
class MinedPassage:
    """A passage as it is embedded, and the document that it is of."""

    text: str
    document: int


def mine(
    pairs: Iterable[tuple[str, int]], passages: Mapping[int, MinedPassage], find: Callable[[str], Sequence[int]]
) -> Iterator[EmbedderRow]:
    """A row for each pair of question and passage id. `find` is the search: ids, best first, which may be others than `passages`.

    What is of the passage's own document is never wrong, nor what is nearly a copy of one of its passages: it may answer too."""
    of_document: dict[int, list[int]] = {}
    for key, passage in passages.items():
        of_document.setdefault(passage.document, []).append(key)
    known: dict[int, frozenset[int]] = {}

    def shingles(key: int) -> frozenset[int]:
        if key not in known:
            known[key] = _shingles(passages[key].text)
        return known[key]

    for question, right in pairs:
        document = passages[right].document
        own = [shingles(key) for key in of_document[document]]
        wrong: list[str] = []
        for key in find(question):
            if key not in passages or passages[key].document == document or len(wrong) == WRONG:
                continue
            if not any(_is_copy(shingles(key), other) for other in own):
                wrong.append(passages[key].text)
        yield EmbedderRow(question, passages[right].text, tuple(wrong))


def _is_copy(one: frozenset[int], other: frozenset[int]) -> bool:
    """By the smaller of the two, so that a passage within a longer one is found, too."""
    return len(one & other) >= COPY_SHARE * min(len(one), len(other))


def _shingles(text: str) -> frozenset[int]:
    words = re.findall(r"\w+", text.casefold())
    return frozenset(hash(tuple(words[at : at + SHINGLE])) for at in range(max(1, len(words) - SHINGLE + 1)))
