"""The router that is shipped: as good as its card says, small, quick, and made from the texts beside it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedders import get_embedder
from retrieval.files import sha256_of
from specialists.router.cascade import decide
from specialists.router.evaluation import evaluate_router
from specialists.router.serving import get_router
from specialists.router.storage import read_router_card
from specialists.router.types import INTENTS, SENTIMENTS, URGENCIES

ROOT = Path(__file__).parents[2] / "specialists"
SHIPPED, DATA = ROOT / "trained" / "router", ROOT / "router" / "data"
TIERS = ("smalltalk", "reader", "human")


def test_it_scores_as_its_card_says_on_the_held_out_texts() -> None:
    card = read_router_card(SHIPPED)
    lines: list[str] = []
    reports = {report.name: report for report in evaluate_router(folder=SHIPPED, data=DATA, report=lines.append)}
    assert lines == []
    assert {name: set(head.labels) for name, head in card.heads.items()} == {
        "intent": set(INTENTS), "sentiment": set(SENTIMENTS), "urgency": set(URGENCIES)
    }  # fmt: skip
    for name, head in card.heads.items():
        assert reports[name].figures["accuracy"] == pytest.approx(head.figures["accuracy"], abs=0.02)
    assert reports["intent"].figures["accuracy"] >= 0.88
    person = [label for label in reports["intent"].labels if label.label in ("sensitive", "human")]
    assert all(label.precision >= 0.9 for label in person)


def test_it_was_made_from_the_texts_that_are_in_the_repository() -> None:
    card = read_router_card(SHIPPED)
    assert {name: head.data_sha256 for name, head in card.heads.items()} == {
        name: sha256_of(DATA / f"{name}.train.jsonl") for name in card.heads
    }
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 3_000_000
    assert (SHIPPED / "MODEL_CARD.md").read_text().count("| intent |") == 1


@pytest.mark.parametrize(
    ("question", "intent", "tier"),
    [
        ("hi there", "greeting", "smalltalk"),
        ("thanks a lot!", "thanks", "smalltalk"),
        ("hi, how many days of leave do I have?", "fact", "reader"),
        ("How do I order a laptop?", "how_to", "reader"),
        ("Compare the two travel policies", "comparison", "reader"),
        ("Summarise the leave policy", "summarise", "reader"),
        ("Write a Python function that sorts invoices", "code", "reader"),
        ("List all holidays in Portugal", "list_all", "reader"),
        ("Tell me a joke about cows", "out_of_scope", "reader"),
        ("I want to talk to a person please", "human", "human"),
        ("real person please", "human", "human"),
        ("leave please", "human", "reader"),
        ("My supervisor is harassing me", "sensitive", "human"),
        ("What does the harassment policy say?", "fact", "reader"),
    ],
)
def test_it_routes_plain_cases(question: str, intent: str, tier: str) -> None:
    decision = decide(question, get_embedder().embed_queries([question])[0], installed=TIERS)
    assert (decision.intent, decision.tiers[0]) == (intent, tier)


def test_it_decides_within_five_milliseconds_of_processor_time() -> None:
    question = "Which of our offices are closed on the day after Ascension, and who decides on exceptions for the service desk?"
    vector = get_embedder().embed_queries([question])[0]
    router, times = get_router(), []
    for _ in range(30):
        start = time.process_time()
        router.score(question, vector)
        times.append((time.process_time() - start) * 1000)
    assert np.median(times) < 5
