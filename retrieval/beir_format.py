"""Reads BEIR's folder format: corpus.jsonl, queries.jsonl and tab-separated qrels. A bad line is named and refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class BeirDocument:
    """A line of corpus.jsonl; `title` may be empty."""

    id: str
    title: str
    text: str


def read_corpus(path: Path) -> Iterator[BeirDocument]:
    """The documents in the order of the file. Raises ValueError with the file and line of a bad or repeated row."""
    seen: set[str] = set()
    for number, row in _rows(path):
        document = BeirDocument(_string(path, number, row, "_id"), _title(path, number, row), _string(path, number, row, "text"))
        if not document.id or document.id in seen:
            raise ValueError(f"{path}:{number}: the _id {document.id!r} is empty or was there before")
        seen.add(document.id)
        yield document


def read_queries(path: Path) -> dict[str, str]:
    """Query id → text, in the order of the file. Raises ValueError with the file and line of a bad or repeated row."""
    queries: dict[str, str] = {}
    for number, row in _rows(path):
        query = _string(path, number, row, "_id")
        if not query or query in queries:
            raise ValueError(f"{path}:{number}: the _id {query!r} is empty or was there before")
        queries[query] = _string(path, number, row, "text")
    return queries


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query id → document id → grade, from rows of three columns with or without a header, or of trec's four columns.

    Raises ValueError with the file and line of a bad row."""
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        fields = line.split("\t") if "\t" in line else line.split()
        if number == 1 and fields[-1] == "score":
            continue
        if len(fields) not in (3, 4):
            raise ValueError(f"{path}:{number}: expected query, document and grade, found {len(fields)} columns")
        try:
            grade = int(fields[-1])
        except ValueError:
            raise ValueError(f"{path}:{number}: the grade {fields[-1]!r} is no whole number") from None
        qrels.setdefault(fields[0], {})[fields[-2]] = grade
    return qrels


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                raise ValueError(f"{path}:{number}: not UTF-8") from None
            if line:
                yield number, line


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}:{number}: not a JSON object")
        yield number, row


def _string(path: Path, number: int, row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and name == "_id":
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{path}:{number}: {name} is missing or no text")
    return value


def _title(path: Path, number: int, row: dict[str, Any]) -> str:
    return _string(path, number, row, "title") if row.get("title") is not None else ""
