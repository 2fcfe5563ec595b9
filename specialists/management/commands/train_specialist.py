"""Trains a small specialist on the organization's own files, on whatever processor there is."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from specialists.errors import SpecialistError
from specialists.training.kinds import KINDS, train_kind
from specialists.training.recipe import DataFile, Recipe, Run
from specialists.training.reporting import ProgressBar

OPTIONS = (
    "base", "start", "method", "epochs", "batch", "learning_rate", "dropout", "seed", "layers", "neurons", "teachers",
    "negatives", "wrong", "altered",
)  # fmt: skip


class Command(BaseCommand):
    help = "Train a small specialist. Run the same command again to go on after an interruption."

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = Recipe()
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("--data", nargs="+", required=True, metavar="FILE[=SHARE]", help="SHARE: of its rows, per epoch")
        parser.add_argument("--output", type=Path, required=True)
        parser.add_argument("--licence", action="append", default=[], help="of a data file, for the card; may be repeated")
        parser.add_argument("--base", default=default.base, help="the packaged model's name or a BERT encoder's folder")
        parser.add_argument("--start", default=default.start, metavar="FOLDER", help="go on from this specialist")
        parser.add_argument(
            "--teachers", nargs="+", default=default.teachers, metavar="FOLDER", help="distil these specialists' mean"
        )
        parser.add_argument("--method", choices=["full", "lora"], default=default.method)
        parser.add_argument("--epochs", type=int, default=default.epochs)
        parser.add_argument("--batch", type=int, default=default.batch)
        parser.add_argument("--learning-rate", type=float, default=default.learning_rate)
        parser.add_argument("--dropout", type=float, default=default.dropout)
        parser.add_argument(
            "--negatives",
            type=float,
            default=default.negatives,
            metavar="SHARE",
            help="of a reader's questions get wrong passages",
        )
        parser.add_argument("--wrong", type=int, default=default.wrong, metavar="N", help="1 to N wrong passages")
        parser.add_argument(
            "--altered", type=float, default=default.altered, metavar="SHARE", help="of a reader's questions lose their answer"
        )
        parser.add_argument("--seed", type=int, default=default.seed)
        parser.add_argument("--checkpoint-seconds", type=float, default=120.0, help="what a kill may cost")
        parser.add_argument("--layers", type=int, default=None, help="keep so many of the layers")
        parser.add_argument("--neurons", type=int, default=None, help="keep so many feed-forward neurons per layer")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            recipe = Recipe(**{**{name: options[name] for name in OPTIONS}, "teachers": tuple(options["teachers"])})
            run = Run(
                data=[DataFile.parse(text) for text in options["data"]],
                output=options["output"],
                recipe=recipe,
                report=ProgressBar(),
                say=self.stdout.write,
                licences=options["licence"],
                checkpoint_s=options["checkpoint_seconds"],
            )
            train_kind(options["kind"], run)
        except SpecialistError as error:
            raise CommandError(error.public_message) from error
