"""What a tier's work costs, by the cost table of the settings (TIER_COSTS)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

DEFAULT = "default"
LARGEST = "largest"
_PLACES = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Costs:
    """The price of a CPU-second, a GPU-second, and a thousand tokens read and written."""

    cpu_second: Decimal
    gpu_second: Decimal
    tokens_in: Decimal
    tokens_out: Decimal

    def price(self, *, cpu_seconds: float = 0, gpu_seconds: float = 0, tokens_in: int = 0, tokens_out: int = 0) -> Decimal:
        seconds = self.cpu_second * Decimal(str(cpu_seconds)) + self.gpu_second * Decimal(str(gpu_seconds))
        tokens = (self.tokens_in * tokens_in + self.tokens_out * tokens_out) / 1000
        return (seconds + tokens).quantize(_PLACES)


def currency() -> str:
    return str(settings.TIER_COSTS["currency"])


def costs_of(tier: str) -> Costs:
    """The tier's line of the table over the default line."""
    line = {**settings.TIER_COSTS["tiers"][DEFAULT], **settings.TIER_COSTS["tiers"].get(tier, {})}
    return Costs(**{name: Decimal(str(line[name])) for name in ("cpu_second", "gpu_second", "tokens_in", "tokens_out")})
