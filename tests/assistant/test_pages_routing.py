from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from ingestion.services import create_corpus
from specialists.models import RoutingRule
from specialists.router import cascade
from specialists.router.rules import current_rules
from specialists.router.types import RouteScores, Rule
from tests.assistant.pages import client_of, text_of
from tests.people import People

URL = "/manage/routing/"


@pytest.fixture
def ada(people: People) -> Client:
    return client_of(people.ada)


def _add(client: Client, **form: str) -> Any:
    return client.post(URL, {"when": "intent:code", "tier": "human", "phrase": "", **form}, follow=True)


def test_it_adds_moves_and_removes_rules_which_then_hold(ada: Client) -> None:
    assert "There are no rules" in text_of(ada, URL)
    assert "The rule is added" in _add(ada).content.decode()
    _add(ada, when="phrase:", phrase="  salary   of ", tier="reader")
    assert current_rules() == (Rule("intent", "code", "human"), Rule("phrase", "salary of", "reader"))
    second = RoutingRule.objects.get(value="salary of")
    ada.post(f"{URL}rules/{second.pk}", {"up": "1"})
    assert [rule.value for rule in current_rules()] == ["salary of", "code"]
    ada.post(f"{URL}rules/{second.pk}", {"up": "1"})
    assert [rule.value for rule in current_rules()] == ["salary of", "code"]
    page = text_of(ada, URL)
    assert page.index("salary of") < page.index("<b>request for code</b>")
    ada.post(f"{URL}rules/{second.pk}", {"remove": "1"})
    assert [rule.value for rule in current_rules()] == ["code"]
    assert ada.post(f"{URL}rules/{second.pk}", {"remove": "1"}).status_code == 404


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"when": "phrase:", "phrase": " ? "}, "Type the words that the question must contain."),
        ({"when": "phrase:", "phrase": "x" * 201}, "Type fewer words"),
        ({"when": "intent:nonsense"}, "Choose when the rule applies."),
        ({"when": ""}, "Choose when the rule applies."),
        ({"when": "corpus:\u0661x"}, "Choose when the rule applies."),
        ({"tier": "smalltalk"}, "Choose where the question goes."),
    ],
)
def test_it_refuses_a_rule_that_cannot_be_and_keeps_what_was_typed(ada: Client, form: dict[str, str], words: str) -> None:
    response = _add(ada, **form)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert form.get("phrase", "").strip() in response.content.decode()
    assert not RoutingRule.objects.exists()


def test_it_refuses_a_second_rule_for_the_same(ada: Client) -> None:
    _add(ada)
    assert "There is a rule for this already" in _add(ada, tier="reader").content.decode()
    assert RoutingRule.objects.count() == 1


def test_it_names_corpora_and_says_which_rules_have_no_effect(ada: Client, people: People) -> None:
    corpus = create_corpus(name="Contracts <x>", owner=people.olga)
    _add(ada, when=f"corpus:{corpus.pk}", tier="largest")
    page = text_of(ada, URL)
    assert "<b>Contracts &lt;x&gt;</b>" in page
    assert "not installed: stays below" in page
    corpus.delete()
    page = text_of(ada, URL)
    assert "a corpus that is gone" in page
    assert "has no effect" in page


def test_it_shows_where_a_question_would_go_and_why(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Certain:
        def score(self, question: str, vector: object) -> RouteScores:
            return RouteScores({"code": 0.91, "fact": 0.09}, {"neutral": 1.0}, {"high": 0.7, "normal": 0.3}, -3.0, 0.4)

    monkeypatch.setattr(cascade, "get_router", Certain)
    page = text_of(ada, f"{URL}?q=Write+%3Cb%3ESQL")
    assert "Request for code: 0.91; starts with" in page
    assert "Write &lt;b&gt;SQL" in page
    assert "91 %" in page
    assert "70 %" in page
    _add(ada)
    assert "By the rule intent “request for code” → a person." in text_of(ada, f"{URL}?q=Write+SQL")


def test_it_says_so_when_no_router_is_installed(ada: Client, settings: Any, tmp_path: Path) -> None:
    settings.SPECIALISTS_DIR = settings.DATA_DIR = tmp_path
    page = text_of(ada, f"{URL}?q=Hello")
    assert "No trained router, so a fact question" in page


def test_it_keeps_what_a_question_really_is_for_training(ada: Client, settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    response = ada.post(f"{URL}teach", {"q": "Who is on call?", "intent": "fact"}, follow=True)
    assert "1 correction is waiting" in response.content.decode()
    kept = (tmp_path / "router" / "outcomes.jsonl").read_text()
    assert json.loads(kept) == {"text": "Who is on call?", "label": "fact"}
    response = ada.post(f"{URL}teach", {"q": "Who is on call?", "intent": "nonsense"}, follow=True)
    assert "Choose what the question really is." in response.content.decode()


def test_it_is_for_administrators(people: People) -> None:
    rule = RoutingRule.objects.create(position=1, condition="intent", value="code", tier="human")
    for person in (people.olga, people.ben):
        client = client_of(person)
        assert client.get(URL).status_code == 404
        assert client.post(URL, {"when": "intent:fact", "tier": "human"}).status_code == 404
        assert client.post(f"{URL}rules/{rule.pk}", {"remove": "1"}).status_code == 404
        assert client.post(f"{URL}teach", {"q": "Who?", "intent": "fact"}).status_code == 404
    assert RoutingRule.objects.count() == 1
    assert 'href="/manage/routing/"' not in text_of(client_of(people.olga), "/")
    assert 'href="/manage/routing/"' in text_of(client_of(people.ada), "/")
