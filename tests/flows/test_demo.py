"""The demo organization answers its own questions: the right documents, the right people, and silence where there is nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from assistant.asking import ask
from assistant.golden.models import GoldenQuestion, GoldenRun
from assistant.models import Answer
from assistant.services import create_answer
from assistant.streams import run_now
from assistant.suggestions import suggested_questions
from ingestion.models import Document
from tests.environment import ROOT

QUESTIONS: list[dict[str, Any]] = json.loads((ROOT / "demo/questions.json").read_text(encoding="utf-8"))

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def problem_with(expected: dict[str, Any], result: dict[str, Any]) -> str:
    """What is wrong with an answer; empty when it is right."""
    question = expected["question"]
    if expected["expect"] == "abstain":
        return "" if result["status"] == "abstained" else f"{question} → should abstain, said {result['answer']!r}"
    name = expected["document"].partition("/")[2]
    for citation in result["citations"]:
        if citation["document"] == name and all(text in citation["quote"] for text in expected["must_contain"]):
            return ""
    return f"{question} → {result['status']}: {[citation['quote'][:80] for citation in result['citations']]}"


def test_it_answers_the_demo_questions_from_the_right_documents(settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path
    call_command("load_demo")
    assert set(Document.objects.values_list("state", flat=True)) == {"ready"}
    problems = []
    for item in QUESTIONS:
        person = User.objects.get(username=item["ask_as"])
        problems.append(problem_with(item, ask(person=person, question=item["question"])))
        if "hidden_from" in item:
            problems.append(_leak(item))
        if "follow_up" in item:
            problems.append(_follow_up(item, person))
    assert [problem for problem in problems if problem] == []

    suggested = [item["question"] for item in QUESTIONS if item.get("suggested") and "document" in item]
    for person in User.objects.all():
        assert set(suggested_questions(person)) <= set(suggested)
        assert len(suggested_questions(person)) >= 5

    assert set(GoldenRun.objects.values_list("state", flat=True)) == {"queued"}
    assert sum(run.total for run in GoldenRun.objects.all()) == GoldenQuestion.objects.count() == 46

    before = Document.objects.count()
    call_command("load_demo")
    assert Document.objects.count() == before


def _leak(item: dict[str, Any]) -> str:
    """The same question, asked by someone who may not read the document: it is not cited, and its words are nowhere."""
    result = ask(person=User.objects.get(username=item["hidden_from"]), question=item["question"])
    name = item["document"].partition("/")[2]
    if any(citation["document"] == name for citation in result["citations"]) or item["must_contain"][-1] in result["answer"]:
        return f"{item['question']} → {item['hidden_from']} was shown {name}"
    return ""


def _follow_up(item: dict[str, Any], person: User) -> str:
    from assistant.asking import as_result

    first: Answer = create_answer(user=person, question=item["question"])
    run_now(first)
    row = create_answer(user=person, question=item["follow_up"]["question"], conversation=first.conversation)
    run_now(row)
    row.refresh_from_db()
    return problem_with(item["follow_up"], as_result(row))
