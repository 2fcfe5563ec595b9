"""Adapts the embedding model to the organization's documents and says whether it has become better."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from assistant.embedders.adapting import Adaptation, Report, adapt
from ingestion.models import Corpus
from retrieval.errors import RetrievalError
from specialists.errors import SpecialistError
from specialists.training.recipe import Recipe, Run
from specialists.training.reporting import ProgressBar


class Command(BaseCommand):
    help = (
        "Adapt the embedding model to the documents: pairs of question and passage, hard negatives, training, int8, and a "
        "comparison on documents that are held out. It changes nothing that is in use: build_embedder_index does. Run the same "
        "command again to go on after an interruption."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, default=settings.DATA_DIR / "embedders" / "adapted", help="a new folder")
        parser.add_argument("--corpus", action="append", default=[], metavar="SLUG", help="only these; repeat it")
        parser.add_argument("--general", action="append", default=[], type=Path, metavar="BEIR_FOLDER", help="repeat it")
        parser.add_argument("--margin", type=float, default=2.0, help="points of nDCG@10 that a general set may lose at most")
        parser.add_argument(
            "--base", default=settings.EMBEDDING_MODEL, help="the packaged model's name or a BERT encoder's folder"
        )
        parser.add_argument("--method", choices=["full", "lora"], default="full")
        parser.add_argument("--pairs", type=int, default=1000, help="at most so many are trained on")
        parser.add_argument("--epochs", type=int, default=1)
        parser.add_argument("--batch", type=int, default=32)
        parser.add_argument("--learning-rate", type=float, default=2e-5)
        parser.add_argument("--share", type=float, default=0.5, help="how far to go from the old weights to the trained ones")
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--checkpoint-seconds", type=float, default=60.0, help="what a kill may cost")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = adapt(self._wanted(options), Bars())
        except (SpecialistError, RetrievalError) as error:
            raise CommandError(error.public_message) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report)))
        else:
            self._tell(report)

    def _wanted(self, options: dict[str, Any]) -> Adaptation:
        corpora = Corpus.objects.all()
        if options["corpus"]:
            corpora = corpora.filter(slug__in=options["corpus"])
            unknown = set(options["corpus"]) - set(corpora.values_list("slug", flat=True))
            if unknown:
                raise CommandError(f"There is no corpus {', '.join(sorted(unknown))}.")
        if not 0 < options["share"] <= 1 or min(options["epochs"], options["batch"], options["pairs"]) < 1:
            raise CommandError("--share is a number above 0 and up to 1; --epochs, --batch and --pairs are at least 1.")
        recipe = Recipe(
            base=options["base"], method=options["method"], epochs=options["epochs"], batch=options["batch"],
            learning_rate=options["learning_rate"], dropout=0.0, seed=options["seed"],
        )  # fmt: skip
        run = Run(
            data=[], output=options["output"], recipe=recipe, report=ProgressBar(), say=self.stderr.write,
            checkpoint_s=options["checkpoint_seconds"],
        )  # fmt: skip
        return Adaptation(
            corpora=corpora, output=options["output"], recipe=recipe, share=options["share"], most_pairs=options["pairs"],
            general=options["general"], margin=options["margin"], run=run,
        )  # fmt: skip

    def _tell(self, report: Report) -> None:
        self.stdout.write(f"{report.pairs} pairs. nDCG@10 before → after (difference, its 95 % interval):")
        rows = {"held-out documents": report.held_out, "… by the vectors alone": report.dense, **report.general}
        for name, change in rows.items():
            self.stdout.write(f"  {name:24} {change}  {change.questions} questions")
        self.stdout.write(report.verdict)
        if report.is_proposed:
            self.stdout.write(f"Next: manage.py build_embedder_index --embedder {report.folder}")


class Bars:
    """A progress bar for each part of the work."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __call__(self, done: int, total: int, what: str) -> None:
        if self._bar is None or self._bar.desc != f"{what}: ":
            self._bar = tqdm(total=total, desc=what, file=sys.stderr, mininterval=1.0)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()
            self._bar = None
