"""The models that programs can name: the router, which chooses for each question, and each tier by itself."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.api.errors import ApiError
from specialists.router.tiers import installed_tiers
from specialists.router.types import QUOTES, READER, SPECIALIST

ROUTER = "intramural"


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """`tier`: empty for the router's choice."""

    id: str
    tier: str
    description: str


_WRITES = "The language model here writes, each sentence checked; where it cannot, the reader quotes."
_BY_TIER = {
    READER: OfferedModel("intramural-reader", READER, "Quotes what the documents say, and writes nothing of its own."),
    QUOTES: OfferedModel("intramural-quotes", QUOTES, "Quotes the sentences that fit best, without a trained reader."),
    SPECIALIST: OfferedModel("intramural-specialist", SPECIALIST, _WRITES),
}  # fmt: skip


def offered_models() -> list[OfferedModel]:
    """What this installation has."""
    router = OfferedModel(ROUTER, "", "The cheapest model that can answer, chosen for each question.")
    return [router, *(_BY_TIER[tier] for tier in installed_tiers() if tier in _BY_TIER)]


def model_named(name: str) -> OfferedModel:
    """Raises ApiError for a model that this installation has not."""
    for model in offered_models():
        if model.id == name:
            return model
    known = ", ".join(model.id for model in offered_models())
    raise ApiError(404, "model_not_found", f"There is no model “{name[:80]}”. There are: {known}.", param="model")
