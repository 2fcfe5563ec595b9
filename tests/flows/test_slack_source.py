"""Public channels of Slack that fill a corpus."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from assistant.leases import new_owner
from assistant.slack.checks import check_connection
from assistant.slack.source import parts, worker
from assistant.slack.source.models import SlackPart, SlackSource
from assistant.slack.source.worker import sync_slack_sources
from assistant.slack.source.writing import as_markdown
from assistant.slack.worker import work_slack_events
from ingestion.models import Corpus, Document
from ingestion.permissions import readable_corpora
from ingestion.services import add_document, create_corpus, original_path
from ingestion.worker import work_until_empty
from tests.flows.test_slack import Workspace
from tests.people import People
from tests.slack_server import BOT, SECRET, Call, slack_server

pytestmark = pytest.mark.django_db(transaction=True)

NOON = int(timezone.now().replace(hour=12, minute=0, second=0, microsecond=0).timestamp()) - 2 * 86_400
ROOT, REPLY, ALONE, LATER = (f"{NOON + number * 60}.000100" for number in range(4))
YESTERDAY = f"{NOON + 86_400}.000100"
QUESTION = "What is the code of the bicycle cellar?"
CANARY = "4711"


def day_name(ts: str) -> str:
    return f"days/{time.strftime('%Y-%m-%d', time.gmtime(float(ts)))}.md"


THREAD, DAY, NEXT_DAY = f"threads/{ROOT}.md", day_name(ROOT), day_name(YESTERDAY)


@pytest.fixture
def slack(people: People, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """#facilities, where Ben asked, Cy replied, and some other things were said."""
    monkeypatch.setattr(worker, "_names", None)
    with slack_server() as served:
        settings.SLACK_BOT_TOKEN, settings.SLACK_SIGNING_SECRET, settings.SLACK_API_URL = "xoxb-1", SECRET, served.url
        settings.PUBLIC_URL = "https://ask.example.org"
        for name in ("ben", "cy"):
            served.add_user(f"U{name.upper()}", f"{name}@example.org")
            served.add_channel(f"D{name.upper()}", [], is_im=True, user=f"U{name.upper()}")
        served.users["UBEN"]["profile"]["display_name"] = "Ben"
        served.users["UCY"]["profile"]["display_name"] = "Cy *the* Engineer"
        served.add_user(BOT, "", is_bot=True)
        served.add_channel("CFAC", ["UBEN", "UCY"], name="facilities", is_member=True)
        served.say("CFAC", ROOT, "<@UCY> how do I get into the *bicycle* cellar?")
        served.say("CFAC", REPLY, "The code of the bicycle cellar is 4711.", user="UCY", thread_ts=ROOT)
        served.say("CFAC", ALONE, "The lift is broken, see <https://lift.example/|the notice>.", user="UCY")
        served.say("CFAC", LATER, "has joined the channel", subtype="channel_join")
        served.say("CFAC", f"{NOON + 300}.000100", "The answer of a program", user=BOT, bot_id="B1")
        served.say("CFAC", YESTERDAY, "New coffee machine in <#CFAC|facilities>.")
        yield Workspace(served, people)


def choose(slack: Workspace, channel: str = "CFAC", **more: Any) -> str:
    form = {"channel": channel, "name": "Facilities", "audience": "everyone", **more}
    return slack.browser("ada").post("/manage/slack/sources/new", form, follow=True).content.decode()


def sync(*, compare: bool = False) -> int:
    SlackSource.objects.update(next_at=timezone.now(), not_before=None)
    if compare:
        SlackSource.objects.update(compare_at=timezone.now())
    return sync_slack_sources(slice_s=60)


def texts() -> dict[str, str]:
    documents = Document.objects.filter(corpus__name="Facilities")
    return {document.source_name: original_path(document).read_text() for document in documents}


def changed(ts: str, text: str, before: str, **more: Any) -> dict[str, Any]:
    message = {"type": "message", "user": "UCY", "ts": ts, "text": text, **more}
    return {"type": "message", "subtype": "message_changed", "channel": "CFAC", "channel_type": "channel", "ts": "1.1",
            "message": message, "previous_message": {**message, "text": before}}  # fmt: skip


def deleted(ts: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "subtype": "message_deleted", "channel": "CFAC", "channel_type": "channel", "ts": "1.1",
            "deleted_ts": ts, "previous_message": {"user": "UCY", "ts": ts, **more}}  # fmt: skip


def said(ts: str, text: str, thread: str) -> dict[str, Any]:
    return {"type": "message", "channel": "CFAC", "channel_type": "channel", "user": "UBEN", "ts": ts, "text": text,
            "thread_ts": thread}  # fmt: skip


def told(slack: Workspace, event: dict[str, Any]) -> None:
    """An event comes; nothing else is due."""
    SlackSource.objects.update(next_at=timezone.now() + timedelta(hours=1), compare_at=timezone.now() + timedelta(hours=1))
    slack.slack.calls.clear()
    slack.send(event)
    sync_slack_sources(slice_s=60)


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_it_offers_a_channel_to_its_owner_alone_unless_more_is_chosen(slack: Workspace) -> None:
    page = slack.browser("ada").get("/manage/slack/sources/new").content.decode()
    assert re.search(r'value="owner"[^>]*checked', page)
    assert not re.search(r'value="everyone"[^>]*checked', page)


def test_a_channel_becomes_documents_that_lead_back_to_it(slack: Workspace) -> None:
    assert "fills “Facilities” from now on" in choose(slack)
    sync()
    found = texts()
    assert set(found) == {THREAD, DAY, NEXT_DAY}
    assert found[THREAD].startswith("# @Cy \\*the\\* Engineer how do I get into the bicycle cellar?\n")
    link = f"https://example.slack.com/archives/CFAC/p{ROOT.replace('.', '')}"
    assert f", 12:00]({link})" in found[THREAD]
    assert f"?thread_ts={ROOT}&cid=CFAC)\n\nThe code of the bicycle cellar is 4711." in found[THREAD]
    assert "see the notice." in found[DAY]
    assert CANARY not in found[DAY]
    assert "in \\#facilities." in found[NEXT_DAY]
    for left_out in ("joined", "program"):
        assert left_out not in str(found)
    assert Document.objects.get(source_name=THREAD).source_url == link
    page = slack.browser("ada").get("/manage/slack/").content.decode()
    assert "3 documents" in page
    before = dict(Document.objects.values_list("pk", "updated_at"))
    assert sync(compare=True) > 0
    assert dict(Document.objects.values_list("pk", "updated_at")) == before  # unchanged bytes are skipped


def test_who_may_read_the_corpus_gets_a_cited_answer_and_nobody_else(slack: Workspace) -> None:
    choose(slack, audience="groups", groups=[slack.people.engineering.pk], is_for_slack="on")
    sync()
    work_until_empty()
    slack.send(slack.direct(QUESTION, by="UCY"))
    document = Document.objects.get(source_name=THREAD)
    assert CANARY in slack.slack.said()
    assert f"https://ask.example.org/documents/{document.pk}" in slack.slack.said()
    assert f'href="{document.source_url}"' in slack.browser("cy").get(f"/documents/{document.pk}/").content.decode()
    slack.slack.calls.clear()
    slack.send(slack.direct(QUESTION, by="UBEN", ts="300.1"))
    assert slack.slack.called("chat.postMessage")
    assert CANARY not in slack.slack.said()
    assert slack.browser("ben").get(f"/documents/{document.pk}/").status_code == 404


def test_only_what_is_new_is_read(slack: Workspace) -> None:
    choose(slack)
    sync()
    slack.slack.calls.clear()
    sync()
    (asked,) = slack.slack.called("conversations.history")
    assert asked.fields["oldest"] == YESTERDAY
    for number in range(5):
        slack.slack.say("CFAC", f"{NOON + 86_500 + number}.000100", f"Number {number}")
    sync()
    assert texts()[NEXT_DAY].index("Number 0") < texts()[NEXT_DAY].index("Number 4")
    assert SlackSource.objects.get().seen_ts == f"{NOON + 86_504}.000100"
    assert not SlackPart.objects.filter(due_at__isnull=False).exists()


# --- Changes ----------------------------------------------------------------------------------------------------------


def test_events_bring_edits_replies_and_deletions_at_once(slack: Workspace) -> None:
    choose(slack)
    sync()
    spoken = slack.slack.spoken["CFAC"]
    before, spoken[REPLY]["text"] = spoken[REPLY]["text"], "The code is 1234 now."
    told(slack, changed(REPLY, "The code is 1234 now.", before, thread_ts=ROOT))
    assert "1234" in texts()[THREAD]
    assert CANARY not in texts()[THREAD]
    assert slack.slack.called("conversations.history") == []  # that thread alone was read
    first = f"{NOON + 90_000}.000100"
    slack.slack.say("CFAC", first, "It is on the third floor.", thread_ts=YESTERDAY)
    told(slack, said(first, "It is on the third floor.", YESTERDAY))
    assert "third floor" in texts()[f"threads/{YESTERDAY}.md"]
    assert NEXT_DAY not in texts()  # whose only message begins a thread now
    del spoken[first]
    told(slack, deleted(first, thread_ts=YESTERDAY))
    assert f"threads/{YESTERDAY}.md" not in texts()
    assert "coffee machine" in texts()[NEXT_DAY]
    del spoken[ALONE]
    told(slack, deleted(ALONE))
    assert DAY not in texts()
    del spoken[ROOT], spoken[REPLY]
    told(slack, deleted(ROOT))
    assert set(texts()) == {NEXT_DAY}
    told(slack, changed(YESTERDAY, "The same.", "The same."))  # a preview came
    assert slack.slack.calls == []


def test_a_comparison_finds_what_no_event_told_of(slack: Workspace) -> None:
    choose(slack)
    sync()
    spoken = slack.slack.spoken["CFAC"]
    spoken[REPLY]["text"] = "The code is 1234 now."
    del spoken[ALONE], spoken[YESTERDAY]
    sync()
    assert set(texts()) == {THREAD, DAY, NEXT_DAY}
    sync(compare=True)
    assert set(texts()) == {THREAD}
    assert "1234" in texts()[THREAD]
    del spoken[ROOT], spoken[REPLY]
    slack.browser("ada").post(f"/manage/slack/sources/{SlackSource.objects.get().pk}/compare")
    sync_slack_sources(slice_s=60)
    assert texts() == {}
    assert not SlackPart.objects.filter(key__contains=".").exists()


def days_since(ts: str) -> int:
    """As the limit counts them: midnight may have passed since these tests were read."""
    return (timezone.localdate() - timezone.localtime(datetime.fromtimestamp(float(ts), UTC)).date()).days


def test_what_is_older_than_the_limit_goes(slack: Workspace, settings: Any) -> None:
    settings.SLACK_SOURCE_DAYS = days_since(YESTERDAY)
    choose(slack)
    sync()
    assert set(texts()) == {NEXT_DAY}
    settings.SLACK_SOURCE_DAYS = 30
    sync(compare=True)
    settings.SLACK_SOURCE_DAYS = days_since(YESTERDAY)
    assert THREAD in texts()
    slack.browser("ada").post(f"/manage/slack/sources/{SlackSource.objects.get().pk}/compare")
    sync_slack_sources(slice_s=60)
    assert set(texts()) == {NEXT_DAY}


# --- Interruptions ----------------------------------------------------------------------------------------------------


def test_it_waits_as_long_as_slack_asks_and_goes_on_where_it_was(slack: Workspace) -> None:
    choose(slack)
    pages: list[Call] = []

    def busy_at_the_third(call: Call) -> Any:
        if call.method == "conversations.history":
            pages.append(call)
            if len(pages) == 3:
                return 429, {"Retry-After": "30"}, {"ok": False, "error": "ratelimited"}
        return None

    slack.slack.before = busy_at_the_third
    sync_slack_sources(slice_s=60)
    source = SlackSource.objects.get()
    assert 20 < (source.not_before - timezone.now()).total_seconds() <= 30  # type: ignore[operator]
    asked = len(slack.slack.calls)
    sync_slack_sources(slice_s=60)
    assert len(slack.slack.calls) == asked  # nothing is asked meanwhile
    SlackSource.objects.update(not_before=None)
    sync_slack_sources(slice_s=60)
    assert pages[3].fields["latest"] == pages[2].fields["latest"]  # the page that was refused
    assert set(texts()) == {THREAD, DAY, NEXT_DAY}


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_killed_synchronisation_goes_on_without_loss_and_nothing_twice(
    slack: Workspace, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    choose(slack)

    def dies(**fields: Any) -> Any:
        if place == "after":
            add_document(**fields)
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "add_document", dies)
    with pytest.raises(KeyboardInterrupt):
        sync_slack_sources(slice_s=60)
    monkeypatch.setattr(parts, "add_document", add_document)
    assert sync_slack_sources(slice_s=60) == 0  # its holder lives, as far as anybody knows
    host = new_owner().partition(":")[0]
    SlackSource.objects.update(lease_owner=f"{host}:999999999:1:dead")
    sync_slack_sources(slice_s=60)
    assert set(texts()) == {THREAD, DAY, NEXT_DAY}
    assert Document.objects.count() == 3
    assert not SlackPart.objects.filter(due_at__isnull=False).exists()


def test_a_part_that_fails_stops_no_other_and_is_listed(slack: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(slack)

    def fails_once(**fields: Any) -> Any:
        if fields["source_name"] == THREAD:
            raise RuntimeError
        return add_document(**fields)

    monkeypatch.setattr(parts, "add_document", fails_once)
    sync()
    assert set(texts()) == {DAY, NEXT_DAY}
    assert "1 could not be stored" in slack.browser("ada").get("/manage/slack/").content.decode()


# --- The channel is not what it was -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [({"is_private": True}, "is private"), ({"is_ext_shared": True}, "shared with another"), (None, "deleted or made private")],
)
def test_a_channel_that_is_public_no_more_closes_its_corpus_at_once(
    slack: Workspace, change: dict[str, Any] | None, why: str
) -> None:
    choose(slack, is_for_slack="on")
    sync()
    assert [corpus.name for corpus in readable_corpora(slack.people.ben)] == ["Facilities"]
    about = slack.slack.channels.pop("CFAC")
    if change is not None:
        slack.slack.channels["CFAC"] = {**about, **change}
    SlackSource.objects.update(next_at=timezone.now() + timedelta(hours=1))
    if change:
        slack.send({"type": "message", "subtype": "channel_convert_to_private", "channel": "CFAC", "channel_type": "channel"})
    else:
        slack.send({"type": "channel_deleted", "channel": "CFAC"})
    sync_slack_sources(slice_s=60)
    corpus = Corpus.objects.get(name="Facilities")
    assert not corpus.is_for_slack
    assert not readable_corpora(slack.people.ben).exists()
    assert list(readable_corpora(slack.people.ada)) == [corpus]
    ada = slack.browser("ada")
    page = ada.get("/manage/slack/").content.decode()
    assert why in page
    assert "Delete the corpus…" in page
    source = SlackSource.objects.get()
    ada.post(f"/manage/slack/sources/{source.pk}/resume")
    source.refresh_from_db()
    assert source.state == "closed"
    slack.slack.channels["CFAC"] = about
    ada.post(f"/manage/slack/sources/{source.pk}/resume")
    slack.slack.say("CFAC", f"{NOON + 90_000}.000100", "It is public again.")
    sync()
    assert "public again" in texts()[NEXT_DAY]
    assert not readable_corpora(slack.people.ben).exists()  # until somebody opens the corpus


def test_it_goes_on_by_itself_when_it_is_invited_again(slack: Workspace) -> None:
    choose(slack)
    sync()
    slack.slack.channels["CFAC"]["is_member"] = False
    del slack.slack.spoken["CFAC"][ALONE]
    sync()
    assert "invite it there" in slack.browser("ada").get("/manage/slack/").content.decode()
    assert [check.sentence for check in check_connection() if "invite it" in check.sentence]
    assert DAY in texts()
    slack.slack.channels["CFAC"]["is_member"] = True
    sync()
    assert set(texts()) == {THREAD, NEXT_DAY}
    assert SlackSource.objects.get().problem == ""


@pytest.mark.parametrize("door", ["event", "refused"])
def test_an_app_that_was_removed_closes_what_it_filled(slack: Workspace, door: str) -> None:
    choose(slack)
    sync()
    slack.slack.before = lambda call: (200, {}, {"ok": False, "error": "token_revoked"})
    if door == "event":
        slack.send({"type": "app_uninstalled"})
        work_slack_events()
        assert not SlackSource.objects.exists()
    else:
        sync()
        assert SlackSource.objects.get().problem == "The app was removed from Slack."
    assert list(readable_corpora(slack.people.ben)) == []
    assert Document.objects.count() == 3  # its owner decides


# --- The page and the command -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"is_private": True}, "The channel is private."), ({"is_im": True}, "It is a direct message"),
        ({"is_ext_shared": True}, "shared with another organization"), ({"is_member": False}, "invite it there"),
        ({"is_archived": True}, "The channel is archived."), (None, "The app cannot see this channel"),
    ],
)  # fmt: skip
def test_it_says_which_channel_cannot_fill_a_corpus_and_why(
    slack: Workspace, about: dict[str, Any] | None, sentence: str
) -> None:
    if about is not None:
        slack.slack.add_channel("COTHER", ["UBEN"], **{"name": "other", "is_member": True, **about})
    assert sentence in choose(slack, "COTHER", name="Other")
    assert not SlackSource.objects.exists()
    assert not Corpus.objects.exists()


def test_a_channel_fills_one_corpus_and_stops_when_it_is_told_to(slack: Workspace) -> None:
    create_corpus(name="Handbook", owner=slack.people.olga)
    assert "already a corpus named" in choose(slack, name="Handbook")
    assert "#facilities" in slack.browser("ada").get("/manage/slack/sources/new").content.decode()
    choose(slack)
    assert "#facilities fills a corpus already." in choose(slack, name="Again")
    source = SlackSource.objects.get()
    assert (source.corpus.owner, source.corpus.is_for_slack) == (slack.people.ada, False)
    slack.browser("ada").post(f"/manage/slack/sources/{source.pk}/stop")
    assert not SlackSource.objects.exists()
    assert Corpus.objects.filter(name="Facilities").exists()


def test_the_command_brings_it_up_to_date(slack: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    choose(slack)
    call_command("sync_slack", "--channel", "#facilities", "--compare")
    assert capsys.readouterr().out == "#facilities: 3 documents, followed.\n"


class _Known:
    def person(self, slack_user: str) -> str:
        return {"U1": "Ada"}.get(slack_user, "somebody")

    def channel(self, channel: str) -> str:
        return "general"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("<@U1> and <@U2|x>: <#C1> <#C2|ops>", "@Ada and @somebody: \\#general \\#ops"),
        ("<!here> <!subteam^S1|@team> <!date^1^{date}|today>", "@here @team today"),
        ("<https://a.example/_x_|the _page_> <https://b.example>", "the \\_page\\_ https://b.example"),
        ("*bold* _it_ ~no~ `a*b` 2 * 3 *and _both_*", "bold it no a\\*b 2 \\* 3 and both"),
        ("# no heading\n1. no list\n- one", "\\# no heading\n\n1\\. no list\n\n- one"),
        ("&lt;b&gt; &amp;amp; {% x %} {:.y}", "\\<b\\> \\&amp; \\{\\% x \\%\\} \\{\\:.y\\}"),
        ("&gt; quoted\nnot", "> quoted\n\nnot"),
        ("see\n```a = *b*\n&lt;c&gt;```", "see\n\n```\na = *b*\n<c>\n```"),
        ("an open ``` fence", "an open \\` fence"),
        ("---", "\\---"),
    ],
)  # fmt: skip
def test_it_writes_what_slack_shows(text: str, markdown: str) -> None:
    assert as_markdown(text, _Known()) == markdown  # type: ignore[arg-type]
