"""The cost table of TIER_COSTS: what a CPU-second, a GPU-second and a thousand tokens cost, by tier."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ImproperlyConfigured

LINES = ("cpu_second", "gpu_second", "tokens_in", "tokens_out")
# Assumptions, not measurements: 0.036 a core-hour, 2.88 a GPU-hour, and for the largest model (which is not shipped) what
# serving one inside may cost per thousand tokens. Every installation has its own figures.
ASSUMED: dict[str, Any] = {
    "currency": "EUR",
    "default": {"cpu_second": 0.00001, "gpu_second": 0.0008, "tokens_in": 0, "tokens_out": 0},
    "largest": {"cpu_second": 0, "gpu_second": 0, "tokens_in": 0.003, "tokens_out": 0.012},
}


def read_costs(text: str) -> dict[str, Any]:
    """{"currency": …, "tiers": {tier: {line: price}}}. What is given replaces the assumed table's entries one by one."""
    try:
        given = json.loads(text) if text else {}
    except ValueError:
        raise _odd("is no JSON") from None
    if not isinstance(given, dict):
        raise _odd("is no JSON object")
    table = {**ASSUMED, **given}
    currency = table.pop("currency")
    if not isinstance(currency, str) or not 1 <= len(currency) <= 8:
        raise _odd('needs a "currency" such as "EUR"')
    for tier, prices in table.items():
        _check(tier, prices)
    tiers = {tier: {**ASSUMED.get(tier, {}), **prices} for tier, prices in table.items()}
    return {"currency": currency, "tiers": tiers}


def _check(tier: str, prices: Any) -> None:
    if not isinstance(prices, dict) or not prices.keys() <= set(LINES):
        raise _odd(f'may have only {", ".join(LINES)} for "{tier}"')
    for name, price in prices.items():
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < 1_000_000:
            raise _odd(f'needs a number of at least 0 for "{tier}", "{name}"')


def _odd(what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f'TIER_COSTS {what}. It looks like {{"currency": "EUR", "default": {{"cpu_second": 0.00001}}}}.')
