"""What the routes did: how often, how well, how fast and at what cost, and what the router saved against the largest tier.

Counts only: no question, no answer and no person is named. Answers that commands and golden runs asked for do not count.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, FloatField, QuerySet, Sum
from django.db.models.functions import Cast

from assistant.golden.models import GoldenResult, RunState
from assistant.ledger.models import TierUse
from assistant.ledger.prices import LARGEST, costs_of
from assistant.models import FINAL_STATES, Answer, AnswerState, Feedback

NO_ROUTE = "none"  # answers that failed before a route was taken
STOPPED = "stopped"  # those that their asker stopped, on whatever route
MINIMUM_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; None without an answer."""

    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class RouteFigures:
    """One route: the tier that ended its answers. Seconds, tokens and cost hold all tiers that were tried before it."""

    route: str
    answers: int
    share: float
    answered: int
    abstained: int
    failed: int
    helpful: int
    votes: int
    latency: Latency
    cpu_seconds: float
    gpu_seconds: float
    tokens_in: int
    tokens_out: int
    cost: Decimal
    in_ledger: int  # of the answers, how many have a ledger; the others are older than it

    @property
    def helpful_share(self) -> float | None:
        return self.helpful / self.votes if self.votes else None

    @property
    def cost_per_answer(self) -> Decimal | None:
        return self.cost / self.in_ledger if self.in_ledger else None

    @property
    def cpu_per_answer(self) -> float | None:
        return self.cpu_seconds / self.in_ledger if self.in_ledger else None


@dataclass(frozen=True, slots=True)
class TierFigures:
    """How often a tier was tried, and what came of it."""

    tier: str
    tries: int
    outcomes: dict[str, int]
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Saving:
    """Against asking the largest tier every time: its assumed prices times the tokens that were counted. `answers` are
    those with counted tokens; only their cost is compared."""

    answers: int
    spent: Decimal
    largest_would_cost: Decimal

    @property
    def saved(self) -> Decimal:
        return self.largest_would_cost - self.spent


@dataclass(frozen=True, slots=True)
class QualityLost:
    """Golden questions that both the largest tier and others answered: shares of right answers of the same questions."""

    questions: int
    largest_right: float
    others_right: float

    @property
    def lost(self) -> float:
        return self.largest_right - self.others_right


@dataclass(frozen=True, slots=True)
class RoutesReport:
    since: datetime | None
    routes: tuple[RouteFigures, ...]
    total: RouteFigures
    tiers: tuple[TierFigures, ...]
    saving: Saving | None  # None: nothing with counted tokens
    quality_lost: QualityLost | None  # None: not measured


@dataclass(slots=True)
class _Sums:
    states: Counter[str] = field(default_factory=Counter)
    votes: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    cpu: float = 0.0
    gpu: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    in_ledger: int = 0

    def add(self, row: tuple[str, float | None, str | None, int, float, float, int, int, Decimal]) -> None:
        state, time, verdict, uses, cpu, gpu, tokens_in, tokens_out, cost = row
        self.states[state] += 1
        if time is not None:
            self.times.append(time)
        if verdict:
            self.votes[verdict] += 1
        self.cpu += cpu
        self.gpu += gpu
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.cost += cost
        self.in_ledger += bool(uses)


def report_routes(*, since: datetime | None = None) -> RoutesReport:
    """The figures of all finished answers since then."""
    sums: dict[str, _Sums] = defaultdict(_Sums)
    everything = _Sums()
    for route, *row in _rows(since):
        sums[STOPPED if row[0] == AnswerState.STOPPED else route or NO_ROUTE].add(tuple(row))
        everything.add(tuple(row))
    count = sum(everything.states.values())
    routes = [_figures(route, own, count) for route, own in sums.items()]
    return RoutesReport(
        since=since,
        routes=tuple(sorted(routes, key=lambda figures: (-figures.answers, figures.route))),
        total=_figures("all", everything, count),
        tiers=_tiers(since),
        saving=_saving(since),
        quality_lost=_quality_lost(),
    )


def counted_answers(since: datetime | None) -> QuerySet[Answer]:
    answers = Answer.objects.filter(state__in=FINAL_STATES, conversation__is_internal=False)
    return answers.filter(created_at__gte=since) if since else answers


def latency_of(times: Sequence[float]) -> Latency:
    """The median and the 95th percentile, by the nearest rank."""
    if not times:
        return Latency()
    ordered = sorted(times)
    return Latency(*(round(ordered[math.ceil(share * len(ordered)) - 1], 1) for share in (0.5, 0.95)))


def _rows(since: datetime | None) -> Iterable[tuple]:
    """One row per answer, what its tiers took summed by the database."""
    answers = counted_answers(since).annotate(
        uses=Count("tier_uses"), cpu=Sum("tier_uses__cpu_seconds"), gpu=Sum("tier_uses__gpu_seconds"),
        read=Sum("tier_uses__tokens_in"), written=Sum("tier_uses__tokens_out"), cost=Sum("tier_uses__price"),
        time=Cast("timings_ms__total", FloatField()),
    )  # fmt: skip
    names = ("route", "state", "time", "feedback__verdict", "uses", "cpu", "gpu", "read", "written", "cost")
    for row in answers.order_by().values_list(*names).iterator(chunk_size=5000):
        *known, cpu, gpu, read, written, cost = row
        yield *known, cpu or 0.0, gpu or 0.0, read or 0, written or 0, Decimal(cost or 0)


def _figures(route: str, sums: _Sums, count: int) -> RouteFigures:
    own = sum(sums.states.values())
    return RouteFigures(
        route=route,
        answers=own,
        share=own / count if count else 0.0,
        answered=sums.states[AnswerState.ANSWERED],
        abstained=sums.states[AnswerState.ABSTAINED],
        failed=sums.states[AnswerState.FAILED],
        helpful=sums.votes[Feedback.Verdict.HELPFUL],
        votes=sum(sums.votes.values()),
        latency=latency_of(sums.times),
        cpu_seconds=sums.cpu,
        gpu_seconds=sums.gpu,
        tokens_in=sums.tokens_in,
        tokens_out=sums.tokens_out,
        cost=sums.cost,
        in_ledger=sums.in_ledger,
    )


def _tiers(since: datetime | None) -> tuple[TierFigures, ...]:
    uses = TierUse.objects.filter(answer__in=counted_answers(since))
    outcomes: dict[str, dict[str, int]] = defaultdict(dict)
    costs: Counter[str] = Counter()
    prices: dict[str, Decimal] = defaultdict(Decimal)
    for tier, outcome, tries, price in (
        uses.order_by().values("tier", "outcome").annotate(tries=Count("pk"), sum=Sum("price"))
        .values_list("tier", "outcome", "tries", "sum")
    ):  # fmt: skip
        outcomes[tier][outcome] = tries
        costs[tier] += tries
        prices[tier] += Decimal(price or 0)
    return tuple(TierFigures(tier, tries, outcomes[tier], prices[tier]) for tier, tries in costs.most_common())


def _saving(since: datetime | None) -> Saving | None:
    """Answers that the largest tier ended are compared at what they cost: nothing was saved there."""
    uses = TierUse.objects.filter(answer__in=counted_answers(since))
    rows = list(
        uses.order_by().values("answer").annotate(read=Sum("tokens_in"), written=Sum("tokens_out"), cost=Sum("price"))
        .filter(read__gt=0).values_list("answer", "read", "written", "cost")
    )  # fmt: skip
    largest_ended = set(uses.filter(tier=LARGEST).values_list("answer", flat=True))
    if not rows:
        return None
    prices = costs_of(LARGEST)
    spent = sum((Decimal(cost) for *_, cost in rows), Decimal(0))
    would = sum(
        (
            Decimal(cost) if answer in largest_ended else prices.price(tokens_in=read, tokens_out=written)
            for answer, read, written, cost in rows
        ),
        Decimal(0),
    )
    return Saving(len(rows), spent, would)


def _quality_lost() -> QualityLost | None:
    """From the latest result of each golden question on the largest tier, and on any other."""
    latest: dict[tuple[int, str, bool], bool] = {}
    results = GoldenResult.objects.filter(run__state=RunState.FINISHED, is_correct__isnull=False).exclude(route="")
    rows = results.order_by("pk").values_list("run__corpus", "key", "route", "is_correct")
    for corpus, key, route, is_correct in rows.iterator(chunk_size=5000):
        latest[corpus, key, route == LARGEST] = bool(is_correct)
    both = [(corpus, key) for corpus, key, is_largest in latest if is_largest and (corpus, key, False) in latest]
    if len(both) < MINIMUM_PAIRS:
        return None
    largest = sum(latest[corpus, key, True] for corpus, key in both) / len(both)
    return QualityLost(len(both), largest, sum(latest[corpus, key, False] for corpus, key in both) / len(both))
