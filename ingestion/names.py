"""How names that people type are compared: without regard to case, accents and spaces."""

from __future__ import annotations

import unicodedata


def folded(name: str) -> str:
    """Without case, accents and more than single spaces."""
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return " ".join("".join(letter for letter in letters if not unicodedata.combining(letter)).split())
