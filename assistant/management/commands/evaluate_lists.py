"""Measures the list mode: questions whose answer is several spans of one passage, compared with the words that are marked."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ingestion.sentences import sentence_spans
from specialists.composition.composing import compose_reading
from specialists.composition.types import Composition, Evidence
from specialists.squad_metrics import f1, normalise


class Command(BaseCommand):
    help = "Evaluate answers of several spans on a JSONL file in MultiSpanQA's form: question, context and label, as words."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--limit", type=int, default=None, help="the first rows only")

    def handle(self, *args: Any, file: Path, limit: int | None, **options: Any) -> None:
        rows = _rows(file)[:limit]
        results = [_judge(row) for row in tqdm(rows, unit="question", file=sys.stderr)]
        totals = np.mean(results, axis=0)
        names = ("exact_precision", "exact_recall", "overlap_precision", "overlap_recall", "spans_found", "spans_known")
        self.stdout.write(json.dumps({"questions": len(rows), **dict(zip(names, totals.round(4).tolist(), strict=True))}))


def _rows(file: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines() if file.is_file() else [], start=1):
        try:
            row = json.loads(line)
            words, labels = [str(word) for word in row["context"]], list(row["label"])
            if len(words) != len(labels):
                raise ValueError("as many labels as words are needed")
            rows.append({"question": " ".join(row["question"]), "text": " ".join(words), "known": _spans(words, labels)})
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f"{file}, line {number}: not a row with question, context and label.") from error
    if not rows:
        raise CommandError(f"{file} holds no questions.")
    return rows


def _spans(words: Sequence[str], labels: Sequence[str]) -> list[str]:
    spans: list[list[str]] = []
    for word, label in zip(words, labels, strict=True):
        if label == "B":
            spans.append([word])
        elif label == "I" and spans:
            spans[-1].append(word)
    return [" ".join(span) for span in spans]


def _judge(row: dict[str, Any]) -> tuple[float, ...]:
    from specialists.reader.serving import ReaderPassage, read

    reading = read(row["question"], [ReaderPassage(1, row["text"])])
    evidence = Evidence(1, "", row["text"], tuple(sentence_spans(row["text"])))
    found = _marked(compose_reading(row["question"], reading, [evidence]))
    known = row["known"]
    exact = {normalise(span) for span in found} & {normalise(span) for span in known}
    precision = sum(max(f1(span, [gold]) for gold in known) for span in found) / len(found) if found else 0.0
    recall = sum(max((f1(span, [gold]) for span in found), default=0.0) for gold in known) / len(known)
    return len(exact) / max(len(found), 1), len(exact) / len(known), precision, recall, len(found), len(known)


def _marked(composition: Composition) -> list[str]:
    """The marked words; an item without marks counts whole."""
    spans = []
    for sentence in composition.sentences:
        spans += [sentence.text[start:end] for start, end in sentence.marks] or [sentence.text]
    return spans
