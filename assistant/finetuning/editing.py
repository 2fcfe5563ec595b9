"""What people do with specialists and their data sets. Each function is one whole change, or raises FinetuningError."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.text import slugify

from assistant.finetuning.doorbell import ring
from assistant.finetuning.errors import FinetuningError
from assistant.finetuning.models import (
    OPEN_DATA_SETS,
    DataSet,
    DataSetRow,
    DataSetState,
    Specialist,
    SpecialistVersion,
    VersionState,
)
from ingestion.models import Corpus
from specialists.errors import DataError
from specialists.finetuning.presets import GENERAL, PRESETS
from specialists.finetuning.recipe import FinetuneRecipe

RESERVED = frozenset({"new"})  # words of the pages' addresses
DROPPED_BY_HAND = "dropped by hand"


@transaction.atomic
def create_specialist(*, name: str, corpora: Sequence[Corpus], created_by: User | None, description: str = "") -> Specialist:
    name = " ".join(name.split())
    slug = slugify(unicodedata.normalize("NFKD", name))[:60].strip("-")
    if not slug or slug in RESERVED:
        raise FinetuningError("name_empty", "Give the specialist a name of letters or figures.")
    if not corpora:
        raise FinetuningError("no_corpus", "Choose at least one corpus.")
    if Specialist.objects.filter(slug=slug).exists() or Specialist.objects.filter(name__iexact=name).exists():
        raise FinetuningError("name_taken", f"There is already a specialist named “{name}”. Choose another name.")
    specialist = Specialist.objects.create(name=name[:80], slug=slug, description=description.strip(), created_by=created_by)
    specialist.corpora.set(corpora)
    return specialist


@transaction.atomic
def queue_data_set(
    *, specialist: Specialist, made_as: User, seed: int = 7, has_written: bool = False, recipe: str = GENERAL.name
) -> DataSet:
    """Have rows made of what `made_as` may read in the specialist's corpora, as the recipe of this name has them; with questions
    that the language model writes, if they are wanted."""
    if recipe not in PRESETS:
        raise FinetuningError("bad_recipe", f"There is no such recipe. Choose one of {', '.join(PRESETS)}.")
    Specialist.objects.select_for_update().get(pk=specialist.pk)
    if specialist.data_sets.filter(state__in=OPEN_DATA_SETS).exists():
        raise FinetuningError("making", "A data set is being made. Wait for it, or stop it.")
    data_set = DataSet.objects.create(
        specialist=specialist, number=_next(specialist.data_sets.all()), made_as=made_as, created_by=made_as, seed=seed,
        has_written=has_written, recipe=recipe,
    )  # fmt: skip
    transaction.on_commit(ring)
    return data_set


def stop_data_set(*, data_set: DataSet) -> bool:
    return bool(
        DataSet.objects.filter(pk=data_set.pk, state__in=OPEN_DATA_SETS).update(
            state=DataSetState.STOPPED, lease_owner="", lease_until=None
        )
    )


@transaction.atomic
def drop_row(*, row: DataSetRow, is_dropped: bool) -> None:
    """Leave a row out, or take it in again. Raises FinetuningError once the data set is frozen."""
    data_set = DataSet.objects.select_for_update().get(pk=row.data_set_id)
    if data_set.state != DataSetState.READY:
        raise FinetuningError("frozen", "A version was trained on this data set, so it stays as it is. Make a new one.")
    if not is_dropped and any(finding["is_secret"] for finding in row.findings):
        raise FinetuningError("secret", "This row holds a secret and is never trained on. Take the secret out of the document.")
    DataSetRow.objects.filter(pk=row.pk).update(is_dropped=is_dropped, dropped_because=DROPPED_BY_HAND if is_dropped else "")


@transaction.atomic
def drop_found(*, data_set: DataSet) -> int:
    """Leave out every row in which personal data were found. Returns how many."""
    held = DataSet.objects.select_for_update().get(pk=data_set.pk)
    if held.state != DataSetState.READY:
        raise FinetuningError("frozen", "A version was trained on this data set, so it stays as it is. Make a new one.")
    found = data_set.rows.filter(is_dropped=False).exclude(findings=[])
    return found.update(is_dropped=True, dropped_because="personal data found")


@transaction.atomic
def queue_version(*, data_set: DataSet, created_by: User | None, recipe: dict[str, Any] | None = None) -> SpecialistVersion:
    """Have a version trained on the data set."""
    specialist = Specialist.objects.select_for_update().get(pk=data_set.specialist_id)
    if data_set.state not in (DataSetState.READY, DataSetState.FROZEN):
        raise FinetuningError("not_ready", "The data set is not ready yet.")
    try:
        chosen = FinetuneRecipe.read(recipe or {})
    except DataError as error:
        raise FinetuningError(error.code, error.public_message) from error
    except TypeError:
        raise FinetuningError("bad_recipe", "A value of the recipe is no number.") from None
    try:
        with transaction.atomic():
            version = SpecialistVersion.objects.create(
                specialist=specialist, number=_next(specialist.versions.all()), data_set=data_set, recipe=as_json(chosen),
                created_by=created_by,
            )  # fmt: skip
    except IntegrityError:
        raise FinetuningError("training", "A version of this specialist is in training. Wait for it, or stop it.") from None
    transaction.on_commit(ring)
    return version


def as_json(recipe: FinetuneRecipe) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(recipe)


@transaction.atomic
def retry_version(*, version: SpecialistVersion) -> None:
    """Queue a version that failed or was stopped again; it goes on from its last checkpoint."""
    try:
        with transaction.atomic():
            changed = SpecialistVersion.objects.filter(
                pk=version.pk, state__in=[VersionState.FAILED, VersionState.STOPPED]
            ).update(state=VersionState.QUEUED, error_message="", attempts=0, finished_at=None, lease_owner="", lease_until=None)
    except IntegrityError:
        raise FinetuningError("training", "A version of this specialist is in training. Wait for it, or stop it.") from None
    if not changed:
        raise FinetuningError("not_ended", "Only a version that failed or was stopped can be started again.")
    transaction.on_commit(ring)


def _next(rows: Any) -> int:
    return (rows.aggregate(last=Max("number"))["last"] or 0) + 1
