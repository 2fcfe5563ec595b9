"""Training examples in SQuAD 2.0's form, as `manage.py train_specialist reader --data` reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from specialists.errors import DataError
from specialists.models import TrainingExample

VERSION = "intramural-examples-1"


def check_example(*, question: str, passage: str, answer: str, label: str) -> None:
    """Raises DataError with what to change, where a reader could not learn from the example."""
    if not any(char.isalnum() for char in question):
        raise DataError("Type the question.")
    if not passage.strip():
        raise DataError("The example needs the passage that it is about.")
    if label == TrainingExample.Label.UNANSWERABLE:
        return
    if not answer.strip():
        raise DataError("Copy the words that answer the question from the passage, or say that the passage does not answer it.")
    if answer not in passage:
        raise DataError("The answer's words are not in the passage. Copy them from it, letter by letter.")


def as_squad(examples: Iterable[TrainingExample]) -> dict[str, Any]:
    """One article per title, one paragraph per passage. The order is that of the examples."""
    articles: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for example in examples:
        articles.setdefault(example.title, {}).setdefault(example.passage, []).append(_question(example))
    return {
        "version": VERSION,
        "data": [
            {
                "title": title,
                "paragraphs": [{"context": passage, "qas": questions} for passage, questions in passages.items()],
            }
            for title, passages in articles.items()
        ],
    }


def _question(example: TrainingExample) -> dict[str, Any]:
    is_impossible = example.label == TrainingExample.Label.UNANSWERABLE
    start = example.passage.find(example.answer)
    answers = [] if is_impossible else [{"text": example.answer, "answer_start": start}]
    return {"id": example.source, "question": example.question, "is_impossible": is_impossible, "answers": answers}
