"""Slack beyond mentions: the shortcut, channels that answer by themselves, the assistant's pane, and the end of it all."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from assistant.models import Answer, Conversation
from assistant.services import create_answer
from assistant.slack.models import SlackChannel, SlackEvent, SlackThread
from assistant.slack.receiving import receive
from assistant.slack.sentences import ANSWERED_ALREADY, NOT_LINKED, NOT_SURE, UNSEEN
from assistant.slack.texts import asks_everybody
from assistant.slack.worker import work_slack_events
from tests.flows.test_slack import CANARY, DISCOUNT_QUESTION, LEAVE_QUESTION, Workspace, slack
from tests.slack_server import BOT, event_body

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["slack"]  # the fixture

SURE = {"probability": 0.97}


# --- Once, by the event's number alone ---------------------------------------------------------------------------------


def test_the_events_number_alone_keeps_it_from_being_answered_twice(slack: Workspace) -> None:
    """Nothing else of the second telling is as in the first, so that no other rule can find it out."""
    slack.send(slack.direct(LEAVE_QUESTION, ts="200.1"), event_id="Ev1")
    slack.send(slack.direct("How long does parental leave last?", by="UCY", ts="777.7"), event_id="Ev1")
    assert len(slack.slack.called("chat.postMessage")) == 1
    assert (SlackEvent.objects.count(), Answer.objects.count()) == (1, 1)


def test_many_who_store_one_event_at_once_store_it_once(people: Any) -> None:
    def store(number: int) -> bool:
        try:
            event = {
                "type": "message",
                "channel_type": "im",
                "user": "UBEN",
                "channel": "DBEN",
                "ts": f"{number}.1",
                "text": "Hm?",
            }
            return receive(event_body(event, event_id="Ev1")) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(store, range(1, 17)))
    assert stored.count(True) == 1
    assert SlackEvent.objects.count() == 1


# --- The shortcut -----------------------------------------------------------------------------------------------------


def point_at(slack: Workspace, text: str, *, by: str = "UBEN", channel: str = "CALL", ts: str = "500.1", **more: Any) -> Any:
    slack.sent += 1
    payload = {
        "type": "message_action", "callback_id": "answer_this", "trigger_id": f"point{slack.sent}", "team": {"id": "T1"},
        "user": {"id": by}, "channel": {"id": channel}, "message": {"user": "UCY", "ts": ts, "text": text},
        "response_url": slack.slack.url.replace("/api/", "/response"), **more,
    }  # fmt: skip
    return slack._form("/slack/interactions", payload=json.dumps(payload))


def test_a_message_of_another_is_answered_in_its_thread_for_all(slack: Workspace) -> None:
    point_at(slack, LEAVE_QUESTION)
    (posted,) = slack.slack.called("chat.postMessage")
    assert (posted.fields["channel"], posted.fields["thread_ts"]) == ("CALL", "500.1")
    assert "27 days" in posted.words
    assert Answer.objects.get().asker == slack.people.ben
    assert slack.outcomes == ["answered"]


def test_the_place_decides_there_too(slack: Workspace) -> None:
    point_at(slack, DISCOUNT_QUESTION)
    assert CANARY not in slack.slack.said()
    point_at(slack, DISCOUNT_QUESTION, channel="CSALES")
    assert CANARY in slack.slack.said()


def test_a_message_is_answered_once_whoever_points_at_it(slack: Workspace) -> None:
    slack.send(slack.mention(LEAVE_QUESTION, ts="500.1"))
    point_at(slack, LEAVE_QUESTION, by="UCY")
    point_at(slack, LEAVE_QUESTION)
    assert len(slack.slack.called("chat.postMessage")) == 1
    told = slack.slack.called("response")
    assert [ANSWERED_ALREADY in call.words for call in told] == [True, True]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [({"by": "UUNA"}, NOT_LINKED), ({"channel": "CHIDDEN"}, UNSEEN), ({"text": ""}, "Type a question first")],
)
def test_whoever_points_is_told_why_there_is_no_answer(slack: Workspace, more: dict[str, Any], sentence: str) -> None:
    point_at(slack, **{"text": LEAVE_QUESTION, **more})
    assert slack.slack.called("chat.postMessage") == []
    (told,) = slack.slack.called("response")
    assert (told.fields["response_type"], sentence in told.words) == ("ephemeral", True)


@pytest.mark.parametrize("change", [{"callback_id": "other"}, {"message": {}}, {"message": None}, {"user": "UBEN"}])
def test_an_odd_shortcut_is_recorded_and_does_nothing(slack: Workspace, change: dict[str, Any]) -> None:
    point_at(slack, LEAVE_QUESTION, **change)
    assert slack.outcomes == ["ignored"]
    assert slack.slack.calls == []


# --- Channels that answer by themselves -------------------------------------------------------------------------------


def said(text: str, *, by: str = "UCY", channel: str = "CALL", ts: str = "600.1", **more: Any) -> dict[str, Any]:
    return {"type": "message", "channel_type": "channel", "user": by, "channel": channel, "ts": ts, "text": text, **more}


@pytest.fixture
def by_itself(slack: Workspace) -> Callable[..., SlackChannel]:
    def switch(channel: str = "CALL", least_sure: int = 0) -> SlackChannel:
        return SlackChannel.objects.create(channel=channel, name="all", least_sure=least_sure)

    return switch


def test_a_question_to_everybody_is_answered_in_its_thread(slack: Workspace, by_itself: Any) -> None:
    by_itself()
    slack.send(said(LEAVE_QUESTION), event_id="Ev1")
    slack.send(said(LEAVE_QUESTION), event_id="Ev1")
    (posted,) = slack.slack.called("chat.postMessage")
    assert (posted.fields["thread_ts"], "27 days" in posted.words) == ("600.1", True)
    assert slack.slack.reactions == ["white_check_mark"]
    assert Answer.objects.get().asker == slack.people.cy
    slack.send(said("Thanks a lot.", by="UBEN", ts="600.5", thread_ts="600.1"))  # people go on talking
    slack.send(said("And how long does parental leave last?", by="UBEN", ts="600.6", thread_ts="600.1"))
    assert len(slack.slack.called("chat.postMessage")) == 2
    assert "18 weeks" in slack.slack.called("chat.postMessage")[1].words


@pytest.mark.parametrize(
    "event",
    [
        said("Lunch at twelve."),
        said("What?"),
        said(f"<@UCY> {LEAVE_QUESTION}"),
        said(f"<!here> {LEAVE_QUESTION}"),
        said(LEAVE_QUESTION, thread_ts="599.1"),
        said(LEAVE_QUESTION, channel="CSALES"),
    ],
)
def test_what_asks_nobody_or_somebody_else_is_not_even_stored(slack: Workspace, by_itself: Any, event: dict[str, Any]) -> None:
    by_itself()
    slack.send(event)
    assert not SlackEvent.objects.exists()


@pytest.mark.parametrize("more", [{"bot_id": "B1"}, {"subtype": "bot_message"}, {"by": BOT}])
def test_a_program_gets_no_answer_there(slack: Workspace, by_itself: Any, more: dict[str, Any]) -> None:
    by_itself()
    slack.send(said(LEAVE_QUESTION, **more))
    assert slack.outcomes == ["ignored"]
    assert {call.method for call in slack.slack.calls} <= {"auth.test"}


@pytest.mark.parametrize(
    ("text", "by", "stated", "least"),
    [
        ("What is the boiling point of mercury?", "UCY", 0.99, 0),
        (LEAVE_QUESTION, "UCY", 0.74, 75),
        (LEAVE_QUESTION, "UUNA", 0.99, 0),
        (DISCOUNT_QUESTION, "UBEN", 0.99, 0),
        ("How are you today?", "UCY", 0.99, 75),
        ("May I talk to a person about this?", "UCY", 0.99, 0),
    ],
)
def test_where_it_is_not_sure_enough_it_says_and_keeps_nothing(
    slack: Workspace, by_itself: Any, monkeypatch: Any, text: str, by: str, stated: float, least: int
) -> None:
    from assistant.slack import answering

    by_itself(least_sure=least)
    sure_enough = answering.is_sure_enough

    def measured(row: Answer, channel: str) -> bool:
        row.refusal["probability"] = stated
        return sure_enough(row, channel)

    monkeypatch.setattr(answering, "is_sure_enough", measured)
    slack.send(said(text, by=by))
    assert slack.slack.said() == ""
    assert slack.slack.reactions == []
    assert not Conversation.objects.exists()
    assert not SlackThread.objects.exists()
    assert SlackEvent.objects.get().payload == {}


def test_a_message_that_was_passed_over_can_be_pointed_at(slack: Workspace, by_itself: Any) -> None:
    by_itself(least_sure=100)
    slack.send(said(LEAVE_QUESTION))
    assert SlackEvent.objects.get().reason == NOT_SURE
    point_at(slack, LEAVE_QUESTION, ts="600.1")
    assert "27 days" in slack.slack.called("chat.postMessage")[0].words


def test_a_failure_there_is_told_to_nobody_and_listed(slack: Workspace, by_itself: Any) -> None:
    by_itself()
    slack.slack.before = lambda call: (503, {}, {}) if call.method == "conversations.info" else None
    slack.send(said(LEAVE_QUESTION))
    for _ in range(2):
        SlackEvent.objects.update(not_before=None)
        work_slack_events(slice_s=60)
    assert slack.outcomes == ["broken"]
    assert slack.slack.said() == ""


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Who approves it?", True), ("Hello all. How do I get a badge? Thanks", True), ("Really?", False), ("No idea.", False),
        ("<@U1> who approves it?", False), ("", False), ("See <https://x.example/?q=a|this page> please", False),
    ],
)  # fmt: skip
def test_it_tells_a_question_to_everybody(text: str, asks: bool) -> None:
    assert asks_everybody(text) is asks


def test_an_administrator_switches_a_channel_on_and_off(slack: Workspace) -> None:
    ada = slack.browser("ada")
    slack.slack.add_channel("COUT", ["UBEN"], is_ext_shared=True, name="partners")
    slack.slack.add_channel("CAWAY", ["UBEN"], is_member=False, name="away")
    slack.slack.channels["CALL"]["name"] = "everybody"

    def switch_on(channel: str, least_sure: str = "90") -> str:
        return ada.post("/manage/slack/channels", {"channel": channel, "least_sure": least_sure}, follow=True).content.decode()

    assert "Paste the channel" in switch_on("everybody")
    assert "cannot see this channel" in switch_on("CNONE")
    assert "shared with another organization" in switch_on("COUT")
    assert "not in #away" in switch_on("CAWAY")
    assert not SlackChannel.objects.exists()
    page = switch_on("https://example.slack.com/archives/CALL")
    assert "#everybody answers by itself now." in page
    assert "90 % sure or more" in page
    switch_on("CALL", "60")
    made = SlackChannel.objects.get()
    assert (made.channel, made.least_sure, made.switched_on_by) == ("CALL", 60, slack.people.ada)
    assert ada.post("/manage/slack/channels", {"channel": "CALL", "least_sure": "0"}).status_code == 404
    assert slack.browser("olga").post(f"/manage/slack/channels/{made.pk}/off").status_code == 404
    ada.post(f"/manage/slack/channels/{made.pk}/off")
    assert not SlackChannel.objects.exists()


# --- The assistant's pane ---------------------------------------------------------------------------------------------


def pane(by: str = "UBEN", channel: str = "DBEN") -> dict[str, Any]:
    return {"type": "assistant_thread_started", "event_ts": "700.2",
            "assistant_thread": {"user_id": by, "channel_id": channel, "thread_ts": "700.1", "context": {}}}  # fmt: skip


def test_whoever_opens_the_pane_is_offered_what_they_may_ask(slack: Workspace) -> None:
    slack.send(pane())
    slack.send(pane("UCY", "DCY"))
    bens, cys = (json.dumps(call.fields) for call in slack.slack.called("assistant.threads.setSuggestedPrompts"))
    assert "Rebates" in bens
    assert "Parental leave" in cys
    assert "Rebates" not in cys
    slack.send(slack.direct(LEAVE_QUESTION, ts="700.5", thread_ts="700.1"))
    assert slack.slack.called("chat.postMessage")[-1].fields["thread_ts"] == "700.1"
    assert slack.outcomes == ["recorded", "recorded", "answered"]


@pytest.mark.parametrize(("by", "channel", "outcome"), [("UDAN", "DDAN", "not_linked"), ("UCY", "DBEN", "no_permission")])
def test_whoever_gets_no_questions_there_is_told_why(slack: Workspace, by: str, channel: str, outcome: str) -> None:
    slack.send(pane(by, channel))
    assert slack.slack.called("assistant.threads.setSuggestedPrompts") == []
    assert len(slack.slack.called("chat.postMessage")) == 1
    assert slack.outcomes == [outcome]


# --- The end ----------------------------------------------------------------------------------------------------------


def void(call: Any) -> Any:
    return (200, {}, {"ok": False, "error": "token_revoked"})


@pytest.mark.parametrize("event", [{"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"bot": [BOT]}}])
def test_an_uninstalled_app_withdraws_what_waits_and_forgets_slack(
    slack: Workspace, by_itself: Any, event: dict[str, Any]
) -> None:
    by_itself()
    slack.send(slack.mention(LEAVE_QUESTION))
    slack.send(slack.mention(LEAVE_QUESTION, ts="100.2"), work=False)
    slack.slack.before = void
    slack.slack.calls.clear()
    slack.send(event, work=False)
    SlackEvent.objects.filter(state="waiting").exclude(kind="gone").update(not_before="2999-01-01T00:00:00Z")
    work_slack_events(slice_s=60)
    (left,) = SlackEvent.objects.all()
    assert (left.kind, left.outcome) == ("gone", "recorded")
    assert "Withdrawn: 1 open questions." in left.reason
    assert not SlackThread.objects.exists()
    assert not SlackChannel.objects.exists()
    assert Answer.objects.filter(state="answered").count() == 1  # the record stays
    assert slack.slack.said() == ""


def test_the_end_of_another_workspace_or_of_a_users_token_changes_nothing(slack: Workspace, by_itself: Any) -> None:
    by_itself()
    slack.send({"type": "app_uninstalled"})
    slack.send({"type": "tokens_revoked", "tokens": {"oauth": ["UBEN"]}})
    assert slack.outcomes == ["ignored", "ignored"]
    assert SlackChannel.objects.exists()


def test_it_waits_to_forget_while_slack_cannot_be_asked(slack: Workspace, by_itself: Any) -> None:
    by_itself()
    slack.slack.before = lambda call: (503, {}, {})
    slack.send({"type": "app_uninstalled"})
    assert SlackChannel.objects.exists()
    assert SlackEvent.objects.get().state == "waiting"


def test_an_administrator_disconnects(slack: Workspace, by_itself: Any) -> None:
    by_itself()
    slack.send(slack.mention(LEAVE_QUESTION))
    waiting = create_answer(user=slack.people.ben, question=LEAVE_QUESTION)
    slack.send(slack.mention(LEAVE_QUESTION, ts="100.2"), work=False)
    SlackEvent.objects.filter(state="waiting").update(answer=waiting)
    assert slack.browser("ben").post("/manage/slack/disconnect").status_code == 404
    page = slack.browser("ada").post("/manage/slack/disconnect", follow=True).content.decode()
    assert "Withdrawn: 1 open questions." in page
    assert len(slack.slack.called("auth.revoke")) == 1
    assert (SlackEvent.objects.count(), SlackThread.objects.count(), SlackChannel.objects.count()) == (0, 0, 0)
    waiting.refresh_from_db()
    assert waiting.state == "stopped"
    slack.slack.before = void
    assert "token_revoked" in slack.browser("ada").post("/manage/slack/disconnect", follow=True).content.decode()
