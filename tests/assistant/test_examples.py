"""Training examples: made of replies and of feedback, reviewed word for word, exported as a trainer reads them."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from assistant.escalations import examples
from assistant.escalations.examples import make_from_feedback
from assistant.escalations.models import Escalation
from assistant.models import Answer, Conversation, Feedback
from assistant.services import record_feedback
from ingestion.models import Chunk, Corpus
from ingestion.services import delete_document
from specialists.models import TrainingExample
from specialists.reader.rows import load_rows
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answered
from tests.assistant.test_escalations import LEAVE, REBATE, World
from tests.people import People

REPLY = "Fredonia is paid on 3 March. Ask me about others."


@pytest.fixture
def world(people: People) -> World:
    return World(people)


@pytest.fixture
def replied(world: World) -> Escalation:
    escalation = world.send()
    world.reply(escalation, REPLY)
    return escalation


def make_example(world: World, escalation: Escalation) -> TrainingExample:
    client_of(world.people.olga).post(reverse("assistant:keep_example", args=[escalation.pk]))
    return TrainingExample.objects.get()


def review(world: World, example: TrainingExample, **changes: str) -> tuple[int, str]:
    data = {"question": example.question, "passage": example.passage, "answer": "3 March", "label": "answerable", **changes}
    url = reverse("assistant:example", args=[example.pk])
    response = client_of(world.people.olga).post(url, data, follow=True)
    return response.status_code, response.content.decode()


def export(tmp_path: Path, *corpora: str) -> Path:
    file = tmp_path / "examples.json"
    arguments = [argument for name in corpora for argument in ("--corpus", name)]
    call_command("export_examples", *arguments, "--output", str(file), stdout=StringIO())
    return file


def give_feedback(world: World, verdict: str, **fields: str) -> Feedback:
    answer = make_answered(world.people.ben, "When are rebates paid?", [(world.rebates, REBATE)])
    answer.citations.update(passage_id=world.passages[0]["passage"])
    return record_feedback(answer=answer, user=world.people.ben, verdict=verdict, **fields)


def test_it_offers_feedback_that_much_newer_feedback_on_others_documents_stands_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(examples, "FEEDBACK_SHOWN", 2)
    monkeypatch.setattr(examples, "BATCH", 2)
    own = [give_feedback(world, "not_helpful", reason="incomplete") for _ in range(3)]
    for _ in range(5):
        answer = make_answered(world.people.ben, "How many days?", [(world.leave, LEAVE)])
        answer.citations.update(passage_id=world.passages[1]["passage"])
        record_feedback(answer=answer, user=world.people.ben, verdict="not_helpful", reason="wrong")
    offered = [item.id for item in examples.feedback_to_use(world.people.olga)]
    assert offered == [own[2].pk, own[1].pk], "the newest of what Olga may use, as many as are shown"
    examples.make_from_feedback(feedback=own[2], curator=world.people.olga)
    assert [item.id for item in examples.feedback_to_use(world.people.olga)] == [own[1].pk, own[0].pk]


@pytest.mark.parametrize("is_refused", [False, True])
def test_it_shows_a_report_on_no_page_to_who_may_not_read_its_documents(world: World, is_refused: bool) -> None:
    """Ada administers and may read the Handbook alone; the answer has its leave and the Sales corpus's rebates."""
    quotes = [(world.leave, LEAVE), (world.rebates, REBATE)]
    answer = make_answered(world.people.ben, "When are rebates paid?", [] if is_refused else quotes)
    Answer.objects.filter(pk=answer.pk).update(passages=world.passages, state="abstained" if is_refused else "answered")
    said = {"verdict": "not_helpful", "reason": "wrong", "comment": "It is May."}
    client_of(world.people.ben).post(reverse("assistant:feedback", args=[answer.pk]), said)
    ada = client_of(world.people.ada)
    pages = [reverse("assistant:quality"), reverse("assistant:examples"), reverse("assistant:golden", args=["handbook"])]
    for page in pages:
        shown = text_of(ada, page)
        assert "When are rebates paid?" not in shown
        assert "It is May." not in shown
    world.people.ada.groups.add(world.people.sales)
    assert "It is May." in text_of(ada, pages[0])
    assert "It is May." in text_of(ada, pages[1])


@pytest.mark.parametrize(
    ("said", "is_shown"),
    [({"reason": "", "comment": " \n"}, False), ({"reason": "wrong"}, True), ({"comment": "It is May."}, True)],
)
def test_it_shows_a_report_exactly_where_the_form_says_so(world: World, said: dict[str, str], is_shown: bool) -> None:
    answer = make_answered(world.people.ben, "When are rebates paid?", [(world.rebates, REBATE)])
    answer.citations.update(passage_id=world.passages[0]["passage"])
    form = {"verdict": "not_helpful", "explained": "1", **said}
    client_of(world.people.ben).post(reverse("assistant:feedback", args=[answer.pk]), form)
    world.people.ada.groups.add(world.people.sales)
    pages = {"quality": [], "golden": ["sales"], "examples": []}
    for name, where in pages.items():
        page = text_of(client_of(world.people.ada), reverse(f"assistant:{name}", args=where))
        assert ("When are rebates paid?" in page) is is_shown
        assert "ben" not in page.split("<main")[1]


def test_it_makes_an_example_of_a_reply_once(world: World, replied: Escalation) -> None:
    example = make_example(world, replied)
    assert example == make_example(world, replied)
    assert example.passage == REPLY
    assert example.answer == "Fredonia is paid on 3 March."
    assert not example.is_reviewed
    assert "To review" in text_of(client_of(world.people.olga), reverse("assistant:examples"))


def test_it_makes_none_before_there_is_a_reply(world: World) -> None:
    client_of(world.people.olga).post(reverse("assistant:keep_example", args=[world.send().pk]))
    assert not TrainingExample.objects.exists()


def test_it_makes_none_that_no_export_would_hold(world: World, replied: Escalation) -> None:
    Escalation.objects.update(corpus=None)
    page = client_of(world.people.ada).post(reverse("assistant:keep_example", args=[replied.pk]), follow=True).content.decode()
    assert "The question belongs to no corpus" in page
    assert not TrainingExample.objects.exists()


def test_it_exports_what_was_reviewed_as_the_trainer_reads_it(world: World, replied: Escalation, tmp_path: Path) -> None:
    example = make_example(world, replied)
    with pytest.raises(CommandError, match="no reviewed example"):
        export(tmp_path, "Sales")
    assert review(world, example)[0] == 200
    (row,) = load_rows(export(tmp_path, "Sales"))
    assert row.question == "When is the rebate of Fredonia paid?"
    assert row.answers == ((REPLY.index("3 March"), "3 March"),)
    with pytest.raises(CommandError, match="no corpus named"):
        export(tmp_path, "Nowhere")
    with pytest.raises(CommandError, match="no reviewed example"):
        export(tmp_path, "Handbook")
    page = client_of(world.people.olga).get(reverse("assistant:export_examples") + "?corpus=sales")
    assert json.loads(page.content) == json.loads((tmp_path / "examples.json").read_text())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer": "4 March"}, "not in the passage"),
        ({"answer": ""}, "Copy the words"),
        ({"passage": " "}, "needs the passage"),
        ({"question": "?"}, "Type the question"),
        ({"label": "perhaps"}, "Say whether"),
    ],
)
def test_it_keeps_out_what_a_reader_cannot_learn_from(
    world: World, replied: Escalation, changes: dict[str, str], words: str
) -> None:  # fmt: skip
    example = make_example(world, replied)
    status, page = review(world, example, **changes)
    assert status == 422
    assert words in page
    example.refresh_from_db()
    assert not example.is_reviewed


def test_it_exports_a_passage_that_does_not_answer(world: World, tmp_path: Path) -> None:
    feedback = give_feedback(world, "not_helpful", reason="wrong_source")
    client_of(world.people.olga).post(reverse("assistant:use_feedback", args=[feedback.pk]), {"use": "1"})
    example = TrainingExample.objects.get()
    assert (example.label, example.passage, example.answer) == ("unanswerable", REBATE, "")
    review(world, example, label="unanswerable", answer="left over")
    (row,) = load_rows(export(tmp_path, "Sales"))
    assert row.answers == ()


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"verdict": "not_helpful", "reason": "incomplete", "comment": "in February"}, "in February"),
        ({"verdict": "not_helpful", "reason": "wrong", "comment": "in May"}, ""),
    ],
)
def test_it_makes_an_example_of_feedback(world: World, fields: dict[str, str], answer: str) -> None:
    feedback = give_feedback(world, **fields)
    page = text_of(client_of(world.people.olga), reverse("assistant:examples"))
    assert "When are rebates paid?" in page
    assert "ben" not in page.split("What people said of answers")[1].split("</ul>")[0]
    client_of(world.people.olga).post(reverse("assistant:use_feedback", args=[feedback.pk]), {"use": "1"})
    assert TrainingExample.objects.get().answer == answer


def test_it_leaves_feedback_out_for_good(world: World) -> None:
    feedback = give_feedback(world, "not_helpful", reason="incomplete")
    client = client_of(world.people.olga)
    client.post(reverse("assistant:use_feedback", args=[feedback.pk]), {"use": "0"})
    assert "When are rebates paid?" not in text_of(client, reverse("assistant:examples"))
    assert client.post(reverse("assistant:use_feedback", args=[feedback.pk])).status_code == 404
    assert TrainingExample.objects.get().passage == ""


def test_it_shows_examples_to_those_who_manage_and_read_the_corpus(world: World, replied: Escalation) -> None:
    """Ada administers; she sees no text of the Sales corpus, neither as an example nor as feedback."""
    example = make_example(world, replied)
    review(world, example)
    feedback = give_feedback(world, "not_helpful", reason="incomplete")
    ada = client_of(world.people.ada)
    page = text_of(ada, reverse("assistant:examples"))
    assert "Fredonia" not in page
    assert REBATE not in page
    text_of(ada, reverse("assistant:example", args=[example.pk]), 404)
    assert ada.post(reverse("assistant:remove_example", args=[example.pk])).status_code == 404
    assert ada.post(reverse("assistant:use_feedback", args=[feedback.pk])).status_code == 404
    assert "3 March" not in ada.get(reverse("assistant:export_examples") + "?corpus=sales", follow=True).content.decode()
    Corpus.objects.filter(pk=world.sales.pk).update(owner=world.people.ada)
    text_of(ada, reverse("assistant:example", args=[example.pk]))


def test_it_forgets_an_example_with_its_document(world: World, tmp_path: Path) -> None:
    feedback = give_feedback(world, "not_helpful", reason="incomplete")
    client_of(world.people.olga).post(reverse("assistant:use_feedback", args=[feedback.pk]), {"use": "1"})
    example = TrainingExample.objects.get()
    review(world, example, answer="February")
    assert load_rows(export(tmp_path, "Sales"))
    Chunk.objects.all().delete()
    delete_document(document=world.rebates)
    text_of(client_of(world.people.olga), reverse("assistant:example", args=[example.pk]), 404)
    with pytest.raises(CommandError, match="no reviewed example"):
        export(tmp_path, "Sales")
    assert not TrainingExample.objects.exists()


def test_it_shows_a_reported_question_as_it_was_typed(world: World) -> None:
    answer = make_answered(world.people.ben, "and for contractors?", [(world.rebates, REBATE)])
    type(answer).objects.filter(pk=answer.pk).update(standalone_question="Leave after a miscarriage, and for contractors?")
    answer.refresh_from_db()
    feedback = record_feedback(answer=answer, user=world.people.ben, verdict="not_helpful", reason="wrong")
    page = text_of(client_of(world.people.olga), reverse("assistant:examples"))
    assert "and for contractors?" in page
    assert "miscarriage" not in page
    assert make_from_feedback(feedback=feedback, curator=world.people.olga).question == "and for contractors?"


def test_it_shows_no_question_of_those_who_gave_only_a_thumb(world: World) -> None:
    feedback = give_feedback(world, "helpful")
    client = client_of(world.people.olga)
    assert "When are rebates paid?" not in text_of(client, reverse("assistant:examples"))
    assert client.post(reverse("assistant:use_feedback", args=[feedback.pk])).status_code == 404


def test_it_offers_no_feedback_on_internal_questions(world: World) -> None:
    feedback = give_feedback(world, "not_helpful", reason="incomplete")
    Conversation.objects.filter(pk=feedback.answer.conversation_id).update(is_internal=True)
    assert "When are rebates paid?" not in text_of(client_of(world.people.olga), reverse("assistant:examples"))
