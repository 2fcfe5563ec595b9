"""Prints how good a trained specialist is on a file of rows, as it is served: prepared for this host."""

from __future__ import annotations

import json
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from specialists.encoders.bundle import read_card, write_card
from specialists.encoders.export import prepare_specialist
from specialists.errors import SpecialistError
from specialists.reader.evaluation import Measure, ReadRow, cross_chosen, read_rows, score_rows
from specialists.reader.rows import ReaderRow, load_rows, questions_in_common
from specialists.reader.serving import KIND, Reader
from specialists.training.cards import write_model_card


class Command(BaseCommand):
    help = "Evaluate a reader on questions in SQuAD's form (and the other forms that train_specialist reads)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=[KIND])
        parser.add_argument("--data", type=Path, nargs="+", required=True)
        parser.add_argument("--model", type=Path, help="a specialist's folder; the installed one by default")
        parser.add_argument("--precision", choices=["int8", "fp32"], default="int8")
        parser.add_argument("--trained-on", type=Path, nargs="*", default=[], help="files that must share no question with it")
        parser.add_argument("--limit", type=int, default=0, help="every n-th question, so that at most so many are asked")
        parser.add_argument("--record", metavar="NAME", help="write the figures into the specialist's card under this name")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        source = options["model"] or settings.SPECIALISTS_DIR / KIND
        try:
            rows = _rows(options["data"], options["limit"])
            self._check(rows, options["trained_on"])
            with tempfile.TemporaryDirectory() as name:
                prepared = Path(name) / KIND
                prepare_specialist(source, KIND, prepared, cast("Literal['int8', 'fp32']", options["precision"]))
                measures, speed = self._measure(Reader(source, prepared), rows)
        except SpecialistError as error:
            raise CommandError(error.public_message) from error
        if options["record"]:
            _record(source, options["record"], options["precision"], measures)
        if options["json"]:
            self.stdout.write(json.dumps({name: asdict(value) for name, value in measures.items()} | {"ms": speed}, indent=1))
            return
        self.stdout.write(f"{len(rows)} questions, {sum(not row.answers for row in rows)} of them without an answer")
        for label, value in measures.items():
            self.stdout.write(f"{label:<32} {value}")
        self.stdout.write(f"{'ms per question':<32} {speed:.1f}")

    def _check(self, rows: Sequence[ReaderRow], trained_on: Sequence[Path]) -> None:
        for path in trained_on:
            shared = questions_in_common(load_rows(path), rows)
            if shared:
                raise CommandError(
                    f"{len(shared)} questions are in {path} too, such as {shared[0]}. A test must not contain what was trained "
                    "on: remove them from one of the two."
                )

    def _measure(self, reader: Reader, rows: Sequence[ReaderRow]) -> tuple[dict[str, Measure], float]:
        with tqdm(total=len(rows), unit="question", mininterval=1.0) as bar:
            started = time.perf_counter()
            read = read_rows(reader, rows, report=lambda done: bar.update(done - bar.n))
            speed = (time.perf_counter() - started) / len(rows) * 1000
        return _measures(read), round(speed, 1)


def _record(source: Path, name: str, precision: str, measures: dict[str, Measure]) -> None:
    card = read_card(source, KIND)
    figures = {**card.figures, f"{name} ({precision})": {label: asdict(value) for label, value in measures.items()}}
    card = replace(card, figures=figures)
    write_card(source, card)
    write_model_card(source, card)


def _rows(data: Sequence[Path], limit: int) -> list[ReaderRow]:
    rows = [row for path in data for row in load_rows(path)]
    return rows[:: -(-len(rows) // limit)] if limit else rows


def _measures(read: Sequence[ReadRow]) -> dict[str, Measure]:
    """At the reader's own threshold 0, and, where there are questions without an answer, at one chosen on other articles."""
    measures = score_rows(read)
    if all(item.row.answers for item in read):
        return measures
    chosen = score_rows(cross_chosen(read))
    return measures | {f"{name}, threshold chosen": value for name, value in chosen.items() if not name.startswith("answerable")}
