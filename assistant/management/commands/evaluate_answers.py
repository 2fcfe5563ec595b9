"""Asks every question of a file and compares the answers with the known ones."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from assistant.asking import ask, corpora_named, person_named
from ingestion.models import Chunk
from specialists.squad_metrics import exact_match, f1, holds


class Command(BaseCommand):
    help = "Evaluate answers on a JSONL file with question, answers (texts) and is_impossible. Averages are over all rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--corpus", action="append", required=True)
        parser.add_argument("--as", dest="username", required=True)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, file: Path, corpus: list[str], username: str, **options: Any) -> None:
        person = person_named(username)
        corpora = corpora_named(person, corpus)
        rows = read_questions(file)
        results = []
        for row in tqdm(rows, desc="Asking", unit="question", file=sys.stderr):
            results.append(_judge(row, ask(person=person, question=row["question"], corpora=corpora)))
        figures = summarise(results)
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        else:
            for name, value in figures.items():
                self.stdout.write(f"{name:34} {value}")


def read_questions(file: Path) -> list[dict[str, Any]]:
    """The rows of the file. A bad line is named."""
    if not file.is_file():
        raise CommandError(f"{file} does not exist.")
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows.append({
                "question": str(row["question"]),
                "answers": [str(answer) for answer in row.get("answers") or []],
                "is_impossible": bool(row.get("is_impossible", not row.get("answers"))),
            })  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"{file}, line {number}: not a row with question and answers.") from error
    if not rows:
        raise CommandError(f"{file} holds no questions.")
    return rows


def _judge(row: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """One row's figures. A question without an answer has the gold "", as in SQuAD 2.0."""
    golds = [] if row["is_impossible"] else row["answers"]
    cited = Chunk.objects.filter(pk__in=[citation["passage"] for citation in result["citations"]])
    return {
        "is_impossible": row["is_impossible"],
        "status": result["status"],
        "exact_match": exact_match(result["answer"] if result["status"] == "answered" else "", golds),
        "f1": f1(result["answer"] if result["status"] == "answered" else "", golds),
        "gold_in_cited": bool(golds) and any(holds(chunk.text, golds) for chunk in cited),
        "gold_in_answer": bool(golds) and result["status"] == "answered" and holds(result["answer"], golds),
        "ms": result["timings_ms"].get("total", 0.0),
    }


def _share(values: list[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def summarise(results: list[dict[str, Any]]) -> dict[str, Any]:
    answered = [item for item in results if item["status"] == "answered"]
    times = np.array([item["ms"] for item in results])
    return {
        "questions": len(results),
        "exact_match": round(float(np.mean([item["exact_match"] for item in results])), 4),
        "f1": round(float(np.mean([item["f1"] for item in results])), 4),
        "answered": _share([item["status"] == "answered" for item in results]),
        "abstained": _share([item["status"] == "abstained" for item in results]),
        "failed": _share([item["status"] == "failed" for item in results]),
        "cited_passage_holds_gold": _share([item["gold_in_cited"] for item in answered]),
        "answer_holds_gold": _share([item["gold_in_answer"] for item in answered]),
        "abstaining_accuracy": _share([(item["status"] == "abstained") == item["is_impossible"] for item in results]),
        "p50_ms": round(float(np.percentile(times, 50)), 1),
        "p95_ms": round(float(np.percentile(times, 95)), 1),
    }
