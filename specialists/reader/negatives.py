"""Rows that teach the reader to refuse: passages that are close to the question and lack its answer, and questions about
something that their text does not speak of."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.embedders import get_embedder
from specialists.opposites import OPPOSITES
from specialists.reader.rows import Key, ReaderRow, key_of
from specialists.reader.splitting import document_of

NEIGHBOURS = 30
NEAR_SHARE = 0.7  # of the changed names, those that come from the same document where it has any
_NAME_OR_NUMBER = re.compile(r"(?<=[a-z,] )(?:[A-Z][\w'-]+(?: [A-Z][\w'-]+)*|\d[\d,.]*\d|\d)(?=[ ?,])")
# Turned round, these leave a question that the same words answer (“what must I…” → “what can I…”), or one that nobody asks.
KEPT_WORDS = frozenset(("all", "can", "every", "everyone", "many", "may", "more", "most", "must", "shall", "some", "up", "yes"))
_WORD = re.compile(r"[\w'-]+")


@dataclass(frozen=True, slots=True)
class Names:
    """Names and numbers of questions: all, and by document (see document_of)."""

    all: tuple[str, ...]
    of_document: Mapping[str, tuple[str, ...]]


def mine_negatives(rows: Sequence[ReaderRow], *, keep: int = 4) -> dict[Key, list[str]]:
    """Per row (see key_of) the texts among the rows' own that are closest to its question and do not hold its answer's words.

    The closeness is the embedder's, as in a search. The answer may still follow from a text in other words: a little noise."""
    texts = list(dict.fromkeys(row.text for row in rows))
    embedder = get_embedder()
    passages = embedder.embed_passages(texts)
    found: dict[Key, list[str]] = {}
    for start in range(0, len(rows), 512):
        part = rows[start : start + 512]
        scores = embedder.embed_queries([row.question for row in part]) @ passages.T
        nearest = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS]
        for row, columns in zip(part, nearest, strict=True):
            others = (texts[int(column)] for column in columns)
            found[key_of(row)] = [text for text in others if not _answers(row, text)][:keep]
    return found


def _answers(row: ReaderRow, text: str) -> bool:
    return text == row.text or any(answer.lower() in text.lower() for _, answer in row.answers)


def alter_question(row: ReaderRow, names: Names, chooser: random.Random) -> ReaderRow | None:
    """The row with a name, a number or a word such as “first” of its question changed for one that its text does not have: no
    longer answerable. None when the question has nothing to change."""
    text = row.text.lower()
    changed = [question for question in (_rename(row, names, text, chooser), _turn(row, text, chooser)) if question]
    return ReaderRow(f"{row.id}~", chooser.choice(changed), row.text, row.context, ()) if changed else None


def _rename(row: ReaderRow, names: Names, text: str, chooser: random.Random) -> str:
    """Another name, rather of the same document: a near miss is what a reader is fooled by."""
    places = list(_NAME_OR_NUMBER.finditer(row.question))
    if not places:
        return ""
    place = chooser.choice(places)
    is_number = place.group()[0].isdigit()
    near = names.of_document.get(document_of(row), ()) if chooser.random() < NEAR_SHARE else ()
    for pool in (near, names.all):
        for _ in range(20 if pool else 0):
            name = chooser.choice(pool)
            if name[0].isdigit() == is_number and name.lower() not in text:
                return row.question[: place.start()] + name + row.question[place.end() :]
    return ""


def _turn(row: ReaderRow, text: str, chooser: random.Random) -> str:
    """The opposite of a word, where the text does not have it."""
    words = set(_WORD.findall(text))
    found = [
        (place, other)
        for place in _WORD.finditer(row.question)
        for other in OPPOSITES.get(place.group(), ())
        if place.group() not in KEPT_WORDS and other not in words
    ]
    if not found:
        return ""
    place, other = chooser.choice(found)
    return row.question[: place.start()] + other + row.question[place.end() :]


def names_in(rows: Sequence[ReaderRow]) -> Names:
    """The names and numbers of the questions, in order of appearance."""
    of_document: dict[str, dict[str, None]] = {}
    for row in rows:
        of_document.setdefault(document_of(row), {}).update(dict.fromkeys(_NAME_OR_NUMBER.findall(row.question)))
    every = dict.fromkeys(name for names in of_document.values() for name in names)
    return Names(tuple(every), {document: tuple(names) for document, names in of_document.items()})
