"""What a training would take, for its page. It is computed where the page is made, so it is about this host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings

from assistant.finetuning.folders import find_base, without_folders
from assistant.finetuning.models import DataSet, Split
from assistant.finetuning.rows import rows_of
from ingestion.connections import lend_connection
from specialists.errors import SpecialistError
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import check_enough

if TYPE_CHECKING:
    from specialists.finetuning.sizing import Estimate


def estimate_for(data_set: DataSet, recipe: Mapping[str, Any]) -> tuple[Estimate | None, str]:
    """The estimate, and what speaks against the training, as a sentence."""
    from specialists.finetuning.forecasting import forecast
    from specialists.finetuning.sizing import check_fits

    rows = rows_of(data_set, Split.TRAIN)
    if wrong := check_enough(rows, rows_of(data_set, Split.HELD_OUT)):
        return None, wrong
    lend_connection()
    try:
        found = forecast(
            find_base(), FinetuneRecipe.read(recipe), rows, device=settings.FINETUNING_DEVICE, devices=settings.FINETUNING_DEVICES
        )  # fmt: skip
    except SpecialistError as error:
        return None, without_folders(error.public_message)
    try:
        check_fits(found, settings.FINETUNING_DEVICE)
    except SpecialistError as error:
        return found, error.public_message
    return found, ""
