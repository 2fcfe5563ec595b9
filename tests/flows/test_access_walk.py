from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from assistant.api.tokens import create_token
from assistant.escalations.examples import make_from_escalation
from assistant.escalations.services import escalate, reply
from assistant.finetuning.editing import create_specialist
from assistant.finetuning.models import DataSet, DataSetRow, DataSetState, SpecialistVersion, VersionState
from assistant.golden.editing import Draft, add_question
from assistant.golden.runs import queue_run
from assistant.jobs.extractions import start_extraction
from assistant.jobs.fields import read_fields
from assistant.limits.editing import set_limit
from assistant.models import Answer
from assistant.services import create_answer, record_feedback, share_conversation
from assistant.slack.models import SlackChannel
from assistant.slack.source.models import SlackSource
from assistant.streams import run_now
from config.access import ROUTES, Access, all_route_names
from ingestion.models import Document
from ingestion.services import add_document, create_corpus
from ingestion.worker import work_until_empty
from specialists.router.rules import add_rule
from tests.data.pdfs import make_pdf, paragraphs
from tests.flows.test_api_access import SERVED_PROGRAMS
from tests.people import DISCOUNTS, People, add_text, make_corpora

ANYONE = {"anonymous", "dan", "ada", "ben", "cy", "olga"}
SIGNED_IN = {"ada", "ben", "cy", "olga"}
MANAGERS = {"ada", "olga"}

# Whom each route serves, for Ben's conversation and for documents of the Sales corpus (owner Olga, read by Sales: Ben).
SERVED: dict[str, set[str]] = {
    "health": ANYONE,
    "login": ANYONE,
    "logout": SIGNED_IN,
    "password_change": SIGNED_IN,
    "password_change_done": SIGNED_IN,
    "assistant:home": SIGNED_IN,
    "assistant:ask": SIGNED_IN,
    "assistant:summarise": {"ben", "olga"},
    "assistant:conversation": {"ben"},
    "assistant:rename_conversation": {"ben"},
    "assistant:delete_conversation": {"ben"},
    "assistant:share_conversation": {"ben"},
    "assistant:export_conversation": {"ben"},
    "assistant:search_conversations": SIGNED_IN,
    "assistant:shared_conversation": SIGNED_IN,
    "assistant:answer": {"ben"},
    "assistant:stream": {"ben"},
    "assistant:stop": {"ben"},
    "assistant:retry": {"ben"},
    "assistant:feedback": {"ben"},
    "assistant:citation": {"ben"},
    "assistant:ask_person": {"ben"},
    "assistant:escalation": {"ben"},
    "assistant:take_stand": {"ben"},
    "assistant:extractions": SIGNED_IN,
    "assistant:extraction": {"ben"},
    "assistant:download_extraction": {"ben"},
    "assistant:stop_extraction": {"ben"},
    "assistant:delete_extraction": {"ben"},
    "assistant:replies": SIGNED_IN,
    "assistant:tokens": SIGNED_IN,
    "assistant:revoke_token": {"ben", "ada"},
    "assistant:inbox": MANAGERS,
    "assistant:inbox_item": {"olga"},
    "assistant:draft_reply": {"olga"},
    "assistant:use_draft": {"olga"},
    "assistant:suggest_class": {"olga"},
    "assistant:pass_on": {"olga"},
    "assistant:keep_document": {"olga"},
    "assistant:keep_example": {"olga"},
    "assistant:examples": MANAGERS,
    "assistant:export_examples": MANAGERS,
    "assistant:example": {"olga"},
    "assistant:remove_example": {"olga"},
    "assistant:use_feedback": {"olga"},
    "assistant:golden": {"olga"},
    "assistant:new_golden": {"olga"},
    "assistant:change_golden": {"olga"},
    "assistant:delete_golden": {"olga"},
    "assistant:import_golden": {"olga"},
    "assistant:export_golden": {"olga"},
    "assistant:run_golden": {"olga"},
    "assistant:golden_run": {"olga"},
    "assistant:stop_golden": {"olga"},
    "assistant:compare_golden": {"olga"},
    "assistant:golden_from_answer": set(),  # Ben asked, and manages nothing
    "assistant:calibration": MANAGERS,
    "assistant:change_calibration": MANAGERS,
    "assistant:models": MANAGERS,
    "assistant:reranking": MANAGERS,
    "assistant:specialists": MANAGERS,
    "assistant:specialist": {"olga"},
    "assistant:make_data_set": {"olga"},
    "assistant:data_set": {"olga"},
    "assistant:stop_data_set": {"olga"},
    "assistant:drop_found": {"olga"},
    "assistant:drop_row": {"olga"},
    "assistant:new_version": {"olga"},
    "assistant:version": {"olga"},
    "assistant:judged_answers": {"olga"},
    "assistant:stop_version": {"olga"},
    "assistant:retry_version": {"olga"},
    "assistant:promote_version": {"olga"},
    "assistant:roll_back_version": {"olga"},
    "assistant:start_trial": {"olga"},
    "assistant:stop_trial": {"olga"},
    "assistant:limits": {"ada"},
    "assistant:remove_limit": {"ada"},
    "assistant:slack": {"ada"},
    "assistant:slack_channel": {"ada"},
    "assistant:slack_channel_off": {"ada"},
    "assistant:slack_disconnect": {"ada"},
    "assistant:slack_source_new": {"ada"},
    "assistant:slack_source_compare": {"ada"},
    "assistant:slack_source_stop": {"ada"},
    "assistant:slack_source_resume": {"ada"},
    "assistant:widget_script": ANYONE,
    "assistant:widget": ANYONE,
    "assistant:widget_chat": SIGNED_IN,
    "assistant:widget_ask": SIGNED_IN,
    "assistant:widget_answer": {"ben"},
    "assistant:widget_stream": {"ben"},
    "assistant:widget_stop": {"ben"},
    "assistant:widget_feedback": {"ben"},
    "assistant:quality": {"ada"},
    "assistant:routes": {"ada"},
    "assistant:routing": {"ada"},
    "assistant:change_routing_rule": {"ada"},
    "assistant:teach_routing": {"ada"},
    "ingestion:document": {"ben", "olga"},
    "ingestion:page_image": {"ben", "olga"},
    "ingestion:download": {"ben", "olga"},
    "ingestion:corpora": MANAGERS,
    "ingestion:new_corpus": MANAGERS,
    "ingestion:corpus": MANAGERS,
    "ingestion:corpus_rows": MANAGERS,
    "ingestion:corpus_settings": MANAGERS,
    "ingestion:upload": MANAGERS,
    "ingestion:retry_failed": MANAGERS,
    "ingestion:delete_corpus": MANAGERS,
    "ingestion:retry_document": MANAGERS,
    "ingestion:delete_document": MANAGERS,
    "ingestion:document_audience": MANAGERS,
    "ingestion:document_tags": MANAGERS,
    "assistant:search_test": MANAGERS,
    "api:openapi-json": SIGNED_IN,
    "api:openapi-view": SIGNED_IN,
    "api:api-root": SIGNED_IN,  # the first page, which has the same address
}
# Slack's requests are believed for their signature, whoever is signed in: nobody is served. tests/flows/test_slack.py signs.
SERVED_SIGNED = {"assistant:slack_events", "assistant:slack_interactions", "assistant:slack_commands"}
FORMS: dict[str, dict[str, Any]] = {
    "assistant:start_trial": {"kind": "shadow", "share": "10", "most_answers": "5"},
    "assistant:ask": {"question": "Who approves a discount?"},
    "assistant:widget_ask": {"question": "Who approves a discount?"},
    "assistant:widget_feedback": {"verdict": "helpful"},
    "assistant:rename_conversation": {"title": "Renamed"},
    "assistant:share_conversation": {"shared": "1"},
    "assistant:feedback": {"verdict": "not_helpful", "reason": "incomplete"},
    "assistant:take_stand": {"helpful": "1"},
    "assistant:change_routing_rule": {"up": "1"},
    "assistant:slack_channel": {"channel": "C1", "least_sure": "75"},
    "assistant:teach_routing": {"q": "Who approves a discount?", "intent": "fact"},
    "ingestion:document_audience": {"audience": "everyone"},
    "ingestion:document_tags": {"tags": "discounts, sales"},
}


class World:
    def __init__(self, people: People) -> None:
        self.people = people
        _, self.sales = make_corpora(people)
        self.document = add_text(self.sales, "discounts.md", DISCOUNTS)
        self.pdf = self._add_pdf()
        self.answer = self._ask()
        self.token = share_conversation(conversation=self.answer.conversation)
        draft = Draft("Who approves a discount?", must_contain=(("sales director",),), document_name="discounts.md")
        self.golden = add_question(corpus=self.sales, draft=draft, created_by=people.olga)
        self.run = queue_run(corpus=self.sales, asked_as=people.olga, started_by=people.olga)
        self.feedback = record_feedback(answer=self.answer, user=people.ben, verdict="not_helpful", reason="incomplete")
        self.escalation = escalate(answer=self.answer, asker=people.ben, reason="asked")
        reply(escalation=self.escalation, author=people.olga, text="The DISCOUNT is hers to approve.", known_version=0)
        self.example = make_from_escalation(escalation=self.escalation, curator=people.olga)
        self.api_token = create_token(user=people.ben, name="Editor", scopes=["ask"], days=7)[0]
        self.limit = set_limit(subject="everyone", questions=1000, tokens=None, cost=None)
        self.channel = SlackChannel.objects.create(channel="CALL", name="all", least_sure=75)
        closed = create_corpus(name="Facilities", owner=people.ada, groups=[])
        self.source = SlackSource.objects.create(channel="CFAC", name="facilities", corpus=closed, state="closed")
        self.row = self._make_version()
        wanted = read_fields("DISCOUNT above which approval is needed")
        self.table = start_extraction(user=people.ben, documents=[self.document], fields=wanted)
        self.rule = add_rule(condition="intent", value="code", tier="human", created_by=people.ada)

    def _make_version(self) -> DataSetRow:
        """Of a specialist of Sales, with a row of its data set."""
        specialist = create_specialist(name=self.sales.slug, corpora=[self.sales], created_by=self.people.olga)
        data_set = DataSet.objects.create(specialist=specialist, number=1, state=DataSetState.READY)
        SpecialistVersion.objects.create(specialist=specialist, number=1, data_set=data_set, state=VersionState.CANDIDATE)
        return DataSetRow.objects.create(
            data_set=data_set, position=1, kind="far", split="train", origin="faq", question="Who approves a DISCOUNT?",
            document=self.document, gold_chunk=1, passage_count=0,
        )  # fmt: skip

    def _add_pdf(self) -> Document:
        content = io.BytesIO(make_pdf([paragraphs("The volume rebate is 4 percent of the yearly turnover.")]))
        added = add_document(corpus=self.sales, source_name="rebates.pdf", content=content, uploaded_by=self.people.olga)
        work_until_empty()
        assert added.document is not None
        return Document.objects.get(pk=added.document.pk)

    def _ask(self) -> Answer:
        row = create_answer(user=self.people.ben, question="Who approves a discount above 15 percent?")
        run_now(row)
        row.refresh_from_db()
        assert row.state == "answered"
        return row

    def client(self, name: str) -> Client:
        client = Client()
        if name != "anonymous":
            client.force_login(getattr(self.people, name), backend="django.contrib.auth.backends.ModelBackend")
        return client

    def form(self, route: str) -> dict[str, Any]:
        if route == "assistant:keep_document":
            return {"title": "Approvals", "text": "Ask the director.", "corpus": self.sales.pk, "audience": "everyone"}
        return FORMS.get(route, {})

    def url(self, route: str) -> str:
        conversation, answer, sales = self.answer.conversation, self.answer, self.sales
        arguments: dict[str, dict[str, Any]] = {
            "assistant:shared_conversation": {"token": self.token},
            "assistant:citation": {"answer_id": answer.pk, "number": 1},
            "ingestion:page_image": {"document_id": self.pdf.pk, "number": 1},
            "assistant:change_golden": {"slug": sales.slug, "question_id": self.golden.pk},
            "assistant:delete_golden": {"slug": sales.slug, "question_id": self.golden.pk},
            "assistant:golden_run": {"slug": sales.slug, "run_id": self.run.pk},
            "assistant:stop_golden": {"slug": sales.slug, "run_id": self.run.pk},
        }
        if route in arguments:
            return reverse(route, kwargs=arguments[route])
        for kwargs in (
            {},
            {"conversation_id": conversation.pk},
            {"answer_id": answer.pk},
            {"document_id": self.document.pk},
            {"slug": sales.slug},
            {"escalation_id": self.escalation.pk},
            {"example_id": self.example.pk},
            {"rule_id": self.rule.pk},
            {"token_id": self.api_token.pk},
            {"limit_id": self.limit.pk},
            {"feedback_id": self.feedback.pk},
            {"slug": sales.slug, "number": 1},
            {"slug": sales.slug, "number": 1, "row_id": self.row.pk},
            {"channel_id": self.channel.pk},
            {"source_id": self.source.pk},
            {"extraction_id": self.table.pk},
        ):
            try:
                return reverse(route, kwargs=kwargs)
            except NoReverseMatch:
                continue
        raise AssertionError(f"no arguments for {route}")


def test_it_declares_every_route_in_the_table_and_walks_it() -> None:
    names = set(all_route_names())
    assert names == set(ROUTES)
    assert names == set(SERVED) | set(SERVED_PROGRAMS) | SERVED_SIGNED
    assert {name for name, rule in ROUTES.items() if rule.access is Access.PROGRAM} == set(SERVED_PROGRAMS)


LAST = [
    "assistant:delete_extraction",
    "assistant:delete_golden",
    "ingestion:document_audience",
    "ingestion:delete_document",
    "assistant:delete_conversation",
    "assistant:slack_disconnect",
    "ingestion:delete_corpus",
]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_serves_each_route_to_its_people_only(people: People, settings: Any) -> None:
    """First all who are refused try everything; only then do those who are served use it, and what destroys comes last."""
    settings.WIDGET_ORIGINS = ["https://intranet.example.org"]
    settings.SLACK_BOT_TOKEN, settings.SLACK_API_URL = "xoxb-1", "http://127.0.0.1:9/api/"  # where nobody is
    world = World(people)
    routes = [*sorted(SERVED.keys() - set(LAST)), *LAST]
    for route in routes:
        for name in sorted(ANYONE - SERVED[route]):
            _check(route, name, _visit(world, route, name))
    assert Document.objects.filter(pk=world.document.pk, title=world.document.title).exists()
    for route in routes:
        served = sorted(SERVED[route])
        for name in served[:1] if route in LAST else served:
            _check(route, name, _visit(world, route, name))


def _visit(world: World, route: str, name: str) -> Any:
    """The route by its first verb; a form's POST is under the gate of its GET."""
    client = world.client(name)
    if "GET" in ROUTES[route].methods:
        return client.get(world.url(route))
    return client.post(world.url(route), world.form(route))


def _check(route: str, name: str, response: Any) -> None:
    if name in SERVED[route]:
        assert response.status_code < 400, f"{name} should be served {route}: {response.status_code}"
    elif name in ("anonymous", "dan") and ROUTES[route].access is Access.WIDGET:
        assert (response.status_code, response.content) == (401, b""), f"{name} got {response.status_code} from {route}"
    elif name in ("anonymous", "dan"):
        assert response.status_code == 302, f"{name} got {response.status_code} from {route}"
        assert response.headers["Location"].startswith("/sign-in/")
    else:
        assert response.status_code == 404, f"{name} got {response.status_code} from {route}"
        assert b"DISCOUNT" not in response.content.upper()


@pytest.mark.django_db(transaction=True)
def test_it_serves_nobody_without_slacks_signature(people: People, settings: Any) -> None:
    world = World(people)
    for token, status in (("", 404), ("xoxb-1", 401)):
        settings.SLACK_BOT_TOKEN, settings.SLACK_SIGNING_SECRET = token, "a-signing-secret"
        for route in SERVED_SIGNED:
            for name in ANYONE:
                response = world.client(name).post(reverse(route), {"command": "/ask", "text": "Who approves a discount?"})
                assert response.status_code == status, f"{name} got {response.status_code} from {route}"
                assert response.content == b"" or b"DISCOUNT" not in response.content.upper()


@pytest.mark.django_db
def test_it_answers_an_undeclared_verb_with_405(people: People, settings: Any) -> None:
    settings.WIDGET_ORIGINS = ["https://intranet.example.org"]
    client = Client()
    client.force_login(people.ada, backend="django.contrib.auth.backends.ModelBackend")
    for route, rule in ROUTES.items():
        if rule.access in (Access.PUBLIC, Access.PROGRAM):
            continue
        try:
            url = reverse(route)
        except NoReverseMatch:
            continue
        assert client.put(url).status_code == 405, route
        assert client.delete(url).status_code == 405, route


@pytest.mark.django_db
def test_it_forgets_a_deactivated_person_at_the_next_request(people: People) -> None:
    client = Client()
    client.force_login(people.ben, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/").status_code == 200
    people.ben.is_active = False
    people.ben.save()
    assert client.get("/").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_it_shows_another_the_shared_conversation_without_what_they_may_not_read(people: People) -> None:
    world = World(people)
    page = world.client("cy").get(world.url("assistant:shared_conversation")).content.decode()
    assert "regional sales director" not in page
    assert "This answer is hidden from you" in page
    assert "regional sales director" in world.client("ben").get(world.url("assistant:shared_conversation")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_it_hides_old_answers_from_someone_who_left_the_group(people: People) -> None:
    world = World(people)
    people.ben.groups.clear()
    client = world.client("ben")
    assert "regional sales director" not in client.get(world.url("assistant:conversation")).content.decode()
    assert "regional sales director" not in client.get(world.url("assistant:citation")).content.decode()
    assert "regional sales director" not in client.get(world.url("assistant:export_conversation")).content.decode()
