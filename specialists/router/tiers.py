"""Which tiers this installation has."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from specialists.router.types import HUMAN, QUOTES, READER, SMALLTALK


def installed_tiers() -> tuple[str, ...]:
    """The reader where its weights are, else the sentence composer. The larger models come with their own installation."""
    has_reader = (Path(settings.SPECIALISTS_DIR) / "reader" / "card.json").is_file()
    return (SMALLTALK, READER if has_reader else QUOTES, HUMAN)
