"""A smaller language model, with a report: layers or single weights left out and healed on a data set's rows, an adapter merged
into its base, or a smaller model taught by it."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.finetuning.claims import STOPPED
from assistant.finetuning.folders import find_base
from assistant.finetuning.models import DataSet, Specialist
from assistant.finetuning.smaller import Making, Wish, make_smaller
from specialists.compression.calibrated import METHODS
from specialists.compression.gguf import KINDS
from specialists.compression.reporting import CompressionReport
from specialists.compression.sparsity import Sparsity
from specialists.errors import DataError, SpecialistError
from specialists.finetuning.recipe import FinetuneRecipe

MIB = 2**20
COPY = "What was merged, healed or taught holds words of the rows' documents: serve it only where everybody may read all of them."
GOES_ON = "It was stopped. The same command goes on where it was."


class Command(BaseCommand):
    help = "Make a smaller model of the base model or of a version of a specialist, and tell what that costs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = FinetuneRecipe()
        parser.add_argument("name", help="of the specialist whose rows measure the loss")
        parser.add_argument("--output", type=Path, required=True, help="the new model's folder, or .gguf file")
        parser.add_argument("--layers", type=int, default=0, help="how many layers to leave out")
        parser.add_argument("--sparsity", default="", help="weights to take out of each matrix: a share such as 0.5, or 2:4")
        parser.add_argument("--merge", type=int, metavar="VERSION", help="merge the adapter of this version into the base")
        parser.add_argument("--student", type=Path, metavar="FOLDER", help="a smaller model, to be taught by this one")
        parser.add_argument(
            "--teacher", choices=["in-use", "base"], default="in-use", help="who teaches: the version in use, or the base"
        )
        parser.add_argument(
            "--heal",
            "--epochs",
            dest="epochs",
            type=int,
            metavar="EPOCHS",
            default=1,
            help="of the training; 0 leaves healing out",
        )
        parser.add_argument("--learning-rate", type=float, default=usual.learning_rate)
        parser.add_argument("--r", type=int, default=usual.r, help="the rank of what the training adds")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--bits", type=int, choices=[8, 4], help="store it in so many bits")
        form.add_argument("--gguf", default="", choices=KINDS, help="make a GGUF file of it, by llama.cpp's converter")
        parser.add_argument(
            "--method", default="", choices=METHODS, help="how --bits rounds: by the rows; bitsandbytes otherwise"
        )
        parser.add_argument("--data-set", type=int, help="number; the newest by default")

    def handle(self, *args: Any, name: str, output: Path, **options: Any) -> None:
        specialist = Specialist.objects.filter(name__iexact=name).first()
        if specialist is None:
            raise CommandError(f"There is no specialist named {name}. Make one with manage.py finetune_specialist.")
        try:
            wish = _wish(output, options)
            if wish.problem:
                raise CommandError(wish.problem)
            with stopping() as should_stop:
                data_set = _data_set(specialist, options["data_set"])
                making = Making(specialist, data_set, find_base(), self.stdout.write, should_stop)
                self._tell(make_smaller(making, wish))
        except (SpecialistError, DataError) as error:
            is_stopped = isinstance(error, SpecialistError) and error.code == STOPPED
            raise CommandError(GOES_ON if is_stopped else error.public_message) from error

    def _tell(self, report: CompressionReport) -> None:
        before, after = report.before, report.after
        for label, old, new in (
            ("model", before.name, after.name),
            ("MiB on disk", f"{before.stored_bytes / MIB:.1f}", f"{after.stored_bytes / MIB:.1f}"),
            *_both("MiB in memory", before.memory_bytes, after.memory_bytes, lambda value: f"{value / MIB:.1f}"),
            ("numbers", f"{before.parameters:,}", f"{after.parameters:,}"),
            *_both("of these zero", before.zeros, after.zeros, lambda value: f"{100 * value:.1f} %"),
            ("tokens a second", f"{before.tokens_per_second:.0f}", f"{after.tokens_per_second:.0f}"),
            *((item.name, f"{100 * item.incumbent:.1f} %", f"{100 * item.candidate:.1f} %") for item in report.comparisons),
        ):
            self.stdout.write(f"{label:20} {old:>24} → {new}")
        self.stdout.write(report.sentence)
        self.stdout.write(COPY)


def _wish(output: Path, options: dict[str, Any]) -> Wish:
    """Raises DataError."""
    training = None
    if options["epochs"]:
        training = FinetuneRecipe(
            epochs=options["epochs"], learning_rate=options["learning_rate"], r=options["r"], lora_alpha=2 * options["r"]
        )
    return Wish(
        output, layers=options["layers"], sparsity=Sparsity.read(options["sparsity"]) if options["sparsity"] else None,
        merge=options["merge"], student=options["student"], teacher_is_base=options["teacher"] == "base", training=training,
        bits=options["bits"], method=options["method"] or "", gguf=options["gguf"],
    )  # fmt: skip


def _both(label: str, before: float | None, after: float | None, said: Callable[[float], str]) -> list[tuple[str, str, str]]:
    """A line of the report, where there is something to say of either side."""
    if before is None and after is None:
        return []
    old, new = ("–" if value is None else said(value) for value in (before, after))
    return [(label, old, new)]


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Until it is left, Ctrl-C and SIGTERM only say that it should stop: a training then ends with a checkpoint. The second one
    ends it at once."""
    asked = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, *_: object) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _data_set(specialist: Specialist, number: int | None) -> DataSet:
    sets = specialist.data_sets.filter(state__in=("ready", "frozen"))
    found = sets.filter(number=number).first() if number else sets.first()
    if found is None:
        raise CommandError(f"{specialist} has no such data set. Make one with manage.py finetune_specialist.")
    return found
