"""Everything that must be there before the server starts: models, tables, static files. Quick when nothing is new."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Prepare the models, migrate the database and collect the static files."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("prepare_models", stdout=self.stdout, stderr=self.stderr)
        call_command("prepare_specialists", stdout=self.stdout, stderr=self.stderr)
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
