from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialists.router.cascade import decide, decide_on, next_tier, search_first
from specialists.router.types import Decision, RouteScores, Rule, TierEvidence

CPU = ("smalltalk", "reader", "human")
ALL = ("smalltalk", "reader", "specialist", "largest", "human")


def _scores(intent: str, share: float = 0.9, *, urgency: str = "normal", other: str = "fact") -> RouteScores:
    rest = {other: round(1 - share, 4)} if other != intent else {"how_to": round(1 - share, 4)}
    return RouteScores(
        intent={intent: share, **rest}, sentiment={"neutral": 1.0}, urgency={urgency: 1.0}, outside=-2.0, outside_threshold=0.5
    )


def _decide(question: str, scores: RouteScores, installed: tuple[str, ...] = CPU, **options: Any) -> Decision:
    return decide_on(question, scores, installed=installed, **options)


def test_it_starts_a_fact_question_with_the_reader_and_says_why() -> None:
    decision = _decide("How many days of leave?", _scores("fact"))
    assert decision.tiers == ("reader", "human")
    assert decision.missing == ("specialist", "largest")
    assert decision.reason == "fact question: 0.90; starts with the reader"
    assert decision.scores["intent.fact"] == 0.9
    assert decision.thresholds["outside"] == 0.5


def test_it_lets_the_older_composer_stand_in_for_the_reader() -> None:
    decision = _decide("How many days of leave?", _scores("fact"), ("smalltalk", "quotes", "human"))
    assert decision.tiers == ("quotes", "human")
    assert "sentence composer" in decision.reason


@pytest.mark.parametrize(
    ("message", "reply"),
    [("Hi!", "Hello."), ("good morning everyone", "Hello."), ("Thanks a lot, that helped", "You are welcome."),
     ("ok thank you bye", "Goodbye."), ("hello, how are you?", "Hello.")],
)  # fmt: skip
def test_it_answers_small_talk_with_a_fixed_reply(message: str, reply: str) -> None:
    decision = _decide(message, _scores("thanks" if "hank" in message else "greeting"))
    assert decision.tiers == ("smalltalk",)
    assert decision.reply.startswith(reply)


@pytest.mark.parametrize(
    "message",
    ["hi, how many days of leave?", "Thanks, and for contractors?", "hello is Good Friday a holiday", "morning shift premium",
     "good day rate", "thanks what is the VPN address", "How do I?", "what time is it", "a new year", "?!", "help",
     "thanks, what is it", "thanks and now this one?"],
)  # fmt: skip
def test_it_takes_no_question_for_small_talk(message: str) -> None:
    """Even when the classifier is sure of it."""
    assert _decide(message, _scores("greeting", 0.99)).tiers == ("reader", "human")


def test_it_takes_no_small_talk_words_for_small_talk_when_the_classifier_disagrees() -> None:
    assert _decide("good morning", _scores("fact", 0.8)).tiers == ("reader", "human")


@pytest.mark.parametrize("intent", ["human", "sensitive"])
def test_it_sends_a_wish_for_a_person_and_a_sensitive_message_to_a_person_only_when_sure(intent: str) -> None:
    message = "Could somebody look at my case"
    assert _decide(message, _scores(intent, 0.95)).tiers == ("human",)
    assert _decide(message, _scores(intent, 0.6)).tiers == ("reader", "human")
    alone = _decide(message, _scores(intent, 0.95), ("reader",))
    assert alone.tiers == ("reader",)
    assert alone.reason.endswith("but no person can be asked here")


def test_it_takes_a_word_and_a_please_for_no_wish_for_a_person() -> None:
    """Even when the classifier is sure of it, which knows “please” from those who ask for somebody."""
    decision = _decide("leave please", _scores("human", 0.96))
    assert decision.tiers == ("reader", "human")
    assert decision.reason == "wish to talk to a person: 0.96, but it names nobody; starts with the reader"
    for message in ("a human, please", "Real person!", "customer service", "stop the bot", "operator"):
        assert _decide(message, _scores("human", 0.96)).tiers == ("human",)
    assert _decide("harassment", _scores("sensitive", 0.96)).tiers == ("human",)


def test_it_adds_up_what_speaks_for_a_person() -> None:
    torn = RouteScores(intent={"human": 0.45, "sensitive": 0.42, "fact": 0.13})
    assert _decide("Could somebody look at my case", torn).tiers == ("human",)


@pytest.mark.parametrize(
    ("message", "is_crisis"),
    [("I plan to take my life tonight", True), ("i dont want to live any more", True), ("I’m thinking about suicide", True),
     ("sometimes I hurt  myself", True), ("I feel like ending it all", True), ("I will end it all with pills", True),
     ("I wish I was dead", True), ("I see no reason to live", True),
     ("I can't go on anymore", True), ("I have suicidal thoughts", True),
     ("I cannot go on any more with the old form", True),  # rather once too often
     ("May we end it all at once, or lease by lease?", False), ("Why do my sessions not live longer?", False),
     ("Is suicide covered by the life insurance?", False),
     ("What does the guide say about suicidal patients?", False), ("Who kills the process when it hangs?", False),
     ("What is the shelf life of the end product?", False)],
)  # fmt: skip
def test_it_hears_someone_in_distress_whatever_the_classifier_says(message: str, is_crisis: bool) -> None:
    assert (_decide(message, _scores("out_of_scope", 0.99)).tiers == ("human",)) is is_crisis
    assert (_decide(message, RouteScores()).tiers == ("human",)) is is_crisis
    assert _decide(message, RouteScores()).is_crisis is is_crisis


def test_it_knows_distress_whatever_a_rule_or_the_asker_wants() -> None:
    message = "I do not want to live any more"
    assert _decide(message, _scores("fact"), rules=[Rule("phrase", "live", "reader")]).is_crisis
    assert search_first(_decide(message, _scores("fact")), installed=CPU).is_crisis


def test_it_never_lets_an_out_of_scope_verdict_block_the_search() -> None:
    decision = _decide("What is the capital of Mongolia?", _scores("out_of_scope", 0.99))
    assert next_tier(decision, TierEvidence("reader", 0.72, 0.5)).reason == "question, reader sure: 0.72"
    assert decision.tiers == ("reader", "human")
    assert decision.reason.startswith("question that seems out of scope: 0.99")


def test_it_starts_with_a_larger_model_what_quoting_cannot_do_where_one_is_installed() -> None:
    assert _decide("Summarise it", _scores("summarise"), ALL).tiers == ("specialist", "largest", "human")
    assert _decide("Summarise it", _scores("summarise")).tiers == ("reader", "human")
    assert _decide("Summarise it", _scores("summarise", 0.5), ALL).tiers[0] == "reader"


@pytest.mark.parametrize(
    ("rule", "question", "options", "applies"),
    [
        (Rule("phrase", "Salary  of", "human"), "What is the salary of Anna?", {}, True),
        (Rule("phrase", "salary", "human"), "Which SALARY-bands exist?", {}, True),
        (Rule("phrase", "salary of", "human"), "of which salary", {}, False),
        (Rule("phrase", "art", "human"), "Where is the department?", {}, False),
        (Rule("phrase", "c.*", "human"), "call", {}, False),
        (Rule("intent", "fact", "human"), "Who?", {}, True),
        (Rule("intent", "code", "human"), "Who?", {}, False),
        (Rule("corpus", "12", "human"), "Who?", {"corpora": [12]}, True),
        (Rule("corpus", "12", "human"), "Who?", {"corpora": [3, 12]}, False),
        (Rule("corpus", "12", "human"), "Who?", {"corpora": [1, 2]}, False),
        (Rule("urgency", "high", "human"), "Who?", {}, True),
        (Rule("sentiment", "negative", "human"), "Who?", {}, False),
    ],
)
def test_it_lets_a_rule_beat_the_scores(rule: Rule, question: str, options: dict[str, Any], applies: bool) -> None:
    decision = _decide(question, _scores("fact", urgency="high"), rules=[rule], **options)
    assert (decision.tiers == ("human",)) is applies
    assert decision.rule == (rule.name if applies else None)


def test_it_applies_the_first_rule_and_stays_below_a_tier_that_is_not_installed() -> None:
    rules = [Rule("intent", "code", "largest"), Rule("intent", "code", "human")]
    decision = _decide("Write SQL", _scores("code"), rules=rules)
    assert decision.tiers == ("reader", "human")
    assert decision.reason == (
        "the rule intent “request for code” → largest model asks for largest model, which is not installed; stays below"
    )
    assert _decide("Write SQL", _scores("code"), ALL, rules=rules).tiers == ("largest", "human")


def test_it_accepts_a_sure_answer_and_escalates_on_evidence_only() -> None:
    decision = _decide("Who?", _scores("fact"), ALL)
    assert decision.tiers == ("reader", "specialist", "largest", "human")
    sure = next_tier(decision, TierEvidence("reader", 0.93, 0.55, citations=2))
    assert (sure.is_accepted, sure.tier, sure.reason) == (True, None, "fact question, reader sure: 0.93")
    unsure = next_tier(decision, TierEvidence("reader", 0.31, 0.55))
    assert (unsure.is_accepted, unsure.tier) == (False, "specialist")
    assert unsure.reason == "fact question, reader not sure: 0.31, needs 0.55; next: domain model"
    failed = next_tier(decision, TierEvidence("specialist", 0.93, 0.55, citations=3, citations_failed=1))
    assert (failed.tier, failed.reason) == (
        "largest",
        "fact question, domain model: 1 of 3 citations failed; next: largest model",
    )


def test_it_says_which_tiers_it_had_to_skip() -> None:
    step = next_tier(_decide("Who?", _scores("fact")), TierEvidence("reader", 0.31, 0.55))
    assert step.tier == "human"
    assert step.reason.endswith("next: a person (domain model and largest model are not installed)")
    last = next_tier(_decide("Who?", _scores("fact"), ("quotes",)), TierEvidence("quotes", 0.2, 0.6))
    assert (last.is_accepted, last.tier) == (False, None)
    assert last.reason.endswith("nothing is left to try (domain model and largest model and a person are not installed)")


def test_it_routes_by_the_rules_alone_without_a_sound_router(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SPECIALISTS_DIR = tmp_path
    settings.DATA_DIR = tmp_path
    with caplog.at_level(logging.WARNING):
        decision = decide("hello", np.zeros(384, np.float32), installed=CPU)
    assert (decision.intent, decision.intent_probability, decision.tiers) == ("fact", 0.0, ("reader", "human"))
    assert decision.reason == "no trained router, so a fact question; starts with the reader"
    assert "There is no trained router in" in caplog.text
    rule = Rule("phrase", "hello", "human")
    assert decide("hello", np.zeros(384, np.float32), installed=CPU, rules=[rule]).tiers == ("human",)
