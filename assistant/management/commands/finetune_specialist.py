"""From documents to a judged version of a specialist, in the terminal: the data set, the training, the verdict, and its
promotion."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from assistant.finetuning.claims import Claim, claim_work
from assistant.finetuning.editing import create_specialist, queue_data_set, queue_version
from assistant.finetuning.errors import FinetuningError
from assistant.finetuning.folders import find_base
from assistant.finetuning.making import make_data_set
from assistant.finetuning.models import DataSet, DataSetState, Specialist, SpecialistVersion, Split, VersionState
from assistant.finetuning.permissions import may_make, specialist_corpora
from assistant.finetuning.registry import promote_version
from assistant.finetuning.rows import rows_of
from assistant.finetuning.training import train_version
from specialists.errors import SpecialistError
from specialists.finetuning.gate import signed
from specialists.finetuning.presets import GENERAL, PRESETS
from specialists.finetuning.recipe import LIMITS, FinetuneRecipe, why_not_here
from specialists.language_models.memory import GIB


class Command(BaseCommand):
    help = "Make a data set of corpora, train an adapter on it and judge it against what is in use."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the specialist; made when it is new")
        parser.add_argument("--as", dest="person", required=True, help="with whose rights: the user name")
        parser.add_argument("--corpus", action="append", default=[], help="slug of a corpus, for a new specialist; repeat it")
        parser.add_argument("--data-set", type=int, help="number of a data set that is there already")
        parser.add_argument("--written", action="store_true", help="let the language model write questions, too")
        parser.add_argument("--estimate", action="store_true", help="say what the training would take, and end")
        parser.add_argument("--promote", action="store_true", help="put it into use when the verdict is for it")
        parser.add_argument("--recipe", choices=list(PRESETS), help="what the data set is about, and how it is trained")
        for name in LIMITS:
            kind = type(getattr(GENERAL.training, name))
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="instead of the recipe's")
        parser.add_argument("--rslora", action="store_true")
        parser.add_argument("--quantisation", default="", choices=["", "8bit", "4bit"])

    def handle(self, *args: Any, name: str, person: str, **options: Any) -> None:
        try:
            user = User.objects.get(username=person)
        except User.DoesNotExist:
            raise CommandError(f"There is no person named {person}.") from None
        try:
            self._recipe(options, options["recipe"] or GENERAL.name)  # what is wrong is said before the data set is made
            data_set = self._data_set(name, user, options)
            recipe = self._recipe(options, options["recipe"] or data_set.recipe)
            chosen = FinetuneRecipe.read(recipe)
            if options["estimate"]:
                self._say_estimate(data_set, chosen)
                return
            version = queue_version(data_set=data_set, created_by=user, recipe=recipe)
            self._train(version)
            version.refresh_from_db()
            self._tell(version)
            if options["promote"] and version.is_better:
                promote_version(version=version, by=user)
                self.stdout.write(f"{version.adapter_name} is in use.")
        except (FinetuningError, SpecialistError) as error:
            raise CommandError(error.public_message) from error

    def _recipe(self, options: dict[str, Any], name: str) -> dict[str, Any]:
        """What is given, else what the recipe has. Raises SpecialistError."""
        given = {name: options[name] for name in LIMITS if options[name] is not None}
        given |= {"use_rslora": options["rslora"], "quantisation": options["quantisation"]}
        recipe = asdict(PRESETS.get(name, GENERAL).training) | given
        FinetuneRecipe.read(recipe)
        if against := why_not_here(recipe["quantisation"]):
            raise SpecialistError("package_missing", against, permanent=True)
        return recipe

    def _data_set(self, name: str, user: User, options: dict[str, Any]) -> DataSet:
        specialist = Specialist.objects.filter(name__iexact=name).first()
        if specialist is None:
            corpora = list(specialist_corpora(user).filter(slug__in=options["corpus"]))
            if len(corpora) < len(set(options["corpus"])):
                raise CommandError(f"{user.username} may not make specialists of all of these corpora, or one is not there.")
            specialist = create_specialist(name=name, corpora=corpora, created_by=user)
        if not may_make(user, specialist):
            raise CommandError(f"{user.username} may not make specialists of all of the corpora of {specialist}.")
        if options["data_set"]:
            found = specialist.data_sets.filter(number=options["data_set"]).first()
            if found is None:
                raise CommandError(f"{specialist} has no data set {options['data_set']}.")
            return found
        data_set = queue_data_set(
            specialist=specialist, made_as=user, has_written=options["written"], recipe=options["recipe"] or GENERAL.name
        )
        make_data_set(self._claim(data_set))
        data_set.refresh_from_db()
        if data_set.state != DataSetState.READY:
            raise CommandError(data_set.error_message or "The data set was stopped.")
        kept = {split: len(rows_of(data_set, split)) for split in (Split.TRAIN, Split.HELD_OUT)}
        self.stdout.write(
            f"Data set {data_set.number}: {kept[Split.TRAIN]} rows to train on, {kept[Split.HELD_OUT]} held out, "
            f"{data_set.rows.filter(is_dropped=True).count()} dropped."
        )
        for why, count in data_set.left_out.items():
            self.stdout.write(f"  {count} questions became no row: {why}.")
        return data_set

    def _claim(self, wanted: DataSet | SpecialistVersion) -> Claim:
        claim = claim_work(only=wanted)
        if claim is None:
            raise CommandError("A trainer has taken it up already. Watch it on the page of the specialist.")
        return claim

    def _train(self, version: SpecialistVersion) -> None:
        claim = self._claim(version)
        with tqdm(total=100, unit="%", disable=None) as bar:
            claim.on_progress = lambda done, total: bar.update(round(100 * done / max(total, 1)) - bar.n)
            train_version(claim)

    def _say_estimate(self, data_set: DataSet, recipe: FinetuneRecipe) -> None:
        from specialists.finetuning.training import estimate_rows

        rows = rows_of(data_set, Split.TRAIN)
        found = estimate_rows(
            find_base(), recipe, rows, device=settings.FINETUNING_DEVICE, devices=settings.FINETUNING_DEVICES
        )  # fmt: skip
        free = f", {found.free_bytes / GIB:.1f} GiB are free" if found.free_bytes is not None else ""
        self.stdout.write(
            f"About {found.seconds / 60:.0f} minutes for {found.steps} steps and {found.tokens:,} tokens, and "
            f"{found.needed_bytes / GIB:.1f} GiB of memory{free}. {found.shape.trained:,} of {found.shape.parameters:,} "
            "parameters are trained."
        )

    def _tell(self, version: SpecialistVersion) -> None:
        if version.state != VersionState.CANDIDATE:
            raise CommandError(version.error_message or f"{version.adapter_name} was stopped.")
        for item in version.judgement["comparisons"]:
            self.stdout.write(
                f"{item['name']:20} {100 * item['incumbent']:5.1f} → {100 * item['candidate']:5.1f} % "
                f"({signed(100 * item['low'])} to {signed(100 * item['high'])}, {item['rows']} rows)"
            )
        self.stdout.write(f"{version.adapter_name}: {version.verdict}")
