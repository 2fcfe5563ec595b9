"""Where the base model and the adapters lie."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from assistant.finetuning.models import SpecialistVersion
from specialists.errors import SpecialistError
from specialists.language_models.folders import ModelFolder, read_model_folder

_PATH = re.compile(r"(?<![\w.~/:])/(?:[^\s/'\"“”,;:]+/)+[^\s/'\"“”,;:]*[^\s/'\"“”,;:.]")
NO_BASE = "There is no base model to train on. Set FINETUNING_BASE, or LANGUAGE_MODEL_FOLDER, to a model's folder."


def find_base() -> ModelFolder:
    """Raises SpecialistError."""
    if not settings.FINETUNING_BASE:
        raise SpecialistError("no_base", NO_BASE, permanent=True)
    return read_model_folder(Path(settings.FINETUNING_BASE))


def without_folders(message: str) -> str:
    """For people who see a page and not the host: the last part of each path stands for it."""
    known = (settings.FINETUNING_BASE, settings.ADAPTERS_DIR, settings.MODELS_DIR, settings.DATA_DIR, settings.BASE_DIR)
    for folder in filter(None, map(str, known)):
        message = message.replace(folder, Path(folder).name)
    return _PATH.sub(lambda found: Path(found.group()).name, message)


def adapter_folder(version: SpecialistVersion) -> Path:
    return Path(settings.ADAPTERS_DIR) / version.adapter_name
