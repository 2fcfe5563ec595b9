"""Cuts rows into a part to train on and a part to test on, by document: no text has questions on both sides."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from specialists.errors import DataError
from specialists.reader.rows import ReaderRow


def document_of(row: ReaderRow) -> str:
    """What keeps rows together: the title where there is one, else the text itself."""
    return row.context or row.text


def split_rows(rows: Sequence[ReaderRow], *, test_share: float, seed: int) -> tuple[list[ReaderRow], list[ReaderRow]]:
    """Training and test rows. Documents go to the test in a random order until it has its share of the rows.

    Raises DataError when there are not two documents to part."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[document_of(row)] = counts.get(document_of(row), 0) + 1
    if len(counts) < 2:
        raise DataError("All questions are about one document, so none can be held out. Give questions about several.")
    order = sorted(counts, key=lambda name: zlib.crc32(f"{seed} {name}".encode()))
    held_out: set[str] = set()
    taken = 0
    for name in order[:-1]:
        if taken >= test_share * len(rows):
            break
        held_out.add(name)
        taken += counts[name]
    return (
        [row for row in rows if document_of(row) not in held_out],
        [row for row in rows if document_of(row) in held_out],
    )


def write_rows(path: Path, rows: Sequence[ReaderRow]) -> None:
    """In SQuAD's form."""
    articles = []
    for title, own in groupby(sorted(rows, key=lambda row: (row.context, row.text)), key=lambda row: row.context):
        paragraphs = [
            {"context": text, "qas": [_question(row) for row in asked]} for text, asked in groupby(own, key=lambda row: row.text)
        ]
        articles.append({"title": title, "paragraphs": paragraphs})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "v2.0", "data": articles}, ensure_ascii=False), encoding="utf-8")


def _question(row: ReaderRow) -> dict[str, object]:
    answers = [{"text": text, "answer_start": start} for start, text in row.answers]
    return {"id": row.id, "question": row.question, "answers": answers, "is_impossible": not answers}
