"""What the page Routing shows: the rules in words, the choices of its form, and a question's way through the router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

from ingestion.models import Corpus
from retrieval.errors import RetrievalError
from specialists.models import RoutingRule
from specialists.router.cascade import decide
from specialists.router.rules import current_rules
from specialists.router.tiers import installed_tiers
from specialists.router.types import CASCADE, INTENTS, QUOTES, READER, SENTIMENTS, TIER_NAMES, URGENCIES, Decision

MAX_QUESTION = 500
SHOWN = 4
Choice = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Typed:
    """The form as it was sent. `when` is such as "intent:code"; for a phrase, `phrase` has the words."""

    when: str = ""
    phrase: str = ""
    tier: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Typed:
        when, phrase, tier = (str(form.get(name, "")).replace("\0", "").strip() for name in ("when", "phrase", "tier"))
        return cls(when, phrase, tier)

    @property
    def condition(self) -> str:
        return self.when.partition(":")[0]

    @property
    def value(self) -> str:
        return self.phrase if self.condition == "phrase" else self.when.partition(":")[2]


@dataclass(frozen=True, slots=True)
class ShownRule:
    pk: int
    when: str
    value: str
    tier: str
    note: str  # why it has no effect now


@dataclass(frozen=True, slots=True)
class Share:
    name: str
    percent: int


@dataclass(frozen=True, slots=True)
class Tried:
    """Where a question would go. `heads`: what each trained head says, the likeliest first."""

    decision: Decision | None
    heads: tuple[tuple[str, tuple[Share, ...]], ...] = ()
    thresholds: tuple[tuple[str, str], ...] = ()
    tiers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    outside: float | None = None
    milliseconds: float = 0.0
    error: str = ""


def present_rules() -> list[ShownRule]:
    corpora = {str(pk): name for pk, name in Corpus.objects.values_list("pk", "name")}
    installed = installed_tiers()

    def shown(row: RoutingRule) -> ShownRule:
        value = corpora.get(row.value, "") if row.condition == "corpus" else row.value
        if row.condition == "intent":
            value = INTENTS.get(row.value, row.value)
        note = "" if row.tier in installed or (row.tier == READER and QUOTES in installed) else "not installed: stays below"
        return ShownRule(
            pk=row.pk,
            when=row.get_condition_display(),
            value=value or "a corpus that is gone",
            tier=TIER_NAMES.get(row.tier, row.tier),
            note=note if value else "has no effect",
        )

    return [shown(row) for row in RoutingRule.objects.all()]


def when_choices() -> list[tuple[str, list[Choice]]]:
    """By group. Administrators know every corpus by name."""
    corpora = [(f"corpus:{pk}", name) for pk, name in Corpus.objects.order_by("name").values_list("pk", "name")]
    groups = [
        ("Words", [("phrase:", "contains the words…")]),
        ("What it is", [(f"intent:{intent}", name) for intent, name in INTENTS.items()]),
        ("Urgency", [(f"urgency:{urgency}", f"{urgency} urgency") for urgency in URGENCIES]),
        ("Tone", [(f"sentiment:{sentiment}", f"{sentiment} tone") for sentiment in SENTIMENTS]),
        ("Asked in", corpora),
    ]
    return [group for group in groups if group[1]]


def tier_choices() -> list[Choice]:
    installed = installed_tiers()
    first = READER if READER in installed else QUOTES
    tiers = [(tier, TIER_NAMES[first if tier == READER else tier]) for tier in CASCADE]
    return [(tier, name if tier in installed or tier == READER else f"{name} (not installed)") for tier, name in tiers]


def try_question(question: str) -> Tried:
    """Decides as an answer does, without answering. The time is that of the decision, without the embedding."""
    from retrieval.embedders import get_embedder

    try:
        vector = get_embedder().embed_queries([question])[0]
    except RetrievalError as error:
        return Tried(None, error=error.public_message)
    since = perf_counter()
    decision = decide(question, vector, installed=installed_tiers(), rules=current_rules())
    took = (perf_counter() - since) * 1000
    return Tried(
        decision=decision,
        heads=tuple((head, shares) for head in ("intent", "urgency", "sentiment") if (shares := _shares(decision, head))),
        thresholds=_thresholds(decision),
        tiers=tuple(TIER_NAMES[tier] for tier in decision.tiers),
        missing=tuple(TIER_NAMES[tier] for tier in decision.missing),
        outside=decision.scores.get("outside"),
        milliseconds=took,
    )


def _shares(decision: Decision, head: str) -> tuple[Share, ...]:
    found = [(label.partition(".")[2], share) for label, share in decision.scores.items() if label.startswith(f"{head}.")]
    found.sort(key=lambda item: -item[1])
    names = INTENTS if head == "intent" else {}
    return tuple(Share(names.get(label, label), min(99, round(100 * share))) for label, share in found[:SHOWN])


def _thresholds(decision: Decision) -> tuple[tuple[str, str], ...]:
    names = {
        "smalltalk": "Small talk gets a short reply from",
        "person": "Sensitive messages and wishes for a person go to one from",
        "writing": "A larger model starts, where installed, from",
    }
    return tuple((words, f"{100 * decision.thresholds[name]:.0f} %") for name, words in names.items())
