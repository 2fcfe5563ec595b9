"""Labelled texts for the router: CSV with the columns text and category, CLINC's JSON, or JSONL with text and label."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.files import sha256_of, text_lines
from specialists.errors import DataError

OUTSIDE = frozenset({"oos", "outside"})  # labels of texts that belong to no class
LEAST_ROWS = 5
MAX_CHARACTERS = 20_000
TEST_SHARE = 0.1
DEV_SHARE = 0.1
_REMEDY = {
    "jsonl": 'Each line must be like {"text": "How do I …?", "label": "how_to"}.',
    "csv": "The first line must be text,category and each row must have both.",
    "json": 'It must be like {"train": [["a text", "a label"], …], "val": […], "oos_train": […], "oos_val": […]}.',
}


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    label: str

    @property
    def key(self) -> str:
        """Texts with the same key are duplicates: case, spaces and punctuation do not count."""
        return re.sub(r"\W+", " ", self.text.lower()).strip()


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One classifier's rows. `outside_*`: texts of no class. `repeated`: training rows left out, as held-out ones repeat them."""

    name: str
    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    test: tuple[Row, ...]
    outside_train: tuple[Row, ...] = ()
    outside_test: tuple[Row, ...] = ()
    repeated: int = 0
    sha256: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted({row.label for row in self.train}))


def training_files(data: Path) -> list[Path]:
    """The file itself, or a folder's files NAME.train.jsonl. Raises DataError."""
    if data.is_file():
        return [data]
    if not data.is_dir():
        raise DataError(f"There is no file or folder {data}. Give the path of the labelled texts.")
    files = sorted(data.glob("*.train.jsonl"))
    if not files:
        raise DataError(f"The folder {data} has no file whose name ends in .train.jsonl. Put the labelled texts there.")
    return files


def read_labelled_set(path: Path, *, seed: int, extra: Sequence[Row] = ()) -> LabelledSet:
    """Read and split a file. The test rows are those of NAME.test.jsonl beside NAME.train.jsonl, or CLINC's val; else a tenth
    of each label, chosen by `seed`. The dev rows are another tenth. `extra` rows only ever train. Raises DataError."""
    parts = _read_parts(path)
    outside = {part: tuple(row for row in rows if row.label in OUTSIDE) for part, rows in parts.items()}
    inside = {part: [row for row in rows if row.label not in OUTSIDE] for part, rows in parts.items()}
    rest, test = inside["train"], inside["test"]
    if not test:
        rest, test = _split(rest, TEST_SHARE, seed)
    tested = {row.key for row in test}
    fresh = [row for row in rest if row.key not in tested]
    train, dev = _split(fresh, DEV_SHARE, seed + 1)
    held_out = tested | {row.key for row in dev}
    more = [row for row in extra if row.key not in held_out]
    found = LabelledSet(
        name=path.name.split(".")[0],
        train=(*train, *more),
        dev=tuple(dev),
        test=tuple(test),
        outside_train=outside["train"],
        outside_test=outside["test"],
        repeated=len(rest) - len(fresh) + len(extra) - len(more),
        sha256=sha256_of(path),
    )
    _check_size(path, found)
    return found


def read_rows(path: Path) -> list[Row]:
    """All rows of a JSONL file; none where there is no file. Raises DataError."""
    return _read_jsonl(path) if path.is_file() else []


def _read_parts(path: Path) -> dict[str, list[Row]]:
    try:
        if path.suffix == ".csv":
            return {"train": _read_csv(path), "test": []}
        if path.suffix == ".json":
            return _read_clinc(path)
        if path.suffix == ".jsonl":
            test = path.with_name(f"{path.name.removesuffix('.train.jsonl')}.test.jsonl")
            has_test = path.name.endswith(".train.jsonl") and test.is_file()
            return {"train": _read_jsonl(path), "test": _read_jsonl(test) if has_test else []}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a UTF-8 text file. Save it as UTF-8 and try again.") from error
    raise DataError(f"{path} is neither .csv, .json nor .jsonl. Rename it, or convert it to one of them.")


def _read_csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if not {"text", "category"} <= set(table.fieldnames or ()):
            raise DataError(f"{path}, line 1: the columns text and category are missing. {_REMEDY['csv']}")
        return [_row(path, table.line_num, row.get("text"), row.get("category"), "csv") for row in table]


def _read_jsonl(path: Path) -> list[Row]:
    def rows() -> Iterator[Row]:
        for number, line in enumerate(text_lines(path), start=1):
            if line.strip():
                content = _parsed(path, number, line)
                yield _row(path, number, content.get("text"), content.get("label"), "jsonl")

    return list(rows())


def _parsed(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise DataError(f"{path}, line {number}: this is no JSON object. {_REMEDY['jsonl']}")
    return content


def _read_clinc(path: Path) -> dict[str, list[Row]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {getattr(error, 'lineno', 1)}: this is no JSON. {_REMEDY['json']}") from None
    if not isinstance(content, dict) or not isinstance(content.get("train"), list):
        raise DataError(f'{path}, line 1: there is no list "train". {_REMEDY["json"]}')

    def part(*names: str) -> list[Row]:
        found = []
        for name in names:
            for number, pair in enumerate(content.get(name) or [], start=1):
                text, label = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
                found.append(_row(path, f"{number} of {name!r}", text, label, "json"))
        return found

    return {"train": part("train", "oos_train"), "test": part("val", "oos_val")}


def _row(path: Path, number: int | str, text: object, label: object, kind: str) -> Row:
    place = f"{path}, {'entry' if kind == 'json' else 'line'} {number}"
    if not isinstance(text, str) or not any(char.isalnum() for char in text):
        raise DataError(f"{place}: the text is missing or has no words. {_REMEDY[kind]}")
    if not isinstance(label, str) or not label.strip():
        raise DataError(f"{place}: the label is missing. {_REMEDY[kind]}")
    if len(text) > MAX_CHARACTERS:
        raise DataError(f"{place}: the text has more than {MAX_CHARACTERS:,} characters. Cut it, or leave the row out.")
    return Row(" ".join(text.split()), label.strip())


def _split(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Of each label, at least one row and about `share` of them go to the second part; a text's duplicates stay together."""
    rng = np.random.default_rng(seed)
    chosen: set[str] = set()
    by_label: dict[str, list[str]] = {}
    for row in rows:
        by_label.setdefault(row.label, []).append(row.key)
    for label in sorted(by_label):
        keys = sorted(set(by_label[label]))
        rng.shuffle(keys)
        chosen |= set(keys[: max(1, round(len(keys) * share))])
    return [row for row in rows if row.key not in chosen], [row for row in rows if row.key in chosen]


def _check_size(path: Path, found: LabelledSet) -> None:
    rows = Counter(row.label for row in (*found.train, *found.dev))
    if len(rows) < 2:
        raise DataError(
            f"{path} has {len(rows)} label{'s' if len(rows) != 1 else ''}; a router needs at least two to choose from."
        )
    scarce = [f"{label} ({count})" for label, count in sorted(rows.items()) if count < LEAST_ROWS]
    if scarce:
        names = ", ".join(scarce[:5])
        raise DataError(f"{path} has fewer than {LEAST_ROWS} texts to train on for {names}. Add some, or leave the label out.")
    unknown = sorted({row.label for row in found.test} - rows.keys())
    if unknown:
        raise DataError(f"The test texts of {path} have the label {unknown[0]!r}, which no training text has. Correct it.")
