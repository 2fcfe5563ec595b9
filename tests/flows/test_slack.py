from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from assistant.escalations.models import Escalation
from assistant.escalations.services import reply
from assistant.events import Routed, Sentence
from assistant.limits.editing import set_limit
from assistant.models import Answer, Conversation, Feedback
from assistant.presentation import present_answer
from assistant.slack.blocks import answer_message
from assistant.slack.models import SlackEvent
from assistant.slack.sentences import (
    BROKEN,
    EXTERNAL,
    GUESTS,
    HELPFUL,
    NOT_LINKED,
    NOT_SHARED,
    NOTHING_HERE,
    ONLY_ASKER,
    STRANGERS,
    UNSEEN,
)
from assistant.slack.worker import work_slack_events
from tests.people import DISCOUNTS, LEAVE, People, add_text, make_corpora
from tests.slack_server import BOT, SECRET, SlackServer, event_body, form_body, signed, slack_server

pytestmark = pytest.mark.django_db(transaction=True)

LEAVE_QUESTION = "How many days of paid annual leave do full-time employees receive?"
DISCOUNT_QUESTION = "Who approves a discount above 15 percent?"
CANARY = "regional sales director"


@dataclass
class Workspace:
    """The company's Slack: Ben and Cy have accounts, Gil is a guest, Una has no account here. What a test sends, Slack signed."""

    slack: SlackServer
    people: People
    sent: int = 0
    client: Client = field(default_factory=Client)

    def send(self, event: dict[str, Any], *, event_id: str = "", work: bool = True, **body: Any) -> Any:
        self.sent += 1
        text = json.dumps(event_body(event, event_id=event_id or f"Ev{self.sent}", **body))
        response = self.client.post("/slack/events", text, content_type="application/json", headers=signed(text))
        if work:
            work_slack_events(slice_s=60)
        return response

    def mention(self, text: str, *, by: str = "UBEN", channel: str = "CALL", ts: str = "100.1", **more: Any) -> dict[str, Any]:
        return {"type": "app_mention", "user": by, "channel": channel, "ts": ts, "text": f"<@{BOT}> {text}", **more}

    def direct(self, text: str, *, by: str = "UBEN", ts: str = "200.1", **more: Any) -> dict[str, Any]:
        event = {"type": "message", "channel_type": "im", "user": by, "channel": f"D{by[1:]}", "ts": ts, "text": text}
        return {**event, **more}

    def press(
        self, action: str, value: str, *, by: str = "UBEN", channel: str = "CALL", trigger: str = "", thread_ts: str = ""
    ) -> Any:
        self.sent += 1
        payload = {
            "type": "block_actions", "team": {"id": "T1"}, "user": {"id": by}, "channel": {"id": channel},
            "trigger_id": trigger or f"press{self.sent}", "container": {"message_ts": "9000.1", "thread_ts": thread_ts},
            "response_url": self.slack.url.replace("/api/", "/response"), "actions": [{"action_id": action, "value": value}],
        }  # fmt: skip
        return self._form("/slack/interactions", payload=json.dumps(payload))

    def ask(self, text: str, *, by: str = "UBEN", channel: str = "CALL") -> Any:
        self.sent += 1
        return self._form(
            "/slack/commands", command="/ask", text=text, user_id=by, channel_id=channel, team_id="T1",
            trigger_id=f"ask{self.sent}", response_url=self.slack.url.replace("/api/", "/response"),
        )  # fmt: skip

    def _form(self, path: str, **fields: str) -> Any:
        body = form_body(**fields)
        response = self.client.post(path, body, content_type="application/x-www-form-urlencoded", headers=signed(body))
        work_slack_events(slice_s=60)
        return response

    def browser(self, name: str) -> Client:
        client = Client()
        client.force_login(getattr(self.people, name), backend="django.contrib.auth.backends.ModelBackend")
        return client

    @property
    def outcomes(self) -> list[str]:
        return list(SlackEvent.objects.order_by("pk").values_list("outcome", flat=True))


@pytest.fixture
def slack(people: People, settings: Any) -> Iterator[Workspace]:
    with slack_server() as served:
        settings.SLACK_BOT_TOKEN, settings.SLACK_SIGNING_SECRET, settings.SLACK_API_URL = "xoxb-1", SECRET, served.url
        settings.PUBLIC_URL = "https://ask.example.org"
        handbook, sales = make_corpora(people)
        for corpus in (handbook, sales):
            corpus.is_for_slack = True
            corpus.save()
        add_text(handbook, "leave.md", LEAVE)
        add_text(sales, "discounts.md", DISCOUNTS)
        for name in ("ben", "cy", "dan"):
            served.add_user(f"U{name.upper()}", f"{name.capitalize()}@Example.org")
            served.add_channel(f"D{name.upper()}", [], is_im=True, user=f"U{name.upper()}")
        served.add_user("UGIL", "ben@example.org", is_restricted=True)
        served.add_user("UUNA", "una@example.org")
        served.add_user(BOT, "", is_bot=True)
        served.add_channel("CALL", ["UBEN", "UCY"])
        served.add_channel("CSALES", ["UBEN"])
        yield Workspace(served, people)


# --- The door ---------------------------------------------------------------------------------------------------------


def test_it_is_off_without_a_token(settings: Any, people: People) -> None:
    settings.SLACK_SIGNING_SECRET = SECRET
    body = json.dumps({"type": "url_verification", "challenge": "abc"})
    for path in ("events", "interactions", "commands"):
        response = Client().post(f"/slack/{path}", body, content_type="application/json", headers=signed(body))
        assert response.status_code == 404
    assert work_slack_events() == 0
    admin = Client()
    admin.force_login(people.ada, backend="django.contrib.auth.backends.ModelBackend")
    assert "Slack is off" in admin.get("/manage/slack/").content.decode()
    assert "May be answered in Slack" not in admin.get("/manage/corpora/new").content.decode()


@pytest.mark.parametrize("flaw", ["missing", "wrong", "changed", "late", "early", "no number", "not text", "other secret"])
def test_it_believes_the_signature_and_nothing_else(slack: Workspace, flaw: str) -> None:
    body = json.dumps(event_body(slack.mention(LEAVE_QUESTION), event_id="Ev1"))
    headers = {
        "missing": {},
        "wrong": {**signed(body), "X-Slack-Signature": "v0=" + "0" * 64},
        "changed": signed(body),
        "late": signed(body, age=301),
        "early": signed(body, age=-301),
        "no number": {**signed(body), "X-Slack-Request-Timestamp": "now"},
        "not text": {**signed(body), "X-Slack-Signature": "v0=é"},
        "other secret": signed(body, secret="another"),
    }[flaw]
    sent = body.replace("Ev1", "Ev2") if flaw == "changed" else body
    response = slack.client.post("/slack/events", sent, content_type="application/json", headers=headers)
    assert response.status_code == 401
    assert not SlackEvent.objects.exists()


def test_it_takes_a_request_of_just_under_five_minutes_and_a_replay_changes_nothing(slack: Workspace) -> None:
    body = json.dumps(event_body(slack.mention(LEAVE_QUESTION), event_id="Ev1"))
    headers = signed(body, age=290)
    for _ in range(2):
        assert slack.client.post("/slack/events", body, content_type="application/json", headers=headers).status_code == 200
    assert SlackEvent.objects.count() == 1


def test_it_answers_slacks_check_of_the_address(slack: Workspace) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc"})
    response = slack.client.post("/slack/events", body, content_type="application/json", headers=signed(body))
    assert response.json() == {"challenge": "abc"}


@pytest.mark.parametrize("body", ["", "{", "[1]", '"text"', "\ud83d", "null", "{" * 5000])
def test_it_refuses_what_is_no_event(slack: Workspace, body: str) -> None:
    text = body.encode("utf-8", "replace").decode()
    response = slack.client.post("/slack/events", text, content_type="application/json", headers=signed(text))
    assert response.status_code == 400


@pytest.mark.parametrize(
    "event", [None, 7, {}, {"type": "app_mention"}, {"type": "message", "channel_type": "im", "user": ["U1"]}]
)
def test_it_records_an_event_of_odd_shape_and_says_nothing(slack: Workspace, event: Any) -> None:
    assert slack.send(event).status_code == 200
    assert slack.outcomes == ["ignored"]
    assert slack.slack.calls == []


# --- Answers ----------------------------------------------------------------------------------------------------------


def test_it_answers_a_mention_once_whatever_slack_repeats(slack: Workspace) -> None:
    event = slack.mention(LEAVE_QUESTION)
    for _ in range(3):
        slack.send(event, event_id="Ev1", work=False)
    slack.send({**event, "type": "message", "channel_type": "channel"}, event_id="Ev2", work=False)  # told as a message, too
    assert slack.slack.calls == []  # nothing is done before the acknowledgement
    work_slack_events(slice_s=60)
    slack.send(event, event_id="Ev1")
    (posted,) = slack.slack.called("chat.postMessage")
    assert posted.fields["thread_ts"] == "100.1"
    assert "27 days" in posted.words
    assert "<https://ask.example.org/documents/" in posted.words
    assert "start=" in posted.words
    assert str(posted.fields["unfurl_links"]).lower() in ("false", "0")
    assert slack.slack.reactions == ["eyes", "white_check_mark"]
    assert slack.outcomes == ["answered"]
    assert SlackEvent.objects.get().payload == {}


def test_it_uses_in_a_channel_only_what_every_member_may_read(slack: Workspace) -> None:
    slack.send(slack.mention(DISCOUNT_QUESTION, channel="CSALES"))
    assert CANARY in slack.slack.said()
    slack.slack.calls.clear()
    slack.send(slack.mention(DISCOUNT_QUESTION, channel="CALL"))
    assert CANARY not in slack.slack.said()
    assert len(slack.slack.called("chat.postMessage")) == 1
    assert slack.outcomes[-1] == "no_evidence"


def test_a_direct_message_sees_what_the_asker_may_read(slack: Workspace) -> None:
    slack.send(slack.direct(DISCOUNT_QUESTION, by="UCY"))
    assert CANARY not in slack.slack.said()
    slack.slack.calls.clear()
    slack.send(slack.direct(DISCOUNT_QUESTION, by="UBEN"))
    assert CANARY in slack.slack.said()
    assert "Continue in the browser" in slack.slack.said()


def test_it_uses_only_corpora_that_are_marked_for_slack(slack: Workspace) -> None:
    for corpus in slack.people.olga.owned_corpora.all():
        corpus.is_for_slack = False
        corpus.save()
    slack.send(slack.direct(DISCOUNT_QUESTION))
    assert CANARY not in slack.slack.said()
    slack.people.ada.owned_corpora.update(is_for_slack=False)
    slack.send(slack.mention(LEAVE_QUESTION))
    assert slack.outcomes[-1] == "no_permission"
    assert NOTHING_HERE in slack.slack.called("chat.postEphemeral")[-1].words
    assert Conversation.objects.count() == 1  # of the direct message


@pytest.mark.parametrize(("during", "outcome"), [("_route", "no_evidence"), ("_choose", "no_permission")])
def test_who_joins_meanwhile_counts(slack: Workspace, monkeypatch: Any, during: str, outcome: str) -> None:
    """Cy, who may not read it, joins before the second gate, which then drops it; or after it, and nothing is shown."""
    from assistant import answering

    def joining(*args: Any) -> Any:
        slack.slack.members["CSALES"].insert(0, "UCY")
        return step(*args)

    step = getattr(answering, during)
    monkeypatch.setattr(answering, during, joining)
    slack.send(slack.mention(DISCOUNT_QUESTION, channel="CSALES"))
    assert CANARY not in slack.slack.said()
    assert slack.outcomes == [outcome]


def test_rights_count_at_the_second_gate(slack: Workspace, monkeypatch: Any) -> None:
    from assistant import answering

    def leaving(*args: Any) -> Any:
        found = retrieve(*args)
        slack.people.ben.groups.clear()
        return found

    retrieve = answering._retrieve
    monkeypatch.setattr(answering, "_retrieve", leaving)
    slack.send(slack.mention(DISCOUNT_QUESTION, channel="CSALES"))
    assert CANARY not in slack.slack.said()


@pytest.mark.parametrize(
    ("about", "members", "sentence"),
    [
        ({"is_ext_shared": True}, ["UBEN"], EXTERNAL),
        ({"is_shared": True}, ["UBEN"], EXTERNAL),
        ({"is_pending_ext_shared": True}, ["UBEN"], EXTERNAL),
        ({}, ["UBEN", "UCY", "UGIL"], GUESTS),
        ({}, ["UBEN", "UELSEWHERE"], GUESTS),  # whom Slack does not show
        ({}, ["UBEN", "UUNA"], STRANGERS),
        ({}, ["UBEN", "UDAN"], STRANGERS),  # whose account is deactivated
    ],
)
def test_it_says_nothing_where_outsiders_read_along(
    slack: Workspace, about: dict[str, Any], members: list[str], sentence: str
) -> None:
    slack.slack.add_channel("COUT", members, **about)
    slack.send(slack.mention(LEAVE_QUESTION, channel="COUT"))
    slack.ask(LEAVE_QUESTION, channel="COUT")
    assert slack.slack.called("chat.postMessage") == []
    (told,) = slack.slack.called("chat.postEphemeral")
    assert (told.fields["user"], sentence in told.words) == ("UBEN", True)
    assert sentence in slack.slack.called("response")[-1].words
    assert "27 days" not in slack.slack.said()
    assert slack.slack.reactions == ["eyes", "lock"]


@pytest.mark.parametrize(
    "profile",
    [
        {"is_email_confirmed": False},
        {"profile": {}},
        {"profile": {"email": "ben@example.org.evil"}},
        {"profile": {"email": "dan@example.org"}},
    ],
)
def test_it_tells_an_asker_whom_it_does_not_know_what_to_do(slack: Workspace, profile: dict[str, Any]) -> None:
    slack.slack.users["UBEN"] |= profile
    slack.send(slack.mention(LEAVE_QUESTION))
    assert slack.slack.called("chat.postMessage") == []
    assert NOT_LINKED in slack.slack.called("chat.postEphemeral")[0].words
    assert slack.outcomes == ["not_linked"]
    assert not Conversation.objects.exists()


def test_two_accounts_with_one_address_are_nobody(slack: Workspace) -> None:
    slack.people.cy.email = "BEN@example.org"
    slack.people.cy.save()
    slack.send(slack.direct(LEAVE_QUESTION))
    assert slack.outcomes == ["not_linked"]


def test_a_thread_is_one_conversation_of_all_who_ask_in_it(slack: Workspace) -> None:
    slack.send(slack.mention(LEAVE_QUESTION))
    follow_up = {"type": "message", "channel_type": "channel", "user": "UCY", "channel": "CALL", "thread_ts": "100.1"}
    slack.send({**follow_up, "ts": "100.5", "text": "And when do unused days expire?"})
    assert "31 March" in slack.slack.called("chat.postMessage")[-1].words
    conversation = Conversation.objects.get()
    assert [answer.asker for answer in conversation.answers.all()] == [slack.people.ben, slack.people.cy]
    assert set(conversation.readers.all()) == {slack.people.ben, slack.people.cy}
    assert slack.browser("ben").get(f"/conversations/{conversation.pk}/").status_code == 404  # it belongs to its channel


def test_an_answer_that_is_written_grows_in_one_message(slack: Workspace, monkeypatch: Any) -> None:
    """A model's sentences come before the record; here they are told by a stand-in for the answer path."""
    from assistant.slack import answering

    def writing(row: Any) -> Iterator[Any]:
        yield Routed("specialist", "")
        for number in range(3):
            yield Sentence(f"Sentence {number} <b>.", (1,), is_recorded=False)
        yield from answer(row)

    answer = answering.answer
    monkeypatch.setattr(answering, "answer", writing)
    slack.send(slack.mention(LEAVE_QUESTION))
    (posted,), updates = slack.slack.called("chat.postMessage"), slack.slack.called("chat.update")
    assert "Sentence 0 &lt;b&gt;. [1] …" in posted.words
    assert len(updates) == 1  # not more than one in a second, and the end
    assert "27 days" in updates[-1].words
    assert "Sentence" not in updates[-1].words


def test_who_joins_before_the_first_written_words_counts(slack: Workspace, monkeypatch: Any) -> None:
    from assistant.slack import answering

    def writing(row: Any) -> Iterator[Any]:
        yield Routed("specialist", "")
        slack.slack.members["CSALES"].insert(0, "UCY")
        yield Sentence(f"Ask the {CANARY}.", (1,), is_recorded=False)

    monkeypatch.setattr(answering, "answer", writing)
    slack.send(slack.mention(DISCOUNT_QUESTION, channel="CSALES"))
    assert CANARY not in slack.slack.said()
    assert slack.outcomes == ["no_permission"]
    assert Answer.objects.get().state == "stopped"


def test_it_keeps_nothing_of_what_is_said_elsewhere_in_a_channel(slack: Workspace) -> None:
    said = {"type": "message", "channel_type": "channel", "user": "UCY", "channel": "CALL", "text": "Lunch?"}
    slack.send({**said, "ts": "300.1"})
    slack.send({**said, "ts": "300.2", "thread_ts": "300.1"})
    assert not SlackEvent.objects.exists()


def test_it_never_answers_programs(slack: Workspace) -> None:
    slack.send(slack.direct(LEAVE_QUESTION, bot_id="B1"))
    slack.send(slack.mention(LEAVE_QUESTION, subtype="bot_message", ts="1.2"))
    slack.send(slack.direct("joined", subtype="channel_join", ts="1.3"))
    slack.send(slack.mention(LEAVE_QUESTION, by=BOT, ts="1.4"))
    slack.send(slack.mention(LEAVE_QUESTION, ts="1.5"), team="T2")
    assert set(slack.outcomes) == {"ignored"}
    assert all(SlackEvent.objects.values_list("reason", flat=True))
    assert {call.method for call in slack.slack.calls} <= {"auth.test"}


@pytest.mark.parametrize("text", ["", "   ", "?!", "word " * 8000])
def test_it_says_why_a_message_is_no_question(slack: Workspace, text: str) -> None:
    slack.send(slack.direct(text))
    assert slack.outcomes == ["refused"]
    assert len(slack.slack.called("chat.postMessage")) == 1


def test_it_says_when_a_limit_is_reached(slack: Workspace) -> None:
    set_limit(subject="everyone", questions=1, tokens=None, cost=None)
    slack.send(slack.mention(LEAVE_QUESTION))
    slack.send(slack.mention(LEAVE_QUESTION, ts="100.2"))
    assert "0 of 1 questions left" in slack.slack.called("chat.postEphemeral")[0].words
    assert slack.outcomes == ["answered", "over_limit"]


def test_nothing_in_a_document_becomes_a_link_or_a_mention(slack: Workspace) -> None:
    text = "The spare key of the <!channel> archive is kept by <@UBEN> & <https://evil.example|the porter>.\n"
    corpus = slack.people.ada.owned_corpora.get()
    add_text(corpus, "keys.txt", text)
    slack.send(slack.direct("Where is the spare key of the archive kept?"))
    said = slack.slack.said()
    assert "spare key" in said
    assert "&lt;!channel&gt;" in said
    assert "<!channel>" not in said
    assert "<@U" not in said
    assert "<https://evil" not in said


# --- Buttons and commands ---------------------------------------------------------------------------------------------


def test_only_the_asker_can_judge_an_answer(slack: Workspace) -> None:
    slack.send(slack.mention(LEAVE_QUESTION))
    answer = str(Answer.objects.get().pk)
    slack.press("not_helpful", answer, by="UCY")
    assert ONLY_ASKER in slack.slack.called("response")[-1].words
    assert not Feedback.objects.exists()
    slack.press("helpful", answer)
    assert HELPFUL in slack.slack.called("response")[-1].words
    slack.press("not_helpful", answer)
    assert "What was wrong" in slack.slack.called("response")[-1].words
    assert "With a reason, your question is shown" in slack.slack.called("response")[-1].words
    slack.press("reason:outdated", f"{answer}:outdated", thread_ts="100.1")
    told = slack.slack.called("chat.postEphemeral")[-1]
    assert (told.fields["user"], told.fields["thread_ts"], HELPFUL in told.words) == ("UBEN", "100.1", True)
    assert Feedback.objects.values_list("user__username", "verdict", "reason").get() == ("ben", "not_helpful", "outdated")


@pytest.mark.parametrize("value", ["", "x", "999999", "-1", "9" * 40])
def test_a_button_of_an_answer_that_is_not_there_does_nothing(slack: Workspace, value: str) -> None:
    slack.press("helpful", value)
    assert not Feedback.objects.exists()
    assert len(slack.slack.called("response")) == 1


def test_a_person_can_be_asked(slack: Workspace) -> None:
    slack.send(slack.mention("What is the colour of the new bicycles?"))
    answer = Answer.objects.get()
    slack.press("ask_person", str(answer.pk))
    assert answer.escalation.asker == slack.people.ben
    assert "Sent to" in slack.slack.called("response")[-1].words
    reply(escalation=answer.escalation, author=slack.people.ada, text="They are GREEN.", known_version=0)
    ben, cy = slack.browser("ben"), slack.browser("cy")
    page = f"/answers/{answer.pk}/person"
    assert page in ben.get("/replies/").content.decode()
    assert "They are GREEN." in ben.get(page).content.decode()
    assert cy.get(page).status_code == 404
    answer.escalation.refresh_from_db()
    assert not answer.escalation.has_news
    assert ben.post(f"{page}/stand", {"helpful": "1"}, follow=True).redirect_chain[-1][0] == page
    assert "You said that this helped." in ben.get(page).content.decode()


def test_a_wish_for_a_person_tells_nobody_and_says_how(slack: Workspace) -> None:
    slack.send(slack.direct(LEAVE_QUESTION))
    slack.send(slack.direct("I want to talk to a human please", ts="200.2"))
    assert not Escalation.objects.exists()
    assert "Nobody has been told yet." in slack.slack.said()
    wish = Answer.objects.latest("pk")
    slack.press("ask_person", str(wish.pk))  # from a message of before
    assert not Escalation.objects.exists()


def test_earlier_questions_go_to_a_person_only_by_the_button_that_says_so(slack: Workspace) -> None:
    slack.send(slack.direct(LEAVE_QUESTION))
    slack.send(slack.direct("And in Porto?", ts="200.2"))
    answer = Answer.objects.latest("pk")
    slack.press("ask_person", str(answer.pk))
    sent = Escalation.objects.get()
    assert (sent.has_turns, sent.standalone_question) == (False, "")
    sent.delete()
    Answer.objects.filter(pk=answer.pk).update(standalone_question="How many days of leave in Porto?")
    item = present_answer(answer, slack.people.ben)
    assert "Ask with my earlier questions" in str(answer_message(item, is_direct=True).blocks)
    assert "Ask with my earlier questions" not in str(answer_message(item, is_direct=False).blocks)
    slack.press("ask_person:turns", f"{answer.pk}:turns")
    assert Escalation.objects.get().has_turns


def test_an_owner_marks_a_corpus_for_slack_in_its_settings(slack: Workspace) -> None:
    olga, sales = slack.browser("olga"), slack.people.olga.owned_corpora.get()
    page = olga.get(f"/manage/corpora/{sales.slug}/settings").content.decode()
    assert "May be answered in Slack" in page
    form = {"name": sales.name, "audience": "groups", "groups": [slack.people.sales.pk]}
    assert olga.post(f"/manage/corpora/{sales.slug}/settings", form).status_code == 302
    slack.send(slack.direct(DISCOUNT_QUESTION))
    assert CANARY not in slack.slack.said()
    olga.post(f"/manage/corpora/{sales.slug}/settings", {**form, "is_for_slack": "on"})
    slack.send(slack.direct(DISCOUNT_QUESTION, ts="200.2"))
    assert CANARY in slack.slack.said()


def test_a_command_is_answered_to_the_asker_who_may_share_what_all_may_read(slack: Workspace) -> None:
    assert slack.ask(LEAVE_QUESTION).json()["response_type"] == "ephemeral"
    (told,) = slack.slack.called("response")
    assert told.fields["response_type"] == "ephemeral"
    assert "27 days" in told.words
    assert "Share with the channel" in told.words
    for _ in range(2):  # told twice by Slack
        slack.press("share", str(Answer.objects.get().pk), trigger="once")
    shared = [call for call in slack.slack.called("response") if call.fields["response_type"] == "in_channel"]
    assert len(shared) == 1
    assert "27 days" in shared[0].words
    assert slack.slack.called("chat.postMessage") == []


def test_an_answer_is_not_shared_with_those_who_may_not_read_its_sources(slack: Workspace) -> None:
    slack.ask(DISCOUNT_QUESTION)
    assert CANARY in slack.slack.called("response")[-1].words
    slack.press("share", str(Answer.objects.get().pk))
    last = slack.slack.called("response")[-1]
    assert (last.fields["response_type"], NOT_SHARED in last.words) == ("ephemeral", True)
    slack.press("share", str(Answer.objects.get().pk), channel="CSALES")
    assert slack.slack.called("response")[-1].fields["response_type"] == "in_channel"


def test_a_command_where_it_cannot_see_who_reads_is_refused(slack: Workspace) -> None:
    slack.ask(LEAVE_QUESTION, channel="CHIDDEN")
    assert UNSEEN in slack.slack.called("response")[-1].words


def test_no_event_leads_it_to_another_host(slack: Workspace) -> None:
    body = form_body(command="/ask", text=LEAVE_QUESTION, user_id="UBEN", channel_id="CALL", trigger_id="t",
                     response_url="https://evil.example/collect")  # fmt: skip
    slack.client.post("/slack/commands", body, content_type="application/x-www-form-urlencoded", headers=signed(body))
    work_slack_events(slice_s=60)
    event = SlackEvent.objects.get()
    assert (event.state, "not Slack's address" in event.reason) == ("failed", True)


# --- Changes ----------------------------------------------------------------------------------------------------------


def changed(text: str, *, before: str, ts: str = "100.1", **message: Any) -> dict[str, Any]:
    now = {"user": "UBEN", "ts": ts, "text": text, **message}
    return {"type": "message", "subtype": "message_changed", "channel": "CALL", "channel_type": "channel", "message": now,
            "previous_message": {**now, "text": before}}  # fmt: skip


DELETED = {"type": "message", "subtype": "message_deleted", "channel": "CALL", "channel_type": "channel", "deleted_ts": "100.1",
           "previous_message": {"user": "UBEN", "ts": "100.1"}}  # fmt: skip


def test_a_question_that_is_reworded_before_its_answer_is_answered_as_it_stands(slack: Workspace) -> None:
    before = "How long does the summer last?"
    slack.send(slack.mention(before), work=False)
    SlackEvent.objects.update(not_before=timezone.now() + timedelta(hours=1))
    slack.send(changed(LEAVE_QUESTION, before=before))
    SlackEvent.objects.update(not_before=None)
    work_slack_events(slice_s=60)
    assert Answer.objects.get().question == LEAVE_QUESTION
    slack.send(changed("Something else", before=LEAVE_QUESTION))
    assert SlackEvent.objects.first().reason == "It was answered before it was changed."
    assert Answer.objects.get().question == LEAVE_QUESTION


def test_a_question_that_is_reworded_while_it_is_answered_is_answered_anew(slack: Workspace, monkeypatch: Any) -> None:
    from assistant import answering

    def rewording(*args: Any) -> Any:
        monkeypatch.undo()
        slack.send(changed(LEAVE_QUESTION, before="Who approves it?"))  # another worker takes it up
        return answering._retrieve(*args)

    monkeypatch.setattr(answering, "_retrieve", rewording)
    slack.send(slack.mention("Who approves it?"))
    (posted,) = slack.slack.called("chat.postMessage")
    assert "27 days" in posted.words
    assert Answer.objects.get().question == LEAVE_QUESTION


def test_a_withdrawn_question_takes_its_answer_along(slack: Workspace) -> None:
    slack.send(slack.mention(LEAVE_QUESTION))
    assert slack.slack.messages["CALL"]
    slack.send(DELETED)
    assert slack.slack.messages["CALL"] == {}
    assert not Conversation.objects.exists()


def test_a_question_whose_deletion_came_first_is_not_answered(slack: Workspace) -> None:
    slack.send(DELETED, work=False)
    slack.send(slack.mention(LEAVE_QUESTION))
    assert slack.slack.called("chat.postMessage") == []
    assert slack.outcomes[-1] == "withdrawn"


# --- Failures ---------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What kill -9 is to a process: nothing after it runs."""


def test_a_worker_killed_between_posting_and_recording_posts_no_second_message(slack: Workspace, monkeypatch: Any) -> None:
    from assistant.slack import claims, showing

    def killed(claim: Any, **changes: Any) -> None:
        if changes.get("reply_ts"):
            raise Killed
        claims.advance(claim, **changes)

    monkeypatch.setattr(showing, "advance", killed)
    with pytest.raises(Killed):
        slack.send(slack.mention(LEAVE_QUESTION))
    monkeypatch.undo()
    assert len(slack.slack.messages["CALL"]) == 1
    SlackEvent.objects.update(lease_until="2020-01-01T00:00:00Z")
    work_slack_events(slice_s=60)
    assert len(slack.slack.messages["CALL"]) == 1
    assert slack.outcomes == ["answered"]
    assert Answer.objects.count() == 1


def test_a_worker_killed_while_answering_leaves_the_question_to_the_next(slack: Workspace, monkeypatch: Any) -> None:
    from assistant import answering

    def killed(*_: Any) -> Any:
        raise Killed

    monkeypatch.setattr(answering, "_choose", killed)
    for _ in range(2):
        with pytest.raises(Killed):
            slack.send(slack.mention(LEAVE_QUESTION), event_id="Ev1")
        SlackEvent.objects.update(lease_until="2020-01-01T00:00:00Z")
    monkeypatch.undo()
    work_slack_events(slice_s=60)
    assert slack.outcomes == ["answered"]
    assert len(slack.slack.called("chat.postMessage")) == 1


def test_a_question_that_kills_three_workers_is_given_up_with_a_sentence(slack: Workspace, monkeypatch: Any) -> None:
    slack.send(slack.mention(LEAVE_QUESTION), work=False)
    SlackEvent.objects.update(attempts=3, state="working", lease_owner="elsewhere:1:x", lease_until="2020-01-01T00:00:00Z")
    work_slack_events(slice_s=60)
    event = SlackEvent.objects.get()
    assert (event.state, event.outcome) == ("failed", "broken")
    assert BROKEN in slack.slack.called("chat.postEphemeral")[0].words


def test_it_waits_as_long_as_slack_asks_and_then_answers(slack: Workspace) -> None:
    def too_fast(call: Any) -> Any:
        return (429, {"Retry-After": "30"}, {"ok": False, "error": "ratelimited"}) if call.method == "chat.postMessage" else None

    slack.slack.before = too_fast
    slack.send(slack.mention(LEAVE_QUESTION))
    event = SlackEvent.objects.get()
    assert (event.state, event.attempts, event.reason) == ("waiting", 0, "Slack asked to wait.")
    assert 20 < (event.not_before - event.created_at).total_seconds() < 60
    slack.slack.before = lambda call: None
    SlackEvent.objects.update(not_before=None)
    work_slack_events(slice_s=60)
    assert slack.outcomes == ["answered"]
    assert len(slack.slack.messages["CALL"]) == 1


@pytest.mark.parametrize("call", [2, 3])
def test_a_wait_in_the_middle_of_an_answer_loses_nothing(slack: Workspace, call: int) -> None:
    def busy(asked: Any) -> Any:
        is_it = asked.method == "conversations.info" and len(slack.slack.called("conversations.info")) == call
        return (429, {"Retry-After": "1"}, {"ok": False, "error": "ratelimited"}) if is_it else None

    slack.slack.before = busy
    slack.send(slack.mention(LEAVE_QUESTION))
    assert slack.outcomes == [""]
    SlackEvent.objects.update(not_before=None)
    work_slack_events(slice_s=60)
    assert slack.outcomes == ["answered"]
    assert Answer.objects.count() == 1


def test_it_waits_for_a_way_out_that_is_closed(slack: Workspace, settings: Any) -> None:
    settings.SLACK_API_URL = "http://127.0.0.1:9/api/"
    slack.send(slack.mention(LEAVE_QUESTION))
    for _ in range(4):
        SlackEvent.objects.update(not_before=None)
        work_slack_events(slice_s=60)
    event = SlackEvent.objects.get()
    assert (event.state, event.attempts) == ("waiting", 0)
    settings.SLACK_API_URL = slack.slack.url
    SlackEvent.objects.update(not_before=None)
    work_slack_events(slice_s=60)
    assert slack.outcomes == ["answered"]
    settings.SLACK_API_URL = "http://127.0.0.1:9/api/"
    slack.send(slack.mention(LEAVE_QUESTION, ts="100.2"), work=False)
    SlackEvent.objects.filter(state="waiting").update(created_at="2020-01-01T00:00:00Z")
    for _ in range(3):
        SlackEvent.objects.update(not_before=None)
        work_slack_events(slice_s=60)
    assert SlackEvent.objects.first().state == "failed"


def test_it_gives_up_after_three_attempts_and_says_why(slack: Workspace) -> None:
    slack.slack.before = lambda call: (503, {}, {}) if call.method == "conversations.info" else None
    slack.send(slack.mention(LEAVE_QUESTION))
    for _ in range(2):
        SlackEvent.objects.update(not_before=None)
        work_slack_events(slice_s=60)
    event = SlackEvent.objects.get()
    assert (event.state, event.attempts, event.outcome) == ("failed", 3, "broken")
    assert "conversations.info" in event.reason
    assert BROKEN in slack.slack.said()
    assert slack.slack.reactions[-1] == "warning"


# --- The administrators' page -----------------------------------------------------------------------------------------


def test_the_page_tests_the_connection_and_lists_what_happened_without_words(slack: Workspace) -> None:
    slack.send(slack.mention(f"{LEAVE_QUESTION} SECRET-WORDS"))
    admin = slack.browser("ada")
    assert "has all the scopes" in admin.post("/manage/slack/").content.decode()
    slack.slack.scopes = slack.slack.scopes.replace("users:read.email", "")
    page = admin.post("/manage/slack/").content.decode()
    assert "The scope users:read.email is missing" in page
    assert "Mention" in page
    assert "SECRET-WORDS" not in page
    slack.slack.before = lambda call: (200, {}, {"ok": False, "error": "invalid_auth"})
    assert "invalid_auth" in admin.post("/manage/slack/").content.decode()
    assert slack.browser("ben").get("/manage/slack/").status_code == 404
