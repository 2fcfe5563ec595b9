"""What a specialist was trained from: the cards of those that it goes on from tell which data are in its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from specialists.encoders.bundle import CARD


def parents_of(start: str) -> list[dict[str, Any]]:
    """The trainings before this one, oldest first: name, recipe, data and licences of each. `start`: the folder that it went on
    from; empty for the base."""
    card = _card_in(start)
    if card is None:
        return []
    own = {
        "name": f"{card['kind']}@{card['weights_sha256'][:12]}",
        **{name: card[name] for name in ("recipe", "data", "licences")},
    }
    return [*(card.get("parents") or parents_of(card["recipe"].get("start", ""))), own]


def name_of(folder: str) -> str:
    """The specialist's name instead of where it lay."""
    card = _card_in(folder)
    return f"{card['kind']}@{card['weights_sha256'][:12]}" if card else folder


def _card_in(folder: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads((Path(folder) / CARD).read_text(encoding="utf-8"))) if folder else None
    except (OSError, ValueError):
        return None
