"""Prints readers side by side: their size, speed, F1 and refusal on the same rows. For pruned, distilled and quantised ones."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError

from specialists.encoders.bundle import read_card
from specialists.encoders.export import Precision
from specialists.errors import SpecialistError
from specialists.reader.reporting import ReaderReport, report_reader, rows_to_test
from specialists.reader.serving import KIND

HEADER = (
    "| reader | layers | neurons | precision | MB | ms per question | answerable F1 (95 %) | joint F1 (95 %) | refuses rightly |"
)
RULE = "|---|---|---|---|---|---|---|---|---|"


class Command(BaseCommand):
    help = "Compare readers on the same questions; prints a Markdown table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--models", type=Path, nargs="+", required=True, help="folders of readers")
        parser.add_argument("--data", type=Path, nargs="+", required=True)
        parser.add_argument("--precision", choices=["int8", "fp32"], nargs="+", default=["int8"])
        parser.add_argument("--limit", type=int, default=0, help="every n-th question, so that there are at most so many")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rows = rows_to_test(options["data"], limit=options["limit"])
            self.stdout.write(f"{HEADER}\n{RULE}")
            for folder in options["models"]:
                card = read_card(folder, KIND)
                for precision in cast("list[Precision]", options["precision"]):
                    report = report_reader(folder, rows, precision=precision)
                    cells = (folder.name, card.layers, card.neurons, precision, *_figures(report))
                    self.stdout.write(f"| {' | '.join(map(str, cells))} |")
        except SpecialistError as error:
            raise CommandError(error.public_message) from error


def _figures(report: ReaderReport) -> tuple[object, ...]:
    measures = report.measures
    joint = measures.get("joint F1, threshold chosen", "–")
    refused = measures.get("no-answer accuracy, threshold chosen", "–")
    return (report.megabytes, report.milliseconds, measures["answerable F1"], joint, refused)
