"""The policy: where a question goes first, and where after an attempt. The administrator's rules beat the scores; small talk,
a wish for a person and sensitive messages leave before the search; all else starts with the cheapest tier and escalates on
what that tier showed, never on a guess. A verdict “out of scope” changes nothing: the documents may answer all the same."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

from retrieval.errors import RetrievalError
from retrieval.passages import FloatMatrix
from specialists.errors import SpecialistError
from specialists.router.crisis import speaks_of_self_harm
from specialists.router.serving import get_router
from specialists.router.smalltalk import is_only_smalltalk, smalltalk_reply
from specialists.router.types import (
    CASCADE,
    HUMAN,
    INTENTS,
    QUOTES,
    READER,
    SMALLTALK,
    SPECIALIST,
    TIER_NAMES,
    Decision,
    RouteScores,
    Rule,
    Step,
    TierEvidence,
)  # fmt: skip

logger = logging.getLogger(__name__)

# The least probability at which an intent changes the path. High, since a wrong one costs an answer.
THRESHOLDS = {"smalltalk": 0.5, "person": 0.8, "writing": 0.6}
FEW_WORDS = 3  # a wish in so few says whom or what is wished for; else it is their “please” that the classifier knows
_SOMEBODY = re.compile(
    r"\b(persons?|people|humans?|(some|any) ?(one|body)|agents?|colleagues?|representatives?|reps?|operators?|advis[eo]rs?|"
    r"managers?|admins?|administrators?|staff|team|experts?|specialists?|hr|service|support|receptionist|supervisor|bot|desk|"
    r"talk|speak|call|contact|escalate|transfer|connect|chat|live|hand)\b",
    re.IGNORECASE,
)
WRITING = frozenset({"computation", "summarise", "code"})  # what quoting cannot do


def decide(
    question: str,
    vector: FloatMatrix,
    *,
    installed: Sequence[str],
    rules: Sequence[Rule] = (),
    corpora: Sequence[int] = (),
) -> Decision:
    """Where the question goes. `vector`: its embedding, (dimension,); `installed`: the tiers that can work; `corpora`: where
    it will be searched, for rules. Never fails: without a sound router every question is a fact question, and that is said."""
    try:
        scores = get_router().score(question, vector)
    except (SpecialistError, RetrievalError) as error:
        logger.warning("Questions are routed by the rules alone. %s", error.public_message)
        scores = RouteScores()
    return decide_on(question, scores, installed=installed, rules=rules, corpora=corpora)


def decide_on(
    question: str,
    scores: RouteScores,
    *,
    installed: Sequence[str],
    rules: Sequence[Rule] = (),
    corpora: Sequence[int] = (),
) -> Decision:
    """The policy itself, without a model."""
    intent, probability = _best(scores.intent, "fact")
    decision = Decision(
        intent=intent,
        intent_probability=round(probability, 4),
        sentiment=_best(scores.sentiment, "neutral")[0],
        urgency=_best(scores.urgency, "normal")[0],
        tiers=(),
        rule=None,
        reason="",
        scores=_flat(scores),
        thresholds={**THRESHOLDS, "outside": scores.outside_threshold},
        is_crisis=speaks_of_self_harm(question),
    )
    rule = next((rule for rule in rules if applies(rule, question, decision, corpora)), None)
    if rule is not None:
        return _by_rule(decision, rule, installed)
    return _by_scores(decision, question, scores, installed)


def search_first(decision: Decision, *, installed: Sequence[str]) -> Decision:
    """The same decision, but the documents are searched: the asker wants it so, and no score or rule may forbid that."""
    said = "the asker wants the documents searched"
    return replace(_with_tiers(decision, READER, installed), reply="", rule=None, reason=said)


def only_tier(decision: Decision, tier: str) -> Decision:
    """The same decision, but `tier` is tried, since the asker wants it; where it cannot answer, the reader stands in as it does
    everywhere. An administrator's rule beats the choice."""
    if decision.rule is not None:
        return decision
    return replace(decision, tiers=(tier,), missing=(), reply="", reason=f"the asker wants {TIER_NAMES.get(tier, tier)}")


def applies(rule: Rule, question: str, decision: Decision, corpora: Sequence[int]) -> bool:
    """A phrase applies where its words stand in the question in this order; case, spaces and punctuation do not count."""
    if rule.condition == "phrase":
        phrase = _words(rule.value)
        return bool(phrase) and f" {phrase} " in f" {_words(question)} "
    if rule.condition == "corpus":
        return {rule.value} == {str(corpus) for corpus in corpora}  # asked there and nowhere else
    found = {"intent": decision.intent, "urgency": decision.urgency, "sentiment": decision.sentiment}
    return found.get(rule.condition) == rule.value


def next_tier(decision: Decision, evidence: TierEvidence) -> Step:
    """What follows the attempt of `evidence.tier`: its answer is accepted when it is sure enough and its citations hold."""
    name = TIER_NAMES.get(evidence.tier, evidence.tier)
    kind = "question" if decision.intent == "out_of_scope" else INTENTS.get(decision.intent, decision.intent)
    head = f"{kind}, {name}"  # a tier was tried, so whether it seemed out of scope says nothing any more
    if evidence.citations_failed:
        doubt = f"{head}: {evidence.citations_failed} of {evidence.citations} citations failed"
    elif evidence.confidence < evidence.threshold:
        doubt = f"{head} not sure: {evidence.confidence:.2f}, needs {evidence.threshold:.2f}"
    else:
        return Step(is_accepted=True, tier=None, reason=f"{head} sure: {_sure(evidence.confidence)}")
    later = decision.tiers[decision.tiers.index(evidence.tier) + 1 :] if evidence.tier in decision.tiers else ()
    missing = _missing_sentence([tier for tier in decision.missing if _cost(tier) > _cost(evidence.tier)])
    if later:
        skipped = _missing_sentence([tier for tier in decision.missing if _cost(evidence.tier) < _cost(tier) < _cost(later[0])])
        return Step(is_accepted=False, tier=later[0], reason=f"{doubt}; next: {TIER_NAMES.get(later[0], later[0])}{skipped}")
    return Step(is_accepted=False, tier=None, reason=f"{doubt}; nothing is left to try{missing}")


def _by_rule(decision: Decision, rule: Rule, installed: Sequence[str]) -> Decision:
    wanted = rule.tier
    if wanted not in installed and not (wanted == READER and QUOTES in installed):
        rest = _with_tiers(decision, READER, installed)
        said = f"the rule {rule.name} asks for {TIER_NAMES.get(wanted, wanted)}, which is not installed; stays below"
        return replace(rest, rule=rule.name, reason=said)
    if wanted == SMALLTALK:  # a rule has no reply of its own
        return replace(_with_tiers(decision, READER, installed), rule=rule.name, reason=f"the rule {rule.name} has no reply")
    return replace(_with_tiers(decision, wanted, installed), rule=rule.name, reason=f"by the rule {rule.name}")


def _by_scores(decision: Decision, question: str, scores: RouteScores, installed: Sequence[str]) -> Decision:
    said = f"{INTENTS.get(decision.intent, decision.intent)}: {_sure(decision.intent_probability)}"
    talk = scores.intent.get("greeting", 0.0) + scores.intent.get("thanks", 0.0)
    if talk >= THRESHOLDS["smalltalk"] and is_only_smalltalk(question) and SMALLTALK in installed:
        reply = smalltalk_reply(question, decision.intent)
        return replace(decision, tiers=(SMALLTALK,), reply=reply, reason=f"small talk and nothing else: {_sure(talk)}")
    names_nobody = len(question.split()) <= FEW_WORDS and not _SOMEBODY.search(question)
    wish = 0.0 if names_nobody else scores.intent.get("human", 0.0)
    if decision.is_crisis or wish + scores.intent.get("sensitive", 0.0) >= THRESHOLDS["person"]:
        return _to_person(decision, "the words of someone in distress" if decision.is_crisis else said, installed)
    if decision.intent in WRITING and decision.intent_probability >= THRESHOLDS["writing"] and SPECIALIST in installed:
        return replace(_with_tiers(decision, SPECIALIST, installed), reason=f"{said}, which quoting cannot do")
    routed = _with_tiers(decision, READER, installed)
    if not routed.tiers:
        return replace(routed, reason=f"{said}; no model is installed")
    first = TIER_NAMES[routed.tiers[0]]
    start = f"starts with {first if routed.tiers[0] == HUMAN else f'the {first}'}"
    if names_nobody and decision.intent == "human":
        said += ", but it names nobody"
    return replace(routed, reason=f"{said}; {start}" if scores.intent else f"no trained router, so a fact question; {start}")


def _to_person(decision: Decision, why: str, installed: Sequence[str]) -> Decision:
    if HUMAN in installed:
        return replace(_with_tiers(decision, HUMAN, installed), reason=f"{why}, so it goes to a person")
    return replace(_with_tiers(decision, READER, installed), reason=f"{why}, but no person can be asked here")


def _with_tiers(decision: Decision, first: str, installed: Sequence[str]) -> Decision:
    """The cascade from `first` on, as far as it is installed."""
    wanted = CASCADE[CASCADE.index(READER if first == QUOTES else first) :]
    stands_in = QUOTES if first == QUOTES or READER not in installed else READER
    tiers = [stands_in if tier == READER else tier for tier in wanted]
    return replace(
        decision,
        tiers=tuple(tier for tier in tiers if tier in installed),
        missing=tuple(tier for tier in tiers if tier not in installed),
    )


def _sure(probability: float) -> str:
    """Never 1.00: no estimate is that good."""
    return f"{min(probability, 0.99):.2f}"


def _cost(tier: str) -> int:
    return CASCADE.index(tier) if tier in CASCADE else 0


def _missing_sentence(tiers: Sequence[str]) -> str:
    if not tiers:
        return ""
    names = " and ".join(TIER_NAMES[tier] for tier in tiers)
    return f" ({names} {'is' if len(tiers) == 1 else 'are'} not installed)"


def _best(shares: dict[str, float], otherwise: str) -> tuple[str, float]:
    return max(shares.items(), key=lambda item: (item[1], item[0])) if shares else (otherwise, 0.0)


def _flat(scores: RouteScores) -> dict[str, float]:
    """For the ledger: "intent.fact" and so on, those worth noting."""
    heads = {"intent": scores.intent, "sentiment": scores.sentiment, "urgency": scores.urgency}
    flat = {
        f"{head}.{label}": round(share, 4) for head, shares in heads.items() for label, share in shares.items() if share >= 0.01
    }
    return {**flat, "outside": round(scores.outside, 3)} if scores.intent else flat


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
