"""A smaller language model, with a report: layers left out and healed on a data set's rows, or an adapter merged into its
base."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from assistant.finetuning.folders import find_base
from assistant.finetuning.models import DataSet, Specialist, Split
from assistant.finetuning.rows import rows_of, to_judge
from specialists.compression.compressing import compress
from specialists.compression.merging import merge_adapter
from specialists.compression.reporting import CompressionReport, judge_side, report_on
from specialists.errors import DataError, SpecialistError
from specialists.finetuning.judging import plant
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.local_folder import LocalFolder

MIB = 2**20
COPY = "What was merged or healed holds words of the rows' documents: serve it only where everybody may read all of them."


class Command(BaseCommand):
    help = "Leave out layers of the base model, or merge a version's adapter into it, and tell what that costs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the specialist whose rows measure the loss")
        parser.add_argument("--output", type=Path, required=True, help="the new model's folder")
        parser.add_argument("--layers", type=int, default=0, help="how many layers to leave out")
        parser.add_argument("--merge", type=int, metavar="VERSION", help="merge the adapter of this version into the base")
        parser.add_argument("--heal", type=int, default=1, metavar="EPOCHS", help="of training after layers are left out")
        parser.add_argument("--learning-rate", type=float, default=FinetuneRecipe().learning_rate)
        parser.add_argument("--data-set", type=int, help="number; the newest by default")

    def handle(self, *args: Any, name: str, output: Path, **options: Any) -> None:
        specialist = Specialist.objects.filter(name__iexact=name).first()
        if specialist is None:
            raise CommandError(f"There is no specialist named {name}. Make one with manage.py finetune_specialist.")
        try:
            base, data_set = find_base(), _data_set(specialist, options["data_set"])
            adapter = ""
            if options["merge"]:
                adapter = f"{specialist.slug}-v{options['merge']}"
                merge_adapter(base, Path(settings.ADAPTERS_DIR) / adapter, output)
                smaller = read_model_folder(output)
            else:
                smaller = self._compress(base, data_set, output, options)
            self._tell(self._judge(base, smaller, data_set, adapter))
        except (SpecialistError, DataError) as error:
            raise CommandError(error.public_message) from error

    def _compress(self, base: ModelFolder, data_set: DataSet, output: Path, options: dict[str, Any]) -> ModelFolder:
        if options["layers"] < 1:
            raise CommandError("Say how many layers to leave out (--layers N), or which version to merge (--merge VERSION).")
        healing = None
        if options["heal"]:
            healing = FinetuneRecipe(epochs=options["heal"], learning_rate=options["learning_rate"])
        made = compress(
            base, rows_of(data_set, Split.TRAIN), output, layers=options["layers"], healing=healing,
            device=settings.FINETUNING_DEVICE,
        )  # fmt: skip
        self.stdout.write(f"Left out: layers {', '.join(map(str, made.dropped))} of {len(made.changes)}.")
        return made.folder

    def _judge(self, base: ModelFolder, smaller: ModelFolder, data_set: DataSet, adapter: str) -> CompressionReport:
        rows = plant(list(to_judge(data_set).values()), seed=data_set.seed)
        sides = []
        for folder, used in ((base, adapter), (smaller, "")):
            model = LocalFolder(folder=str(folder.path), adapters=str(settings.ADAPTERS_DIR), patience_s=3600)
            name = f"{folder.path.name} + {used}" if used else folder.path.name
            sides.append(
                judge_side(
                    name, model, rows, stored_bytes=folder.stored_bytes, parameters=folder.parameters, adapter=used
                )
            )  # fmt: skip
        return report_on(*sides)

    def _tell(self, report: CompressionReport) -> None:
        before, after = report.before, report.after
        for label, old, new in (
            ("model", before.name, after.name),
            ("MiB on disk", f"{before.stored_bytes / MIB:.1f}", f"{after.stored_bytes / MIB:.1f}"),
            ("numbers", f"{before.parameters:,}", f"{after.parameters:,}"),
            ("tokens a second", f"{before.tokens_per_second:.0f}", f"{after.tokens_per_second:.0f}"),
            *((item.name, f"{100 * item.incumbent:.1f} %", f"{100 * item.candidate:.1f} %") for item in report.comparisons),
        ):
            self.stdout.write(f"{label:20} {old:>24} → {new}")
        self.stdout.write(report.sentence)
        self.stdout.write(COPY)


def _data_set(specialist: Specialist, number: int | None) -> DataSet:
    sets = specialist.data_sets.filter(state__in=("ready", "frozen"))
    found = sets.filter(number=number).first() if number else sets.first()
    if found is None:
        raise CommandError(f"{specialist} has no such data set. Make one with manage.py finetune_specialist.")
    return found
