"""A tiny labelled set for the router's tests: three intents and tones that a head learns from a few rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

NOUNS = ["badge", "invoice", "laptop", "contract", "pump", "lease", "sensor", "visa"]
TEXTS = {
    "how_to": "How do I order a new {}?",
    "code": "Write a Python function that parses the {} file",
    "greeting": "Hello and good morning dear {} team",
}
HELD_OUT = {
    "how_to": "What are the steps to request a {}?",
    "code": "Python script to read a {} table",
    "greeting": "Hi {} people",
}


def rows_of(templates: dict[str, str], nouns: Sequence[str] = NOUNS) -> list[dict[str, str]]:
    return [{"text": text.format(noun), "label": label} for label, text in templates.items() for noun in nouns]


def write_jsonl(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_data(folder: Path) -> Path:
    """A folder as `train_router` takes it, with the head intent."""
    folder.mkdir(exist_ok=True)
    write_jsonl(folder / "intent.train.jsonl", rows_of(TEXTS))
    write_jsonl(folder / "intent.test.jsonl", rows_of(HELD_OUT, NOUNS[:3]))
    return folder
