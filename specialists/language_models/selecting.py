"""The installation's language model, chosen by settings as Django chooses a cache."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from specialists.language_models.types import LanguageModel


@lru_cache(maxsize=1)
def get_language_model() -> LanguageModel | None:
    """None where none is set. Raises SpecialistError when it may not be used, such as an address outside."""
    chosen = settings.LANGUAGE_MODEL
    return cast(LanguageModel, import_string(chosen["BACKEND"])(**chosen["OPTIONS"])) if chosen["BACKEND"] else None
