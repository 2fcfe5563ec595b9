"""The report's figures as words, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from assistant.ledger.prices import currency
from assistant.ledger.report import RouteFigures, RoutesReport, TierFigures

NOT_MEASURED = "not measured"
LEAST_MONEY = Decimal("0.0001")
COLUMNS = ("Route", "Answers", "Share", "Answered", "Refused", "Failed", "Helpful", "p50", "p95", "CPU-s", "GPU-s", "Tokens",
           "Cost of 1,000", "Cost")  # fmt: skip


def money(amount: Decimal | None) -> str:
    """“EUR 0.0012”: two places from a unit on, two significant digits below, and nothing finer than a hundredth of a cent."""
    if amount is None:
        return "–"
    if not amount:
        return f"{currency()} 0"
    if abs(amount) < LEAST_MONEY:
        return f"under {currency()} {LEAST_MONEY}"
    places = 2 if abs(amount) >= 1 else min(4, 1 - amount.adjusted())
    return f"{currency()} {amount:,.{places}f}"


def of_a_thousand(amount: Decimal | None) -> Decimal | None:
    """The price of a thousand answers, since that of one is too small to read."""
    return None if amount is None else amount * 1000


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"


@dataclass(frozen=True, slots=True)
class RouteWords:
    name: str
    cells: tuple[str, ...]  # in the order of COLUMNS, the name left out


def words_of(figures: RouteFigures) -> RouteWords:
    votes = f"{share(figures.helpful_share)} of {figures.votes}" if figures.votes else "–"
    cells = (
        f"{figures.answers:,}", share(figures.share), f"{figures.answered:,}", f"{figures.abstained:,}", f"{figures.failed:,}",
        votes, milliseconds(figures.latency.p50), milliseconds(figures.latency.p95), f"{figures.cpu_seconds:,.1f}",
        f"{figures.gpu_seconds:,.1f}", f"{figures.tokens_in + figures.tokens_out:,}",
        money(of_a_thousand(figures.cost_per_answer)), money(figures.cost),
    )  # fmt: skip
    return RouteWords(figures.route, cells)


def saving_words(report: RoutesReport) -> str:
    if report.saving is None:
        return "Not measured: no answer has counted tokens yet."
    saving = report.saving
    return (
        f"{money(saving.saved)} over {saving.answers:,} answers: they cost {money(saving.spent)}, and the largest tier would "
        f"have cost {money(saving.largest_would_cost)} for the same tokens (assumed prices)."
    )


def quality_words(report: RoutesReport) -> str:
    if report.quality_lost is None:
        return "Not measured: too few golden questions were asked both of the largest tier and of others."
    lost = report.quality_lost
    return (
        f"{lost.lost * 100:.1f} points on {lost.questions} golden questions: {lost.largest_right:.0%} are right with the largest "
        f"tier, {lost.others_right:.0%} with the others."
    )


def outcome_words(tier: TierFigures) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(tier.outcomes.items()))


def as_table(report: RoutesReport) -> str:
    rows = [words_of(figures) for figures in (*report.routes, report.total)]
    lines = [COLUMNS, *((row.name, *row.cells) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    table = ["  ".join(_padded(line, widths)).rstrip() for line in lines]
    tries = [f"  {tier.tier}: {tier.tries:,} tries, {outcome_words(tier)}" for tier in report.tiers]
    return "\n".join([
        *table, "", "Tiers that were tried:" if tries else "No tier was recorded.", *tries, "",
        f"Saved against always using the largest tier: {saving_words(report)}", f"Quality lost: {quality_words(report)}",
    ])  # fmt: skip


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]


def as_json(report: RoutesReport) -> dict[str, Any]:
    return {
        "since": report.since.isoformat() if report.since else None,
        "currency": currency(),
        "routes": [_json(figures) for figures in report.routes],
        "total": _json(report.total),
        "tiers": [
            {"tier": tier.tier, "tries": tier.tries, "outcomes": tier.outcomes, "cost": float(tier.cost)} for tier in report.tiers
        ],
        "saved": float(report.saving.saved) if report.saving else NOT_MEASURED,
        "largest_would_cost_assumed": float(report.saving.largest_would_cost) if report.saving else NOT_MEASURED,
        "quality_lost": report.quality_lost.lost if report.quality_lost else NOT_MEASURED,
    }


def _json(figures: RouteFigures) -> dict[str, Any]:
    return {
        "route": figures.route,
        "answers": figures.answers,
        "share": round(figures.share, 4),
        "answered": figures.answered,
        "abstained": figures.abstained,
        "failed": figures.failed,
        "helpful_share": figures.helpful_share,
        "votes": figures.votes,
        "p50_ms": figures.latency.p50,
        "p95_ms": figures.latency.p95,
        "cpu_seconds": round(figures.cpu_seconds, 3),
        "gpu_seconds": round(figures.gpu_seconds, 3),
        "tokens_in": figures.tokens_in,
        "tokens_out": figures.tokens_out,
        "cost": float(figures.cost),
        "cost_per_answer": float(figures.cost_per_answer) if figures.cost_per_answer is not None else None,
        "answers_in_ledger": figures.in_ledger,
    }
