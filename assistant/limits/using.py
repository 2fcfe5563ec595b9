"""Counts what is used, and refuses a question that is over a limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.models import User
from django.db.models import F, Q, Sum
from django.utils import timezone

from assistant.api.models import ApiToken
from assistant.errors import QuestionError
from assistant.ledger.prices import currency
from assistant.limits.models import DailyUse, Limit

KINDS = ("questions", "tokens", "cost")
NEAR = 0.8  # of a limit: from here on, and at the last question at the latest, people are told what is left
OVER = "over_limit"
CLOSED = "An administrator has set the limit to 0; ask them for more."


@dataclass(frozen=True, slots=True)
class Allowance:
    """One limit and what was used of it today. `kind`: one of KINDS."""

    kind: str
    used: Decimal
    limit: Decimal
    is_of_token: bool = False

    @property
    def is_over(self) -> bool:
        return self.used >= self.limit

    @property
    def is_near(self) -> bool:
        is_last = self.kind == "questions" and self.limit - self.used <= 1
        return is_last or self.used >= self.limit * Decimal(str(NEAR))

    @property
    def is_closed(self) -> bool:
        return self.limit == 0

    @property
    def left(self) -> str:
        rest = max(Decimal(0), self.limit - self.used)
        amount = f"{rest:.2f} of {self.limit:.2f} {currency()}" if self.kind == "cost" else f"{rest:,.0f} of {self.limit:,.0f}"
        return amount if self.kind == "cost" else f"{amount} {self.kind}"


def take_question(*, user: User, token: ApiToken | None = None) -> None:
    """Count a question. Raises QuestionError when a limit is used up. Belongs in the transaction that stores the question
    and holds its person's row, so that no two questions are both the last."""
    use = _use_of_today(user, token)
    over = next((item for item in allowances(user, token) if item.is_over), None)
    if over is not None:
        if over.is_closed:
            raise QuestionError(OVER, f"{'This token' if over.is_of_token else 'You'} may ask nothing at present. {CLOSED}")
        whose = "This token has" if over.is_of_token else "You have"
        raise QuestionError(OVER, f"{whose} {over.left} left for today. Ask again tomorrow, or ask an administrator for more.")
    DailyUse.objects.filter(pk=use.pk).update(questions=F("questions") + 1)


def count_work(*, user: User, token_id: int | None, tokens: int, cost: Decimal) -> None:
    """Count what answering took."""
    if not (tokens or cost):
        return
    day = timezone.localdate()
    rows = DailyUse.objects.filter(day=day, user=user, token=token_id)
    more = {"tokens": F("tokens") + tokens, "cost": F("cost") + cost}
    if not rows.update(**more):  # asked before midnight, or from the command line
        DailyUse.objects.get_or_create(day=day, user=user, token_id=token_id)
        rows.update(**more)


def allowances(user: User, token: ApiToken | None = None) -> list[Allowance]:
    """The limits that hold for a question of this person (and of this token), with what was used today.

    A person's own limit replaces those of their groups, of which the widest holds, and these replace everyone's; a token's comes
    on top. Each kind is looked for by itself.
    """
    holding = Q(user=user) | Q(group__user=user) | Q(user=None, group=None, token=None)
    rows = list(Limit.objects.filter(holding | Q(token=token) if token else holding).distinct())
    if not rows:
        return []
    of_person = [row for row in rows if row.token_id is None]
    own, of_groups, of_all = (
        _widest(row for row in of_person if (row.user_id is not None, row.group_id is not None) == kind)
        for kind in ((True, False), (False, True), (False, False))
    )
    used = _used(Q(user=user))
    merged = {**of_all, **of_groups, **own}
    found = [Allowance(kind, used[kind], merged[kind]) for kind in KINDS if kind in merged]
    if token is not None and len(of_person) < len(rows):
        used = _used(Q(token=token))
        limits = _widest(row for row in rows if row.token_id is not None)
        found += [Allowance(kind, used[kind], limit, is_of_token=True) for kind, limit in limits.items()]
    return found


def nearest_limit(user: User, token: ApiToken | None = None) -> Allowance | None:
    """The limit that is most used up, once it is near."""
    near = [item for item in allowances(user, token) if item.is_near]
    return max(near, key=lambda item: item.used / item.limit if item.limit else Decimal("Infinity"), default=None)


def _widest(limits: Iterable[Limit]) -> dict[str, Decimal]:
    """By kind, the largest of several limits; a kind of which none of them speaks is left out."""
    widest: dict[str, Decimal] = {}
    for row in limits:
        for kind in KINDS:
            value = getattr(row, kind)
            if value is not None:
                widest[kind] = max(Decimal(value), widest.get(kind, Decimal(0)))
    return widest


def _used(whose: Q) -> dict[str, Decimal]:
    sums = DailyUse.objects.filter(whose, day=timezone.localdate()).aggregate(**{kind: Sum(kind) for kind in KINDS})
    return {kind: Decimal(total or 0) for kind, total in sums.items()}


def _use_of_today(user: User, token: ApiToken | None) -> DailyUse:
    return DailyUse.objects.get_or_create(day=timezone.localdate(), user=user, token=token)[0]
