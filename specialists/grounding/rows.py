"""Rows for the groundedness check, and the files that they are kept in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from retrieval.files import text_lines
from specialists.errors import DataError

PROBLEMS = 5


Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """label: 1 when the passage supports the claim. `wrong`: characters of a false claim that make it false, where they are
    known."""

    claim: str
    passage: str
    label: int
    kind: str
    document: str
    wrong: Spans = ()


def write_rows(rows: Sequence[Row], path: Path) -> None:
    path.write_text("".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    """Rows of a JSONL file. Raises DataError, which names the lines."""
    try:
        lines = text_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        row = _row(line)
        if row is None:
            problems.append(number)
        else:
            rows.append(row)
    if problems:
        shown = ", ".join(str(number) for number in problems[:PROBLEMS])
        message = (
            f'{path}, line {shown}: a row is {{"claim": text, "passage": text, "label": 0 or 1}}, and may have "wrong": [[start, '
            "end], …]. Correct or remove these lines."
        )
        raise DataError(message)
    if not rows:
        raise DataError(f"{path} has no row. Give a file of JSON lines with claim, passage and label.")
    return rows


def _row(line: str) -> Row | None:
    try:
        data = json.loads(line)
        claim, passage, label = str(data["claim"]).strip(), str(data["passage"]).strip(), data["label"]
        wrong = tuple((int(start), int(end)) for start, end in data.get("wrong", ()))
        return (
            Row(claim, passage, int(label), str(data.get("kind", "")), str(data.get("document", "")), wrong)
            if claim and passage and label in (0, 1)
            else None
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def passages_in_common(trained: Sequence[Row], tested: Sequence[Row]) -> list[str]:
    """The documents of tested rows whose passage was trained on: a test must not contain what was trained on."""
    known = {row.passage for row in trained}
    return list(dict.fromkeys(row.document for row in tested if row.passage in known))
