"""Which tiers this installation has."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from specialists.router.types import HUMAN, QUOTES, READER, SMALLTALK, SPECIALIST


def installed_tiers() -> tuple[str, ...]:
    """The reader where its weights are, else the sentence composer; the domain model where a language model is set."""
    has_reader = (Path(settings.SPECIALISTS_DIR) / "reader" / "card.json").is_file()
    writing = (SPECIALIST,) if settings.LANGUAGE_MODEL["BACKEND"] else ()
    return (SMALLTALK, READER if has_reader else QUOTES, *writing, HUMAN)
