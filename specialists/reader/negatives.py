"""Rows that teach the reader to refuse: passages that are close to the question and lack its answer, and questions about
something that their text does not speak of."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import numpy as np

from retrieval.embedders import get_embedder
from specialists.reader.rows import ReaderRow

NEIGHBOURS = 30
_NAME_OR_NUMBER = re.compile(r"(?<=[a-z,] )(?:[A-Z][\w'-]+(?: [A-Z][\w'-]+)*|\d[\d,.]*\d|\d)(?=[ ?,])")


def mine_negatives(rows: Sequence[ReaderRow], *, keep: int = 4) -> dict[str, list[str]]:
    """Per row's id the texts among the rows' own that are closest to its question and do not hold its answer's words.

    The closeness is the embedder's, as in a search. The answer may still follow from a text in other words: a little noise."""
    texts = list(dict.fromkeys(row.text for row in rows))
    embedder = get_embedder()
    passages = embedder.embed_passages(texts)
    found: dict[str, list[str]] = {}
    for start in range(0, len(rows), 512):
        part = rows[start : start + 512]
        scores = embedder.embed_queries([row.question for row in part]) @ passages.T
        nearest = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS]
        for row, columns in zip(part, nearest, strict=True):
            others = (texts[int(column)] for column in columns)
            found[row.id] = [text for text in others if not _answers(row, text)][:keep]
    return found


def _answers(row: ReaderRow, text: str) -> bool:
    return text == row.text or any(answer.lower() in text.lower() for _, answer in row.answers)


def alter_question(row: ReaderRow, names: Sequence[str], chooser: random.Random) -> ReaderRow | None:
    """The row with a name or number of its question changed for one that its text does not have: no longer answerable.
    None when the question has nothing to change."""
    places = list(_NAME_OR_NUMBER.finditer(row.question))
    if not places:
        return None
    place = chooser.choice(places)
    is_number = place.group()[0].isdigit()
    text = row.text.lower()
    for _ in range(20):
        name = chooser.choice(names)
        if name[0].isdigit() == is_number and name.lower() not in text:
            question = row.question[: place.start()] + name + row.question[place.end() :]
            return ReaderRow(f"{row.id}~", question, row.text, row.context, ())
    return None


def names_in(rows: Sequence[ReaderRow]) -> list[str]:
    """The names and numbers of the questions, in order of appearance."""
    return list(dict.fromkeys(found for row in rows for found in _NAME_OR_NUMBER.findall(row.question)))
