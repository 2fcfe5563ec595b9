"""Makes the trained specialists ready for this host; run once after installing and after changing SPECIALISTS_DIR."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from specialists.encoders.bundle import CARD
from specialists.encoders.export import prepare_specialist
from specialists.errors import SpecialistError

KINDS = ("reader", "reranker", "grounding")


class Command(BaseCommand):
    help = "Prepare the specialists in SPECIALISTS_DIR. Does nothing for those that are ready."

    def handle(self, *args: Any, **options: Any) -> None:
        for kind in KINDS:
            source = settings.SPECIALISTS_DIR / kind
            if not (source / CARD).is_file():
                self.stdout.write(f"No {kind} is installed in {source}.")
                continue
            try:
                card = prepare_specialist(source, kind, settings.MODELS_DIR / kind)
            except SpecialistError as error:
                raise CommandError(error.public_message) from error
            self.stdout.write(f"{card.name} is ready.")
