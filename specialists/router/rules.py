"""The administrator's rules: reading them for the cascade, adding, removing, and moving one up."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max

from specialists.errors import SpecialistError
from specialists.router.models import RoutingRule
from specialists.router.types import CASCADE, INTENTS, SENTIMENTS, URGENCIES, Rule

MOST_RULES = 200
_KNOWN = {"intent": tuple(INTENTS), "urgency": URGENCIES, "sentiment": SENTIMENTS}


class RuleError(SpecialistError):
    """A rule that cannot be; the sentence says what to change."""

    def __init__(self, public_message: str) -> None:
        super().__init__("routing_rule", public_message, permanent=True)


def current_rules() -> tuple[Rule, ...]:
    """For `decide`: in their order."""
    return tuple(as_rule(row) for row in RoutingRule.objects.all())


def as_rule(row: RoutingRule) -> Rule:
    return Rule(row.condition, row.value, row.tier)  # type: ignore[arg-type]


@transaction.atomic
def add_rule(*, condition: str, value: str, tier: str, created_by: AbstractBaseUser | None) -> RoutingRule:
    """Put a rule at the end. Raises RuleError."""
    value = " ".join(value.split())
    _check(condition, value, tier)
    if RoutingRule.objects.count() >= MOST_RULES:
        raise RuleError(f"There are {MOST_RULES} rules already. Remove some that no longer matter.")
    same = RoutingRule.objects.filter(condition=condition, value__iexact=value).first()
    if same is not None:
        raise RuleError("There is a rule for this already. Remove it first, or move it up.")
    last = RoutingRule.objects.aggregate(last=Max("position"))["last"] or 0
    return RoutingRule.objects.create(
        position=last + 1, condition=condition, value=value, tier=tier, created_by_id=created_by.pk if created_by else None
    )


def remove_rule(*, rule: RoutingRule) -> None:
    rule.delete()


@transaction.atomic
def move_rule_up(*, rule: RoutingRule) -> None:
    """Change places with the rule before; the first stays."""
    before = RoutingRule.objects.filter(position__lt=rule.position).last()
    if before is not None:
        before.position, rule.position = rule.position, before.position
        RoutingRule.objects.bulk_update([before, rule], ["position"])


def _check(condition: str, value: str, tier: str) -> None:
    if condition not in RoutingRule.When.values:
        raise RuleError("Choose when the rule applies.")
    if tier not in CASCADE:
        raise RuleError("Choose where the question goes.")
    if condition == RoutingRule.When.PHRASE and not any(char.isalnum() for char in value):
        raise RuleError("Type the words that the question must contain.")
    is_known = value in _KNOWN[condition] if condition in _KNOWN else condition != "corpus" or value.isdecimal()
    if not is_known or len(value) > 200:
        raise RuleError("Choose when the rule applies." if condition != "phrase" else "Type fewer words: at most 200 characters.")
