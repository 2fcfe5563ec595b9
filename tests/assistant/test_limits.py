from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from assistant.api.tokens import create_token
from assistant.errors import QuestionError
from assistant.ledger.recording import Use, record_tiers
from assistant.limits.editing import set_limit
from assistant.limits.models import DailyUse, Limit
from assistant.limits.using import allowances, nearest_limit, take_question
from assistant.models import Conversation
from assistant.services import Manner, create_answer, delete_conversation
from tests.people import People

pytestmark = pytest.mark.django_db


def client_of(person: Any) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def limit(subject: str, questions: int | None = None, tokens: int | None = None, cost: Decimal | None = None) -> Limit:
    return set_limit(subject=subject, questions=questions, tokens=tokens, cost=cost)


def test_it_refuses_the_question_after_the_last_and_says_so_at_the_composer(people: People) -> None:
    limit("everyone", questions=2)
    ben = client_of(people.ben)
    for _ in range(2):
        assert ben.post("/ask", {"question": "How long is the leave?"}).status_code == 302
    refused = ben.post("/ask", {"question": "How long is the leave?"}, headers={"HX-Request": "true"})
    assert refused.status_code == 422
    assert refused.headers["HX-Retarget"] == "#composer-message"
    assert "You have 0 of 2 questions left for today." in refused.content.decode()
    assert Conversation.objects.count() == 2
    assert client_of(people.cy).post("/ask", {"question": "How long is the leave?"}).status_code == 302


def test_it_says_what_is_left_before_the_end_is_reached(people: People) -> None:
    limit("everyone", questions=5)
    ben, page = client_of(people.ben), f"/conversations/{create_answer(user=people.ben, question='Leave?').conversation_id}/"
    for _ in range(3):
        take_question(user=people.ben)
    assert "left for today" not in ben.get(page).content.decode()
    take_question(user=people.ben)
    assert "1 of 5 questions left for today." in ben.get(page).content.decode()


@pytest.mark.parametrize(("questions", "first"), [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (10, 8), (50, 40)])
def test_it_says_at_the_last_question_at_the_latest_what_is_left(people: People, questions: int, first: int) -> None:
    """`first`: how many are used when it is said first."""
    limit("everyone", questions=questions)
    for used in range(questions):
        near = nearest_limit(people.ben)
        assert (near is not None) == (used >= first), used
        take_question(user=people.ben)
    near = nearest_limit(people.ben)
    assert near is not None and near.is_over


def test_it_asks_back_before_a_limit_of_nothing_stops_people(people: People) -> None:
    ada, ben = client_of(people.ada), client_of(people.ben)
    assert "To let nobody ask, set 0." in ada.get("/manage/limits/").content.decode()
    for subject, who in (("everyone", "Each person"), (f"user:{people.ben.pk}", "ben")):
        for zero in ({"questions": "0"}, {"tokens": "0", "questions": "5"}, {"cost": "0.00"}):
            asked = ada.post("/manage/limits/", {"subject": subject, **zero})
            text = asked.content.decode()
            assert asked.status_code == 422 and not Limit.objects.exists()
            assert f"0 stops every question under this limit: {who}." in text
            assert 'name="is_meant"' in text
    assert 'name="is_meant"' not in ada.post("/manage/limits/", {"subject": "everyone"}).content.decode()
    form = {"subject": "everyone", "questions": "0", "is_meant": "on"}
    assert "stops every question" in ada.post("/manage/limits/", form, follow=True).content.decode()
    refused = ben.post("/ask", {"question": "How long is the leave?"}, headers={"HX-Request": "true"})
    page = ben.get(f"/conversations/{create_answer(user=people.ben, question='Leave?').conversation_id}/")
    assert refused.status_code == 422
    for said in (refused.content.decode(), page.content.decode()):
        assert "You may ask nothing at present." in said and "tomorrow" not in said
    ada.post("/manage/limits/", {"subject": "everyone", "questions": "5"})  # asks back for nothing else
    assert Limit.objects.get().questions == 5


def test_it_is_not_lifted_by_deleting_what_was_asked(people: People) -> None:
    limit(f"user:{people.ben.pk}", questions=1)
    take_question(user=people.ben)
    row = create_answer(user=people.ben, question="How long is the leave?")
    delete_conversation(conversation=row.conversation)
    with pytest.raises(QuestionError, match="0 of 1 questions left"):
        take_question(user=people.ben)


def test_it_lets_a_persons_limit_replace_their_groups_and_the_widest_group_hold(people: People) -> None:
    limit("everyone", questions=1, tokens=500)
    limit(f"group:{people.sales.pk}", questions=10)
    wide = Group.objects.create(name="Support")
    people.ben.groups.add(wide)
    limit(f"group:{wide.pk}", questions=20)
    assert {item.kind: item.limit for item in allowances(people.ben)} == {"questions": 20, "tokens": 500}
    limit(f"user:{people.ben.pk}", questions=3)
    assert {item.kind: item.limit for item in allowances(people.ben)} == {"questions": 3, "tokens": 500}
    assert {item.kind: item.limit for item in allowances(people.cy)} == {"questions": 1, "tokens": 500}


def test_it_counts_tokens_and_cost_of_what_was_answered(people: People, settings: Any) -> None:
    prices = dict.fromkeys(("cpu_second", "gpu_second", "tokens_in", "tokens_out"), 1)
    settings.TIER_COSTS = {"currency": "EUR", "tiers": {"default": prices}}
    limit(f"user:{people.ben.pk}", tokens=1000, cost=Decimal("5"))
    row = create_answer(user=people.ben, question="How long is the leave?")
    record_tiers(answer=row, uses=[Use("reader", "answered", 10, 2.5, tokens_in=700, tokens_out=100)])
    assert {item.kind: item.used for item in allowances(people.ben)} == {"tokens": 800, "cost": Decimal("3.3")}
    near = nearest_limit(people.ben)
    assert near is not None
    assert near.left == "200 of 1,000 tokens"
    record_tiers(answer=create_answer(user=people.ben, question="And?"), uses=[Use("reader", "answered", 10, 1.7)])
    with pytest.raises(QuestionError, match=r"0\.00 of 5\.00 EUR left"):
        take_question(user=people.ben)


def test_it_counts_no_run_of_golden_questions(people: People) -> None:
    row = create_answer(user=people.ben, question="How long is the leave?", manner=Manner(is_internal=True))
    record_tiers(answer=row, uses=[Use("reader", "answered", 10, 2.5, tokens_in=700)])
    assert not DailyUse.objects.exists()


def test_it_limits_a_token_on_top_of_its_person(people: People) -> None:
    token, secret = create_token(user=people.ben, name="Editor", scopes=["ask"], days=7)
    limit(f"token:{token.pk}", questions=1)
    body = {"messages": [{"role": "user", "content": "How long is the leave?"}]}
    headers = {"Authorization": f"Bearer {secret}"}
    take_question(user=people.ben, token=token)
    refused = Client().post("/v1/chat/completions", body, content_type="application/json", headers=headers)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "over_limit"
    assert refused.headers["x-should-retry"] == "false"
    assert "This token has 0 of 1 questions left" in refused.json()["error"]["message"]
    today = Client().get("/api/me", headers=headers).json()["today"]
    assert today == [{"kind": "questions", "used": 1.0, "limit": 1.0, "of_token": True}]
    take_question(user=people.ben)  # the person still may
    assert sum(DailyUse.objects.values_list("questions", flat=True)) == 2


def test_it_sets_replaces_and_lifts_limits_on_the_page(people: People) -> None:
    ada = client_of(people.ada)
    subject = f"group:{people.sales.pk}"
    assert ada.post("/manage/limits/", {"subject": subject, "questions": "50"}).status_code == 302
    ada.post("/manage/limits/", {"subject": subject, "questions": "60", "cost": "0.5"})
    page = ada.get("/manage/limits/").content.decode()
    assert "Each person of Sales" in page
    assert "0 of 60" in page
    empty = ada.post("/manage/limits/", {"subject": subject})
    assert empty.status_code == 422
    assert "Give at least one number" in empty.content.decode()
    ada.post(f"/manage/limits/{Limit.objects.get().pk}/remove")
    assert "There is no limit." in ada.get("/manage/limits/").content.decode()


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("questions", "-1", "Type 0 or more."),
        ("questions", "1.5", "Type a whole number, such as 100."),
        ("tokens", "10000000000000", "Type 1,000,000,000,000 at most."),
        ("cost", "a lot", "Type a number, such as 2.50."),
        ("cost", "0.00001", "Type at most 4 digits after the point."),
        ("cost", "1234567890.5", "Type 99,999,999 at most."),
        ("subject", "token:0", "Choose from the list whom the limit is for."),
    ],
)
def test_it_says_what_to_type_instead(people: People, field: str, typed: str, says: str) -> None:
    page = client_of(people.ada).post("/manage/limits/", {"subject": "everyone", "questions": "5", field: typed})
    assert page.status_code == 422
    assert says in page.content.decode()
    assert not Limit.objects.exists()
