"""What every page keeps: the security policy, the icons it names, and the pages that tell of an error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import reverse

from assistant.models import AnswerState
from assistant.templatetags.chat import seconds, timing_rows
from assistant.templatetags.icons import initials
from assistant.views.errors import server_error
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answer, make_answered, make_document
from tests.assistant.test_pages_asking import LEAVE
from tests.people import PASSWORD, People, make_corpora

TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))
FORBIDDEN = re.compile(
    r"<style|\sstyle=|\son[a-z]+\s*=|javascript:|data:image|https?://(?!testserver)|<script(?![^>]*\ssrc=)", re.I
)


def test_it_writes_no_inline_script_or_style_and_names_no_other_host() -> None:
    assert TEMPLATES
    for path in TEMPLATES:
        found = FORBIDDEN.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path}: {found}"


def test_it_has_every_icon_that_a_template_names() -> None:
    sprite = Path(settings.BASE_DIR, "static/icons/icons.svg").read_text(encoding="utf-8")
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    named = {name for path in TEMPLATES for name in re.findall(r'{% icon "([\w-]+)"', path.read_text(encoding="utf-8"))}
    assert named
    assert named <= drawn


def test_it_names_the_product_once_in_the_title_of_every_page(people: People) -> None:
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        named = re.search(r"{% block title %}(.*?){% endblock %}", text, re.DOTALL)
        if re.search(r'{% extends "(?:base|plain).html" %}', text) and path.name != "chat_base.html":
            assert named and named[1].strip(), f"{path} has no title"
            assert "Intramural" not in named[1], f"{path}: the frame adds the product's name"
    for url, title in ((reverse("assistant:search_test"), "Search test"), (reverse("assistant:limits"), "Limits"),
                       (reverse("assistant:inbox"), "Inbox"), (reverse("assistant:home"), "New question")):  # fmt: skip
        assert f"<title>{title} · Intramural</title>" in text_of(client_of(people.ada), url)


def test_it_serves_pages_that_keep_to_the_policy(people: People) -> None:
    handbook, _ = make_corpora(people)
    row = make_answered(people.ben, "How many days?", [(make_document(handbook, "Leave", [LEAVE]), LEAVE)])
    for state in (AnswerState.PENDING, AnswerState.FAILED, AnswerState.STOPPED, AnswerState.ABSTAINED):
        make_answer(people.ben, "Why?", conversation=row.conversation, state=state)
    client = client_of(people.ben)
    for url in (
        reverse("assistant:home"),
        reverse("assistant:conversation", args=[row.conversation_id]),
        reverse("assistant:citation", args=[row.pk, 1]),
        reverse("password_change"),
    ):
        response = client.get(url)
        page = response.content.decode()
        assert FORBIDDEN.search(page) is None
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "unsafe" not in response["Content-Security-Policy"]
        assert response["Cache-Control"] == "no-store"


def test_it_runs_htmx_without_eval_scripts_or_history(people: People) -> None:
    page = text_of(client_of(people.ben), reverse("assistant:home"))
    for setting in ('"allowEval":false', '"allowScriptTags":false', '"selfRequestsOnly":true', '"historyCacheSize":0'):
        assert setting in page
    assert "htmx-2.min.js" in page
    assert "hx-sse-2.min.js" in page


def test_it_signs_in_and_says_what_is_wrong_with_a_password(people: People, client: Client) -> None:
    login = reverse("login")
    assert "Sign in" in text_of(client, login)
    refused = client.post(login, {"username": "ben", "password": "wrong"}).content.decode()
    assert "do not belong together" in refused
    assert 'value="ben"' in refused
    response = client.post(login, {"username": "ben", "password": PASSWORD, "next": reverse("password_change")})
    assert response["Location"] == reverse("password_change")


def test_it_locks_out_after_five_wrong_passwords(people: People, client: Client) -> None:
    for _ in range(5):
        response = client.post(reverse("login"), {"username": "ben", "password": "wrong"})
    assert response.status_code == 429
    assert "Too many attempts" in response.content.decode()


def test_it_changes_a_password(people: People) -> None:
    client = client_of(people.ben)
    url = reverse("password_change")
    fields = {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
    assert "too short" in client.post(url, fields).content.decode()
    fields |= {"new_password1": "seven purple kettles", "new_password2": "seven purple kettles"}
    assert "Your password is changed" in client.post(url, fields, follow=True).content.decode()


def test_it_explains_a_form_that_came_without_its_token(people: People) -> None:
    response = client_of(people.ben, enforce_csrf_checks=True).post(reverse("assistant:ask"), {"question": "How many?"})
    assert response.status_code == 403
    assert "Go back, reload the page and send it again." in response.content.decode()


def test_it_shows_the_same_page_for_what_is_absent_and_what_is_anothers(people: People) -> None:
    other = make_answer(people.cy, "How many?").conversation
    client = client_of(people.ben)
    absent = text_of(client, reverse("assistant:conversation", args=[other.pk + 1]), 404)
    assert text_of(client, reverse("assistant:conversation", args=[other.pk]), 404) == absent
    assert "There is nothing here" in absent


def test_it_shows_the_page_of_a_fault_without_a_database() -> None:
    response = server_error(RequestFactory().get("/"))
    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()


@pytest.mark.parametrize(("value", "text"), [(0.2431, "0.24 s"), (1.26, "1.3 s"), (61.0, "61 s")])
def test_it_rounds_times(value: float, text: str) -> None:
    assert seconds(value) == text


def test_it_names_the_stages_and_puts_their_sum_last() -> None:
    assert timing_rows({"total": 1215.0, "retrieve": 120.4, "new_stage": 1.0}) == [
        ("Searching", "120 ms"), ("New stage", "1 ms"), ("In all", "1,215 ms"),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "letters"), [("Ben Okafor", "BO"), ("ben", "B"), ("Ana de la Cruz", "AC"), ("", "")])
def test_it_makes_initials(name: str, letters: str) -> None:
    assert initials(name) == letters
