"""The thesis as a table: the same small reader before and after training on a domain's own documents, on others of that domain.

A column for an installation's large model is filled from a file of its answers; published figures are labelled as such."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from specialists.encoders.bundle import CARD
from specialists.errors import DataError, SpecialistError
from specialists.reader.evaluation import Measure, measure
from specialists.reader.published import SPECIALISATION
from specialists.reader.reporting import report_reader
from specialists.reader.rows import ReaderRow, load_rows
from specialists.reader.serving import KIND
from specialists.reader.splitting import split_rows, write_rows
from specialists.reader.training import train_reader
from specialists.squad_metrics import f1
from specialists.training.recipe import DataFile, Recipe, Run
from specialists.training.reporting import ProgressBar


class Command(BaseCommand):
    help = "Train the reader on part of a domain's questions and measure it before and after on the rest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="the domain's questions")
        parser.add_argument("--output", type=Path, required=True, help="folder for the two parts and the trained reader")
        parser.add_argument("--start", type=Path, default=None, help="the general reader; the installed one by default")
        parser.add_argument("--test-share", type=float, default=0.3)
        parser.add_argument("--epochs", type=int, default=3)
        parser.add_argument("--learning-rate", type=float, default=1e-4)
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--limit", type=int, default=0, help="at most so many test questions")
        parser.add_argument("--answers", type=Path, help='a large model\'s answers to test.json: {"question id": "answer", …}')

    def handle(self, *args: Any, **options: Any) -> None:
        start = options["start"] or settings.SPECIALISTS_DIR / KIND
        folder = options["output"]
        try:
            test = _part(options, folder)
            if not (folder / KIND / CARD).is_file():
                self._train(start, folder, options)
            columns = {
                "before": report_reader(start, test).measures["answerable F1"],
                "after": report_reader(folder / KIND, test).measures["answerable F1"],
            }
            if options["answers"]:
                columns["a large model"] = _of_answers(options["answers"], test)
        except SpecialistError as error:
            raise CommandError(error.public_message) from error
        self._print(options["data"].name, test, columns)

    def _train(self, start: Path, folder: Path, options: dict[str, Any]) -> None:
        recipe = Recipe(
            start=str(start), epochs=options["epochs"], learning_rate=options["learning_rate"], seed=options["seed"]
        )  # fmt: skip
        data = [DataFile(folder / "train.json")]
        train_reader(Run(data, folder / KIND, recipe, report=ProgressBar(), say=self.stdout.write))

    def _print(self, name: str, test: Sequence[ReaderRow], columns: dict[str, Measure]) -> None:
        answerable = sum(bool(row.answers) for row in test)
        self.stdout.write(f"{name}: F1 on {answerable} answerable questions about documents that it was not trained on\n")
        self.stdout.write(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        self.stdout.write(f"| {' | '.join(map(str, columns.values()))} |\n")
        self.stdout.write("Published by others, on their own data:")
        for item in SPECIALISATION:
            self.stdout.write(f"- {item.what}: {item.before} → {item.after} ({item.source})")


def _part(options: dict[str, Any], folder: Path) -> list[ReaderRow]:
    """Write train.json and test.json; return the test rows. Raises DataError."""
    train, test = split_rows(load_rows(options["data"]), test_share=options["test_share"], seed=options["seed"])
    write_rows(folder / "train.json", train)
    write_rows(folder / "test.json", test)
    limit = options["limit"]
    return test[:: -(-len(test) // limit)] if limit else test


def _of_answers(path: Path, test: Sequence[ReaderRow]) -> Measure:
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}.") from error
    missing = [row.id for row in test if row.answers and row.id not in answers]
    if missing:
        raise DataError(f"{path} lacks {len(missing)} answers, such as that to {missing[0]}. Every test question needs one.")
    return measure([f1(str(answers[row.id]), [text for _, text in row.answers]) for row in test if row.answers])
