"""Refuses a start with a language model that may not be used: an address outside, a name without a network."""

from __future__ import annotations

from django.core import checks

from specialists.errors import SpecialistError
from specialists.language_models.selecting import get_language_model


@checks.register("security")
def check_language_model(**_: object) -> list[checks.CheckMessage]:
    """A server that cannot be found now may be found later, so it only warns."""
    try:
        get_language_model()
    except SpecialistError as error:
        kind = checks.Error if error.permanent else checks.Warning
        return [kind(error.public_message, id="intramural.E003" if error.permanent else "intramural.W003")]
    return []
