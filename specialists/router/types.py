"""What goes into the router and what comes out. Plain values: the ledger stores them as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SMALLTALK, READER, QUOTES, SPECIALIST, LARGEST, HUMAN = "smalltalk", "reader", "quotes", "specialist", "largest", "human"
CASCADE = (READER, SPECIALIST, LARGEST, HUMAN)  # cheapest first; QUOTES stands in where no reader is installed
TIER_NAMES = {
    SMALLTALK: "a short reply",
    READER: "reader",
    QUOTES: "sentence composer",
    SPECIALIST: "domain model",
    LARGEST: "largest model",
    HUMAN: "a person",
}
INTENTS = {
    "greeting": "greeting",
    "thanks": "thanks",
    "fact": "fact question",
    "how_to": "how-to question",
    "comparison": "comparison",
    "computation": "computation",
    "summarise": "request for a summary",
    "code": "request for code",
    "list_all": "request for a list",
    "out_of_scope": "question that seems out of scope",
    "sensitive": "sensitive message",
    "human": "wish to talk to a person",
}
SENTIMENTS = ("negative", "neutral", "positive")
URGENCIES = ("low", "normal", "high")
Condition = Literal["intent", "phrase", "corpus", "urgency", "sentiment"]


@dataclass(frozen=True, slots=True)
class Rule:
    """An administrator's rule: when `value` is the question's intent (or one of its words, its corpus, …), `tier` first."""

    condition: Condition
    value: str
    tier: str

    @property
    def name(self) -> str:
        said = INTENTS.get(self.value, self.value) if self.condition == "intent" else self.value
        return f"{self.condition} “{said}” → {TIER_NAMES.get(self.tier, self.tier)}"


@dataclass(frozen=True, slots=True)
class RouteScores:
    """What the trained heads say of a question: a probability per label. `outside`: the higher, the less it is like the
    training questions. Empty where the router is not installed."""

    intent: dict[str, float] = field(default_factory=dict)
    sentiment: dict[str, float] = field(default_factory=dict)
    urgency: dict[str, float] = field(default_factory=dict)
    outside: float = 0.0
    outside_threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a question goes. `tiers`: to be tried in this order; `missing`: later tiers that are not installed. `reply` is
    the fixed answer of a short reply. `reason` is a sentence for people; it is complete once a tier has worked (Step)."""

    intent: str
    intent_probability: float
    sentiment: str
    urgency: str
    tiers: tuple[str, ...]
    rule: str | None
    reason: str
    scores: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    reply: str = ""
    is_crisis: bool = False  # words of someone in distress


@dataclass(frozen=True, slots=True)
class TierEvidence:
    """What a tier's attempt showed. `confidence` is calibrated: the probability that its answer is right; `threshold` is
    the least that is asked of it. `citations_failed` of `citations` did not hold."""

    tier: str
    confidence: float
    threshold: float
    citations: int = 0
    citations_failed: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What follows an attempt: its answer is accepted, or `tier` is tried next, or (neither) nothing is left to try."""

    is_accepted: bool
    tier: str | None
    reason: str
