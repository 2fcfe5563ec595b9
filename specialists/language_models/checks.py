"""Refuses a start with a language model that may not be used: an address outside, a folder that is no model, a pickle."""

from __future__ import annotations

from django.core import checks

from specialists.errors import SpecialistError
from specialists.language_models.selecting import get_judge_model, get_language_model


@checks.register("security")
def check_language_model(**_: object) -> list[checks.CheckMessage]:
    """Only a warning: a server that cannot be found now and may be found later, an adapter that does not fit, beside others."""
    try:
        model = get_language_model()
    except SpecialistError as error:
        kind = checks.Error if error.permanent else checks.Warning
        return [kind(error.public_message, id="intramural.E003" if error.permanent else "intramural.W003")]
    refused = getattr(model, "refused", {})
    return [checks.Warning(error.public_message, id="intramural.W004") for error in refused.values()]


@checks.register("security")
def check_judge_model(**_: object) -> list[checks.CheckMessage]:
    try:
        get_judge_model()
    except SpecialistError as error:
        kind = checks.Error if error.permanent else checks.Warning
        message = f"The judge model (JUDGE_MODEL_URL): {error.public_message}"
        return [kind(message, id="intramural.E006" if error.permanent else "intramural.W006")]
    return []
