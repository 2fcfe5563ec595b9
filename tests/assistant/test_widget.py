from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from assistant.api.models import ApiToken
from assistant.api.tokens import TokenError, create_token, revoke_token
from assistant.limits.models import DailyUse
from assistant.models import Answer, Conversation, Feedback
from assistant.services import create_answer
from assistant.streams import run_now
from assistant.widget import tokens as widget_tokens
from config.env import env_origins
from tests.people import DISCOUNTS, LEAVE, People, add_text, make_corpora

ORIGIN, OTHER = "https://intranet.example.org", "https://wiki.example.org"
QUESTION = "Who approves a discount above 15 percent?"
CANARY = "regional sales director"


@pytest.fixture
def on(settings: Any, people: People) -> People:
    settings.WIDGET_ORIGINS = [ORIGIN, OTHER]
    return people


def service_of(people: People, **options: Any) -> tuple[ApiToken, str]:
    return create_token(user=people.olga, name="Intranet", scopes=["widget"], days=7, **{"is_service": True, **options})


def vouch(secret: str, username: str = "ben", origin: str = ORIGIN) -> Any:
    body = json.dumps({"username": username, "origin": origin})
    headers = {"Authorization": f"Bearer {secret}"}
    return Client().post("/api/widget-tokens", body, content_type="application/json", headers=headers)


def headers_for(token: str, origin: str = ORIGIN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-Widget-Origin": origin}


def signed_in(user: Any, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def answered(user: Any) -> Answer:
    row = create_answer(user=user, question=QUESTION)
    run_now(row)
    row.refresh_from_db()
    return row


# --- Off, and who may frame -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_it_is_off_by_default(people: People) -> None:
    assert django_settings.WIDGET_ORIGINS == []
    ben = signed_in(people.ben)
    for path in ("/widget.js", "/widget/", "/widget/chat", "/widget/answers/1/", "/widget/answers/1/stream"):
        assert ben.get(path).status_code == 404, path
    for path in ("/widget/ask", "/widget/answers/1/stop", "/widget/answers/1/feedback"):
        assert ben.post(path).status_code == 404, path
    refused = vouch(service_of(people)[1])
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "widget_off")


@pytest.mark.django_db
def test_it_lets_the_named_origins_frame_one_page_and_no_other(on: People) -> None:
    frame = Client().get("/widget/")
    assert f"frame-ancestors {ORIGIN} {OTHER}" in frame.headers["Content-Security-Policy"]
    assert "script-src 'self'" in frame.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in frame.headers
    ben = signed_in(on.ben)
    for path in ("/", "/sign-in/", "/widget/chat", "/widget.js", "/replies/", "/health/"):
        response = ben.get(path)
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"], path
        assert response.headers["X-Frame-Options"] == "DENY", path


@pytest.mark.django_db
def test_the_script_and_the_frame_know_nobody(on: People) -> None:
    on.ben.first_name = "Benjamin"
    on.ben.save()
    script, frame = signed_in(on.ben).get("/widget.js"), signed_in(on.ben).get("/widget/")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    for response in (script, frame):
        assert response.content == Client().get(response.request["PATH_INFO"]).content
        assert b"Benjamin" not in response.content


@pytest.mark.parametrize(
    "origin",
    ["*", "https://*", "https://*.example.org", "intranet.example.org", "https://a.example/x", "https://a.example/", "null",
     "HTTPS://A.example", "https://user@a.example", "https://a.example:0", "https://a;script-src *", "https://a.example:x"],
)  # fmt: skip
def test_it_refuses_a_start_with_what_is_no_origin(monkeypatch: Any, origin: str) -> None:
    monkeypatch.setenv("WIDGET_ORIGINS", f"https://good.example:8443,{origin}")
    with pytest.raises(ImproperlyConfigured, match="WIDGET_ORIGINS"):
        env_origins("WIDGET_ORIGINS")


def test_it_takes_origins_with_and_without_ports(monkeypatch: Any) -> None:
    monkeypatch.setenv("WIDGET_ORIGINS", "https://good.example:8443, http://127.0.0.1:8001,http://[::1]:8001")
    assert env_origins("WIDGET_ORIGINS") == ["https://good.example:8443", "http://127.0.0.1:8001", "http://[::1]:8001"]


# --- With a session ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_person_asks_with_their_session(on: People) -> None:
    add_text(make_corpora(on)[1], "discounts.md", DISCOUNTS)
    ben = signed_in(on.ben)
    assert "What would you like to know" in ben.get("/widget/chat").content.decode()
    turn = ben.post("/widget/ask", {"question": QUESTION}).content.decode()
    row = Answer.objects.get()
    assert f'data-stream="/widget/answers/{row.pk}/stream"' in turn or CANARY in turn
    frames = b"".join(_streamed(ben, row.pk)).decode()
    assert "event: done" in frames
    assert CANARY in frames
    assert "hx-post" not in frames  # there is no htmx in the frame
    assert (row.conversation.door, row.api_token) == ("widget", None)
    assert CANARY in ben.get(f"/widget/chat?conversation={row.conversation_id}").content.decode()
    assert str(row.conversation_id) in ben.get("/").content.decode()  # it is found again in the product


def _streamed(client: Client, answer_id: int, headers: dict[str, str] | None = None) -> Iterator[bytes]:
    import asyncio

    response = client.get(f"/widget/answers/{answer_id}/stream", headers=headers or {})
    assert response.status_code == 200

    async def collect() -> list[bytes]:
        return [piece async for piece in response.streaming_content]

    return iter(asyncio.run(collect()))


@pytest.mark.django_db
def test_a_session_is_believed_with_the_forms_secret_alone(on: People) -> None:
    row = answered(on.ben)
    ben = signed_in(on.ben, enforce_csrf_checks=True)
    secret = ben.get("/widget/chat").content.decode().partition('data-secret="')[2].partition('"')[0]
    paths = ("/widget/ask", f"/widget/answers/{row.pk}/stop", f"/widget/answers/{row.pk}/feedback")
    for path in paths:
        assert ben.post(path, {"question": QUESTION, "verdict": "helpful"}).status_code == 403, path
    assert not Feedback.objects.exists()
    for path in paths:
        done = ben.post(path, {"question": QUESTION, "verdict": "helpful"}, headers={"X-CSRFToken": secret})
        assert done.status_code == 200, path


@pytest.mark.django_db
def test_it_asks_nobody_in_particular_to_sign_in(on: People) -> None:
    assert Client().get("/widget/chat").status_code == 401
    assert Client().post("/widget/ask", {"question": QUESTION}).status_code == 401


@pytest.mark.django_db
def test_anothers_answers_are_not_there(on: People) -> None:
    row = answered(on.ben)
    cy = signed_in(on.cy)
    for path in (f"/widget/answers/{row.pk}/", f"/widget/answers/{row.pk}/stream"):
        assert cy.get(path).status_code == 404, path
    for path in (f"/widget/answers/{row.pk}/stop", f"/widget/answers/{row.pk}/feedback"):
        assert cy.post(path, {"verdict": "helpful"}).status_code == 404, path
    assert cy.post("/widget/ask", {"question": "And?", "conversation": row.conversation_id}).status_code == 404
    assert "turn-" not in cy.get(f"/widget/chat?conversation={row.conversation_id}").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_pages_corpora_only_narrow(on: People) -> None:
    handbook, sales = make_corpora(on)
    add_text(handbook, "leave.md", LEAVE)
    add_text(sales, "discounts.md", DISCOUNTS)
    ben, cy = signed_in(on.ben), signed_in(on.cy)
    ben.post("/widget/ask", {"question": QUESTION, "corpora": "handbook, unknown"})
    assert list(Conversation.objects.get().corpora.all()) == [handbook]
    refused = cy.post("/widget/ask", {"question": QUESTION, "corpora": "sales"})
    assert (refused.status_code, "You may read none" in refused.content.decode()) == (422, True)
    assert "You may read none" in cy.get("/widget/chat?corpora=sales").content.decode()
    assert Conversation.objects.count() == 1


@pytest.mark.django_db
def test_feedback_asks_why_and_keeps_the_reason(on: People) -> None:
    row = answered(on.ben)
    ben = signed_in(on.ben)
    path = f"/widget/answers/{row.pk}/feedback"
    asked = ben.post(path, {"verdict": "not_helpful"}).content.decode()
    assert "What is wrong with it?" in asked
    assert "With a reason, your question is shown" in asked, "who gives one knows what it does"
    assert "Thank you" in ben.post(path, {"verdict": "not_helpful", "reason": "outdated"}).content.decode()
    assert Feedback.objects.values_list("verdict", "reason").get() == ("not_helpful", "outdated")
    assert ben.post(path, {"verdict": "great"}).status_code == 422
    assert ben.post("/widget/ask", {"question": "?!"}).status_code == 422


# --- With a token -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_token_asks_as_its_person_and_is_charged_to_the_service(on: People) -> None:
    add_text(make_corpora(on)[1], "discounts.md", DISCOUNTS)
    service, secret = service_of(on)
    token = vouch(secret).json()["token"]
    client = Client(enforce_csrf_checks=True)
    assert client.post("/widget/ask", {"question": QUESTION}, headers=headers_for(token)).status_code == 200
    row = Answer.objects.get()
    assert (row.conversation.user, row.api_token) == (on.ben, service)
    assert CANARY in b"".join(_streamed(client, row.pk, headers_for(token))).decode()
    assert DailyUse.objects.values_list("user", "token").get() == (on.ben.pk, service.pk)
    cys = vouch(secret, "cy").json()["token"]
    assert client.get(f"/widget/answers/{row.pk}/", headers=headers_for(cys)).status_code == 404


@pytest.mark.django_db
def test_a_token_opens_the_widget_and_nothing_else(on: People) -> None:
    token = vouch(service_of(on)[1]).json()["token"]
    assert Client().get("/widget/chat", headers=headers_for(token)).status_code == 200
    assert Client().get("/", headers=headers_for(token)).status_code == 302
    assert Client().get("/api/me", headers=headers_for(token)).status_code == 401
    assert vouch(token).status_code == 401


@pytest.mark.django_db
def test_a_token_counts_alone_whatever_the_session(on: People) -> None:
    row = answered(on.ben)
    token = vouch(service_of(on)[1], "cy").json()["token"]
    ben = signed_in(on.ben)
    assert ben.get(f"/widget/answers/{row.pk}/", headers=headers_for(token)).status_code == 404
    assert ben.get(f"/widget/answers/{row.pk}/", headers=headers_for("x")).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    "flaw", ["forged", "other page", "unlisted page", "late", "revoked", "expired", "person", "basic", "long"]
)
def test_a_token_opens_nothing_any_more(on: People, settings: Any, monkeypatch: Any, flaw: str) -> None:
    service, secret = service_of(on)
    token = vouch(secret).json()["token"]
    headers = headers_for(token)
    assert Client().get("/widget/chat", headers=headers).status_code == 200
    if flaw == "forged":
        headers = headers_for(token[:-2] + ("aa" if token[-2:] != "aa" else "bb"))
    elif flaw == "other page":
        headers = headers_for(token, OTHER)
    elif flaw == "unlisted page":
        settings.WIDGET_ORIGINS = [OTHER]
    elif flaw == "late":
        monkeypatch.setattr(widget_tokens, "LASTS", timedelta(seconds=-1))
    elif flaw == "revoked":
        revoke_token(token=service)
    elif flaw == "expired":
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif flaw == "person":
        on.ben.is_active = False
        on.ben.save()
    elif flaw == "basic":
        headers["Authorization"] = f"Basic {token}"
    else:
        headers = headers_for("x" * 5000)
    assert Client().get("/widget/chat", headers=headers).status_code == 401


@pytest.mark.django_db
def test_only_a_service_of_the_command_line_vouches_for_others(on: People) -> None:
    with pytest.raises(TokenError):
        service_of(on, is_service=False)
    ada = signed_in(on.ada)
    assert 'value="widget"' not in ada.get("/programs/").content.decode()
    form = {"name": "Mine", "scopes": ["widget"], "days": 7}
    assert ada.post("/programs/", form).status_code == 422
    stolen = create_token(user=on.ben, name="Editor", scopes=["ask"], days=7)[0]
    ApiToken.objects.filter(pk=stolen.pk).update(scopes=["ask", "widget"])  # by no door of ours
    _, secret = create_token(user=on.ben, name="Other", scopes=["ask", "search", "read", "manage"], days=7)
    assert vouch(secret).status_code == 403
    _, service = service_of(on)
    assert vouch(service, "dan").status_code == 404  # who is deactivated
    assert vouch(service, "nobody").status_code == 404
    assert vouch(service, origin="https://evil.example").json()["error"]["code"] == "unknown_origin"


@pytest.mark.django_db
def test_a_service_can_do_nothing_else_with_that_scope(on: People) -> None:
    headers = {"Authorization": f"Bearer {service_of(on)[1]}"}
    assert Client().post("/api/search", "{}", content_type="application/json", headers=headers).status_code == 403


@pytest.mark.django_db
def test_no_reply_with_a_token_may_be_kept_by_anyone(on: People) -> None:
    _, secret = service_of(on)
    made = vouch(secret)
    assert made.headers["Cache-Control"] == "no-store"
    assert made.status_code == 201
    chat = Client().get("/widget/chat", headers=headers_for(made.json()["token"]))
    assert chat.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in chat.headers
