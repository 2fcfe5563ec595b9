"""What a person does with an answer: open its evidence, stop it, ask again, say whether it helped."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistant.models import Answer, AnswerState, Feedback
from ingestion.models import Chunk, Document
from tests.assistant.pages import HTMX, client_of, text_of
from tests.assistant.rows import make_answer, make_answered, make_document
from tests.assistant.test_pages_asking import LEAVE
from tests.people import People, add_text, make_corpora

EXPIRY = "Unused days expire on 31 March."
GONE = "This source is no longer there for you"


@pytest.fixture
def answered(people: People) -> Answer:
    handbook, _ = make_corpora(people)
    document = make_document(handbook, "Leave policy", [LEAVE, EXPIRY])
    return make_answered(people.ben, "How many days?", [(document, LEAVE), (document, EXPIRY)])


def test_it_opens_a_citation_beside_the_answer(people: People, answered: Answer) -> None:
    url = reverse("assistant:citation", args=[answered.pk, 2])
    panel = client_of(people.ben).get(url, headers=HTMX).content.decode()
    assert "<html" not in panel
    assert "Leave policy" in panel
    assert "Evidence 2 of 2" in panel
    assert "<mark" in panel
    assert reverse("assistant:citation", args=[answered.pk, 1]) in panel


def test_it_opens_a_citation_as_a_page_with_the_conversation(people: People, answered: Answer) -> None:
    page = text_of(client_of(people.ben), reverse("assistant:citation", args=[answered.pk, 1]))
    assert "<html" in page
    assert 'id="composer"' in page
    assert "Evidence 1 of 2" in page
    assert 'class="cite on"' in page


def test_it_keeps_a_source_from_strangers(people: People, answered: Answer) -> None:
    url = reverse("assistant:citation", args=[answered.pk, 1])
    for stranger in (people.cy, people.ada):
        for headers in ({}, HTMX):
            response = client_of(stranger).get(url, headers=headers)
            assert response.status_code == 404
            assert LEAVE not in response.content.decode() and GONE not in response.content.decode()


def test_it_has_no_source_of_an_unknown_number(people: People, answered: Answer) -> None:
    assert client_of(people.ben).get(reverse("assistant:citation", args=[answered.pk, 9])).status_code == 404


def test_it_says_the_same_of_a_closed_source_and_a_deleted_one_within_the_conversation(people: People) -> None:
    _, sales = make_corpora(people)
    document = make_document(sales, "Rebates", ["Rebates are paid in February."])
    row = make_answered(people.ben, "When?", [(document, "Rebates are paid in February.")])
    url = reverse("assistant:citation", args=[row.pk, 1])
    client = client_of(people.ben)
    assert "paid in February" in text_of(client, url)
    said = []
    for take_away in (people.ben.groups.clear, document.delete):
        take_away()
        page, panel = text_of(client, url), client.get(url, headers=HTMX).content.decode()
        for shown in (page, panel):
            assert GONE in shown
            assert "paid in February" not in shown and "Rebates" not in shown
        assert "When?" in page and 'id="composer"' in page
        assert "<html" not in panel
        said.append(panel)
    assert said[0] == said[1]


@pytest.mark.parametrize("name", ["answer", "stop", "retry", "feedback"])
def test_it_keeps_strangers_from_an_answer(people: People, answered: Answer, name: str) -> None:
    url = reverse(f"assistant:{name}", args=[answered.pk])
    for stranger in (people.cy, people.ada):
        client = client_of(stranger)
        response = client.get(url) if name == "answer" else client.post(url, {"verdict": "helpful"})
        assert response.status_code == 404
    assert not Feedback.objects.exists()


def test_it_gives_the_fragment_that_a_broken_stream_falls_back_to(people: People) -> None:
    row = make_answer(people.ben, "How many days?")
    client = client_of(people.ben)
    url = reverse("assistant:answer", args=[row.pk])
    assert "sse-connect" in client.get(url, headers=HTMX).content.decode()
    Answer.objects.update(state=AnswerState.ABSTAINED, corpora_searched=1)
    fragment = client.get(url, headers=HTMX).content.decode()
    assert "sse-connect" not in fragment
    assert "No answer was found" in fragment
    assert client.get(url).status_code == 302


def test_it_stops_an_answer(people: People) -> None:
    row = make_answer(people.ben, "How many days?", state=AnswerState.ANSWERING)
    response = client_of(people.ben).post(reverse("assistant:stop", args=[row.pk]), headers=HTMX)
    row.refresh_from_db()
    assert row.state == AnswerState.STOPPED
    assert "You stopped this answer" in response.content.decode()


def test_it_asks_again_at_the_end_of_the_conversation(people: People) -> None:
    row = make_answer(people.ben, "and contractors?", standalone_question="What of contractors?", state=AnswerState.FAILED)
    client = client_of(people.ben)
    turn = client.post(reverse("assistant:retry", args=[row.pk]), headers=HTMX).content.decode()
    again = Answer.objects.exclude(pk=row.pk).get()
    assert f'id="turn-{again.pk}"' in turn
    assert (again.conversation_id, again.standalone_question) == (row.conversation_id, "What of contractors?")
    assert client.post(reverse("assistant:retry", args=[row.pk])).status_code == 302


def test_it_says_why_it_cannot_ask_again_now(people: People) -> None:
    rows = [make_answer(people.ben, "How many days?") for _ in range(5)]
    client = client_of(people.ben)
    url = reverse("assistant:retry", args=[rows[0].pk])
    response = client.post(url, headers=HTMX)
    assert response.status_code == 422
    assert response["HX-Retarget"] == "#composer-message"
    assert "Wait for one of them." in client.post(url).content.decode()


def test_it_asks_for_a_reason_when_an_answer_did_not_help(people: People, answered: Answer) -> None:
    client = client_of(people.ben)
    url = reverse("assistant:feedback", args=[answered.pk])
    form = client.post(url, {"verdict": "not_helpful"}, headers=HTMX).content.decode()
    assert "What is wrong with it?" in form
    assert "The source is outdated" in form
    assert "With a reason or a text, your question and what you send here are shown" in form
    assert "With neither, nothing is shown." in form
    reason = {"verdict": "not_helpful", "reason": "outdated", "comment": " 2023! ", "explained": "1"}
    thanks = client.post(url, reason, headers=HTMX).content.decode()
    assert "What is wrong with it?" not in thanks
    assert "Thank you." in thanks
    opinion = Feedback.objects.get()
    assert (opinion.reason, opinion.comment, opinion.user) == ("outdated", "2023!", people.ben)


def test_it_shows_the_verdict_on_the_page_afterwards(people: People, answered: Answer) -> None:
    client = client_of(people.ben)
    response = client.post(reverse("assistant:feedback", args=[answered.pk]), {"verdict": "helpful"})
    assert response.status_code == 302
    page = text_of(client, response["Location"])
    assert 'aria-label="Helpful" aria-pressed="true"' in page
    assert 'aria-label="Not helpful" aria-pressed="false"' in page


@pytest.mark.parametrize("form", [{}, {"verdict": "great"}, {"verdict": "helpful", "reason": "drop table"}])
def test_it_refuses_feedback_that_is_not_on_the_list(
    people: People, answered: Answer, form: dict[str, str]
) -> None:  # fmt: skip
    response = client_of(people.ben).post(reverse("assistant:feedback", args=[answered.pk]), form)
    assert response.status_code == 400
    assert not Feedback.objects.exists()


def make_chunk(document: Document, words: str) -> Chunk:
    """Its first sentence has 26 characters."""
    start = document.content.text.index(words)
    return Chunk.objects.create(
        document=document,
        revision=1,
        position=0,
        start=start,
        end=start + len(words),
        text=words,
        sentences=[[start, start + 26]],
    )


def test_it_shows_the_words_that_came_nearest_when_it_refuses(people: People) -> None:
    handbook, sales = make_corpora(people)
    leave = make_document(handbook, "Leave", ["Leave is planned by March.", "Employees receive 27 days."])
    rebates = make_document(sales, "Rebates", ["Rebates are paid in February."])
    both = "Leave is planned by March.\n\nEmployees receive 27 days."
    chunks = [make_chunk(rebates, "Rebates are paid in February."), make_chunk(leave, both)]
    passages = [{"passage": chunk.pk, "score": 0.5} for chunk in chunks]
    nearest = {"passage": chunks[1].pk, "start": 28, "end": 54}
    other = {"passage": chunks[1].pk, "start": 0, "end": 26}
    hidden = {"passage": chunks[0].pk, "start": 0, "end": 29}
    row = make_answer(
        people.ben, "How many days?", state="abstained", corpora_searched=2, passages=passages, refusal={"offered": [nearest]}
    )  # fmt: skip
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert page.index("Employees receive 27 days.") < page.index("Rebates are paid")
    assert "Leave is planned by March." not in page
    assert "No answer was found" in page
    row.refusal = {"offered": [nearest], "probability": 0.6}
    row.save()
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "No answer is sure enough to give." in page
    assert "This may be it" in page
    row.refusal = {"nearest": nearest, "probability": 0.6}  # as it was kept earlier
    row.save()
    assert "This may be it" in text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    row.refusal = {"offered": [nearest, hidden, other], "probability": 0.6}
    row.save()
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "One of these may be it" in page
    assert page.index("Employees receive 27 days.") < page.index("Rebates are paid") < page.index("Leave is planned")
    row.refusal = {"offered": [hidden, nearest], "probability": 0.6}
    row.conversation.user = people.cy  # who may not read the Sales corpus
    row.conversation.save()
    row.save()
    page = text_of(client_of(people.cy), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "Rebates" not in page
    assert "may be it" not in page


def test_it_exports_the_words_that_came_nearest_through_the_gate_of_the_screen(people: People) -> None:
    handbook, sales = make_corpora(people)
    leave = make_document(handbook, "Leave", ["Leave is planned by March.", "Employees receive 27 days."])
    rebates = make_document(sales, "Rebates", ["Rebates are paid in February."])
    both = "Leave is planned by March.\n\nEmployees receive 27 days."
    chunks = [
        make_chunk(rebates, "Rebates are paid in February."),
        make_chunk(leave, both),
    ]
    nearest = {"passage": chunks[1].pk, "start": 28, "end": 54}
    hidden = {"passage": chunks[0].pk, "start": 0, "end": 29}
    passages = [{"passage": chunk.pk, "score": 0.5} for chunk in chunks]
    row = make_answer(
        people.ben, "How many days?", state="abstained", corpora_searched=2, passages=passages,
        refusal={"offered": [nearest, hidden], "probability": 0.6},
    )  # fmt: skip
    url = reverse("assistant:export_conversation", args=[row.conversation_id])
    text = text_of(client_of(people.ben), url)
    assert "No answer was sure enough.\n\nOne of these may be it. Read it where it stands before you rely on it.\n\n" in text
    assert "- Leave: “Employees receive 27 days.”\n- Rebates: “Rebates are paid in February.”\n" in text
    people.ben.groups.clear()
    text = text_of(client_of(people.ben), url)
    assert "This may be it." in text and "- Leave: “Employees receive 27 days.”" in text and "Rebates" not in text
    row.refusal = {"offered": [nearest]}
    row.save()
    text = text_of(client_of(people.ben), url)
    assert "may be it" not in text
    assert "No answer was found in the documents you may read.\n\nClosest: Leave: “Employees receive 27 days.”" in text
    row.refusal, row.passages = {"offered": [hidden], "probability": 0.6}, passages[:1]
    row.save()
    text = text_of(client_of(people.ben), url)
    assert "Rebates" not in text and "may be it" not in text and "Closest" not in text


POLICY = """# Leave

The rules of Brackwell for time off.

## Leave policy 2026 in short

Employees receive 27 days.

## Annual leave

Employees plan their leave in January.

## Found something?

Write to the owner of this page.

## May I carry days over?

Up to five days.

## Illness during leave

Days of illness are given back.
"""


@pytest.mark.django_db(transaction=True)
def test_it_offers_further_questions_about_sections_that_ask_or_name_something(people: People) -> None:
    handbook, _ = make_corpora(people)
    document = add_text(handbook, "leave.md", POLICY)
    row = make_answered(people.ben, "How many days?", [(document, "Employees plan their leave in January.")])
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert 'value="May I carry days over?"' in page
    assert "“Illness during leave”?" in page
    assert "Found something?" not in page
