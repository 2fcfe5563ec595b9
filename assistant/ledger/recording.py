"""Keeps what each tier did for an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from assistant.ledger.models import TierUse
from assistant.ledger.prices import costs_of
from assistant.limits.using import count_work
from assistant.models import Answer

CHARACTERS_PER_TOKEN = 4


@dataclass(slots=True)
class Use:
    """One try of one tier. `decision` is the router's (JSON); it must hold no words of the question."""

    tier: str
    outcome: str  # of TierUse.Outcome
    latency_ms: float
    cpu_seconds: float
    gpu_seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    confidence: float | None = None
    reason: str = ""
    decision: Mapping[str, Any] = field(default_factory=dict)


def record_tiers(*, answer: Answer, uses: Sequence[Use]) -> None:
    """Store the tries in their order and count what they took. Belongs in the transaction that records the answer."""
    rows = TierUse.objects.bulk_create([_row(answer, order, use) for order, use in enumerate(uses)])
    _count(answer, rows)


def count_uses(*, answer: Answer, uses: Sequence[Use]) -> None:
    """Count what tries took whose answer is no longer there to keep them."""
    _count(answer, [_row(answer, order, use) for order, use in enumerate(uses)])


def _count(answer: Answer, rows: Sequence[TierUse]) -> None:
    if answer.conversation.is_internal:
        return
    tokens = sum(row.tokens_in + row.tokens_out for row in rows)
    cost = sum((row.price for row in rows), Decimal(0))
    count_work(user=answer.asker, token_id=answer.api_token_id, tokens=tokens, cost=cost)


def _row(answer: Answer, order: int, use: Use) -> TierUse:
    if use.outcome not in TierUse.Outcome.values:
        raise ValueError(f"{use.outcome!r} is no outcome of a tier")
    price = costs_of(use.tier).price(
        cpu_seconds=use.cpu_seconds, gpu_seconds=use.gpu_seconds, tokens_in=use.tokens_in, tokens_out=use.tokens_out
    )
    return TierUse(
        answer_id=answer.pk, order=order, tier=use.tier, outcome=use.outcome, cpu_seconds=use.cpu_seconds,
        gpu_seconds=use.gpu_seconds, tokens_in=use.tokens_in, tokens_out=use.tokens_out, latency_ms=use.latency_ms, price=price,
        confidence=use.confidence, reason=use.reason[:300], decision=dict(use.decision),
    )  # fmt: skip


def about_tokens(*texts: str) -> int:
    """Roughly how many tokens a language model would count: a token per four characters of English."""
    return sum(-(-len(text) // CHARACTERS_PER_TOKEN) for text in texts)
