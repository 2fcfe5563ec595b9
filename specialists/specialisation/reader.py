"""The reader before and after training on part of a domain's questions, on the questions about its other documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from specialists.encoders.bundle import CARD
from specialists.errors import DataError
from specialists.reader.evaluation import Measure, measure
from specialists.reader.reporting import measure_reader
from specialists.reader.rows import ReaderRow, load_rows
from specialists.reader.serving import KIND
from specialists.reader.splitting import split_rows, write_rows
from specialists.reader.training import train_reader
from specialists.specialisation.comparison import NOT_ASKED, Comparison
from specialists.specialisation.plan import Plan
from specialists.squad_metrics import f1
from specialists.training.recipe import DataFile, Recipe, Run

MEASURE = "F1 of answerable questions"


def compare_reader(questions: Path, plan: Plan, *, answers: Path | None = None) -> Comparison:
    """Trains in plan.output/reader, and goes on there after an interruption. `answers`: a large model's answers to test.json,
    {"question id": "answer"}. Raises SpecialistError."""
    start = plan.start(KIND)
    test = _part(questions, plan)
    trained = plan.output / KIND
    if not (trained / CARD).is_file():
        recipe = Recipe(start=str(start), epochs=plan.epochs, learning_rate=plan.learning_rate, seed=plan.seed)
        train_reader(Run([DataFile(plan.output / "train.json")], trained, recipe, report=plan.report, say=plan.say))
    before, after = (measure_reader(folder, test)["answerable F1"] for folder in (start, trained))
    asked = [row for row in test if row.answers]
    large = str(_of_answers(answers, asked)) if answers else NOT_ASKED
    return Comparison("reader", f"{len(asked)} questions of {questions.name}", MEASURE, str(before), str(after), large)


def _part(questions: Path, plan: Plan) -> list[ReaderRow]:
    """Write train.json and test.json; return the test rows. Raises DataError."""
    train, test = split_rows(load_rows(questions), test_share=plan.test_share, seed=plan.seed)
    plan.output.mkdir(parents=True, exist_ok=True)
    write_rows(plan.output / "train.json", train)
    write_rows(plan.output / "test.json", test)
    return test[:: -(-len(test) // plan.limit)] if plan.limit else test


def _of_answers(path: Path, asked: Sequence[ReaderRow]) -> Measure:
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}.") from error
    missing = [row.id for row in asked if row.id not in answers]
    if missing:
        raise DataError(f"{path} lacks {len(missing)} answers, such as that to {missing[0]}. Every test question needs one.")
    return measure([f1(str(answers[row.id]), [text for _, text in row.answers]) for row in asked])
