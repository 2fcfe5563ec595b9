"""Setting and lifting limits, and the list of them with today's use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django import forms
from django.contrib.auth.models import Group, User
from django.db.models import Sum
from django.utils import timezone

from assistant.api.tokens import valid_tokens
from assistant.limits.models import DailyUse, Limit
from assistant.limits.using import KINDS
from assistant.numbers import number_errors

MOST_QUESTIONS, MOST = 10**9, 10**12
GONE = "Choose from the list whom the limit is for. Who or what was chosen is no longer there."


class LimitForm(forms.Form):
    """A limit of everyone, a group, a person or a token."""

    subject = forms.ChoiceField(label="Who", error_messages={"invalid_choice": GONE, "required": GONE})
    questions = forms.IntegerField(
        min_value=0, max_value=MOST_QUESTIONS, required=False, label="Questions a day",
        error_messages=number_errors(0, MOST_QUESTIONS, such_as=100),
    )  # fmt: skip
    tokens = forms.IntegerField(
        min_value=0, max_value=MOST, required=False, label="Tokens a day", error_messages=number_errors(0, MOST, such_as=50_000)
    )
    cost = forms.DecimalField(
        min_value=0, max_digits=12, decimal_places=4, required=False, label="Cost a day",
        error_messages=number_errors(0, 99_999_999, such_as="2.50", is_whole=False),
    )  # fmt: skip
    is_meant = forms.BooleanField(required=False, label="Yes, stop these questions")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["subject"].choices = subjects()  # type: ignore[attr-defined]
        self.asks_back = False  # whether a 0 waits for the person to say that it is meant

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or {}
        if not self.errors and all(cleaned.get(kind) is None for kind in KINDS):
            raise forms.ValidationError("Give at least one number; what is left empty has no limit.")
        if not self.errors and not cleaned.pop("is_meant", False):
            self._ask_back([kind for kind in KINDS if cleaned.get(kind) == 0], str(cleaned["subject"]))
        return cleaned

    def _ask_back(self, zeros: Sequence[str], subject: str) -> None:
        who = _flat(subjects())[subject]
        self.asks_back = bool(zeros)
        for kind in zeros:
            self.add_error(kind, f"0 stops every question under this limit: {who}. Confirm it below if that is meant.")


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit with what was used of it today: by its most active person where it holds for several."""

    limit: Limit
    who: str
    figures: Sequence[tuple[str, Decimal | None, Decimal]]  # kind, limit, used


def subjects() -> list[tuple[str, str | list[tuple[str, str]]]]:
    people = [(f"user:{person.pk}", _name(person)) for person in User.objects.filter(is_active=True).order_by("username")]
    groups = [(f"group:{group.pk}", group.name) for group in Group.objects.order_by("name")]
    tokens = [(f"token:{token.pk}", f"{token.name}, {_name(token.user)}") for token in valid_tokens().select_related("user")]
    offered: list[tuple[str, list[tuple[str, str]]]] = [
        ("Each person of a group", groups),
        ("One person", people),
        ("One token", tokens),
    ]
    return [("everyone", "Each person"), *(part for part in offered if part[1])]


def _flat(choices: Sequence[tuple[str, str | list[tuple[str, str]]]]) -> dict[str, str]:
    """The words of each value, out of its group."""
    return dict(pair for value, words in choices for pair in ([(value, words)] if isinstance(words, str) else words))


def set_limit(*, subject: str, questions: int | None, tokens: int | None, cost: Decimal | None) -> Limit:
    """Set the limit of `subject` (a value of `subjects`); one that is there is replaced."""
    kind, _, number = subject.partition(":")
    whose = {"user_id": None, "group_id": None, "token_id": None}
    if kind != "everyone":
        whose[f"{kind}_id"] = number  # type: ignore[assignment]
    return Limit.objects.update_or_create(**whose, defaults={"questions": questions, "tokens": tokens, "cost": cost})[0]


def lift_limit(*, limit: Limit) -> None:
    limit.delete()


def listed_limits() -> list[LimitRow]:
    limits = Limit.objects.select_related("user", "group", "token__user").order_by("user__username", "group__name", "pk")
    return [_row(limit) for limit in limits]


def _row(limit: Limit) -> LimitRow:
    today = DailyUse.objects.filter(day=timezone.localdate())
    if limit.user_id:
        today, who = today.filter(user=limit.user_id), _name(limit.user)
    elif limit.token_id:
        today, who = today.filter(token=limit.token_id), f"Token {limit.token}"
    elif limit.group_id:
        today, who = today.filter(user__groups=limit.group_id), f"Each person of {limit.group}"
    else:
        who = "Each person"
    used = {}
    for kind in KINDS:
        sums = today.values("user").annotate(total=Sum(kind)).values_list("total", flat=True)
        used[kind] = Decimal(max(sums, default=0) or 0)
    return LimitRow(limit, who, [(kind, getattr(limit, kind), used[kind]) for kind in KINDS])


def _name(person: User | None) -> str:
    if person is None:
        return ""
    name = person.get_full_name()
    return f"{name} ({person.username})" if name else person.username
