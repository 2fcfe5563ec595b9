from __future__ import annotations

from django.apps import AppConfig


class SpecialistsConfig(AppConfig):
    name = "specialists"
