"""The installation's language model, chosen by settings as Django chooses a cache."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from specialists.language_models.types import LanguageModel


@lru_cache(maxsize=1)
def get_language_model() -> LanguageModel | None:
    """None where none is set. Raises SpecialistError when it may not be used, such as an address outside."""
    return _chosen(settings.LANGUAGE_MODEL)


def get_judge_model() -> LanguageModel | None:
    """The one that says, while a specialist is judged, whether answers are right; None where none is set. Raises as above."""
    return _chosen(settings.JUDGE_MODEL)


def _chosen(choice: Mapping[str, Any]) -> LanguageModel | None:
    return cast(LanguageModel, import_string(choice["BACKEND"])(**choice["OPTIONS"])) if choice["BACKEND"] else None
