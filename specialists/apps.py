from __future__ import annotations

from django.apps import AppConfig


class SpecialistsConfig(AppConfig):
    name = "specialists"

    def ready(self) -> None:
        from specialists.language_models import checks  # noqa: F401 - it registers itself
