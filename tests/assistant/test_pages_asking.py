"""Asking through the pages: the first page, the question, and what refuses it."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from assistant.answering import answer
from assistant.models import Answer, AnswerState, Conversation
from assistant.permissions import searchable_partitions
from assistant.services import PERSONAL_TITLE, create_answer
from ingestion.services import delete_corpus
from retrieval.errors import RetrievalError
from tests.assistant.pages import HTMX, client_of, text_of
from tests.assistant.rows import make_answer, make_answered, make_document
from tests.people import People, make_corpora

LEAVE = "Full-time employees receive 27 days of leave."


def test_it_tells_a_person_without_documents_whom_to_ask(people: People) -> None:
    page = text_of(client_of(people.ben), reverse("assistant:home"))
    assert "You have no documents yet." in page
    assert "Ask an administrator" in page
    assert 'name="question"' not in page
    assert "Upload documents" in text_of(client_of(people.ada), reverse("assistant:home"))


def test_it_offers_only_the_corpora_that_the_person_may_read(people: People) -> None:
    handbook, sales = make_corpora(people)
    make_document(handbook, "Leave", [LEAVE])
    assert sales.name in text_of(client_of(people.ben), reverse("assistant:home"))
    page = text_of(client_of(people.cy), reverse("assistant:home"))
    assert handbook.name in page
    assert sales.name not in page


def test_it_chooses_the_corpus_of_the_address_beforehand(people: People) -> None:
    handbook, sales = make_corpora(people)
    make_document(handbook, "Leave", [LEAVE])
    home = reverse("assistant:home")
    assert f'value="{sales.pk}" checked' in text_of(client_of(people.ben), f"{home}?corpus={sales.slug}")
    assert "checked" not in text_of(client_of(people.cy), f"{home}?corpus={sales.slug}")


def test_it_answers_a_first_question_with_its_conversation(people: People) -> None:
    handbook, _ = make_corpora(people)
    response = client_of(people.ben).post(reverse("assistant:ask"), {"question": "How many days?", "corpora": [handbook.pk]})
    row = Answer.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('assistant:conversation', args=[row.conversation_id])}#turn-{row.pk}"
    assert row.conversation.user == people.ben
    assert list(row.conversation.corpora.all()) == [handbook]


def test_it_searches_nothing_else_when_the_chosen_corpus_is_deleted(people: People) -> None:
    handbook, sales = make_corpora(people)
    make_document(handbook, "Leave", [LEAVE])
    make_document(sales, "Rebates", ["Rebates are paid in February."])
    client_of(people.ben).post(reverse("assistant:ask"), {"question": "What is the rebate?", "corpora": [sales.pk]})
    conversation = Conversation.objects.get()
    assert {partition.corpus for partition in searchable_partitions(conversation)} == {sales}
    delete_corpus(corpus=sales)
    assert not searchable_partitions(conversation).exists()
    make_answer(people.ben, "And in Spain?", conversation=conversation, state=AnswerState.ABSTAINED)
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[conversation.pk]))
    assert "The corpora that this conversation searches are gone." in page
    assert "All corpora you may read" not in page


def test_it_offers_the_search_instead_of_the_same_way_again_after_a_question_for_a_person(people: People) -> None:
    row = make_answer(
        people.ben, "My manager shouts at me.", state=AnswerState.ABSTAINED, route="human", refusal={"route": "Sure."}
    )
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "Ask again" not in page
    assert page.count('name="anyway" value="1"') == 2
    assert "Nothing searched" in page


def test_it_names_help_at_once_to_someone_in_distress_and_to_no_other(people: People, settings: Any) -> None:
    settings.HELP_IN_DISTRESS = "Call Nora, extension 12."
    pages = []
    for is_crisis in (True, False):
        refusal = {"route": "Sure.", "is_crisis": is_crisis}
        row = make_answer(people.ben, "I cannot go on.", state=AnswerState.ABSTAINED, route="human", refusal=refusal)
        pages.append(text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id])))
    assert ["Call Nora" in page for page in pages] == [True, False]

    searched = make_answer(
        people.ben, "I cannot go on.", state=AnswerState.ANSWERED, refusal={"route": "Sure.", "is_crisis": True}
    )
    assert "Call Nora" in text_of(client_of(people.ben), reverse("assistant:conversation", args=[searched.conversation_id]))


def test_it_names_help_when_the_answer_fails(people: People, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HELP_IN_DISTRESS = "Call Nora, extension 12."
    row = create_answer(user=people.ben, question="I want to kill myself")
    monkeypatch.setattr("assistant.answering._route", fail)
    list(answer(row))
    row.refresh_from_db()
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert row.state == AnswerState.FAILED
    assert "Call Nora" in page


def fail(*_: object) -> None:
    raise RetrievalError("not_prepared", "The models are not prepared.")


def test_it_keeps_the_words_of_someone_in_distress_out_of_the_list_of_conversations(people: People) -> None:
    row = create_answer(user=people.ben, question="I do not want to live any more")
    assert row.conversation.title == PERSONAL_TITLE
    assert create_answer(user=people.ben, question="How many days?").conversation.title == "How many days?"


def test_it_answers_a_further_question_with_its_turn(people: People) -> None:
    first = make_answer(people.ben, "How many days?", state=AnswerState.ABSTAINED)
    form = {"question": "and contractors?", "conversation": first.conversation_id}
    response = client_of(people.ben).post(reverse("assistant:ask"), form, headers=HTMX)
    row = Answer.objects.get(question="and contractors?")
    page = response.content.decode()
    assert page.strip().startswith(f'<section class="turn" id="turn-{row.pk}">')
    assert f'sse-connect="{reverse("assistant:stream", args=[row.pk])}"' in page
    assert row.conversation == first.conversation


@pytest.mark.parametrize("number", ["x", "-1", "1" * 30, "²"])
def test_it_has_no_page_for_a_conversation_that_is_no_number(people: People, number: str) -> None:
    response = client_of(people.ben).post(reverse("assistant:ask"), {"question": "How many?", "conversation": number})
    assert response.status_code == 404


def test_it_takes_no_question_for_the_conversation_of_another(people: People) -> None:
    row = make_answer(people.ben, "How many days?")
    for stranger in (people.cy, people.ada):
        form = {"question": "And why?", "conversation": row.conversation_id}
        assert client_of(stranger).post(reverse("assistant:ask"), form).status_code == 404
    assert Answer.objects.count() == 1


def test_it_offers_a_new_conversation_for_a_question_to_a_deleted_one(people: People) -> None:
    handbook, _ = make_corpora(people)
    make_document(handbook, "Leave", [LEAVE])
    row = make_answer(people.ben, "How many days?")
    form = {"question": "And <why>?", "conversation": row.conversation_id}
    row.conversation.delete()

    response = client_of(people.ben).post(reverse("assistant:ask"), form, headers=HTMX)

    composer = response.content.decode()
    assert (response.status_code, response["HX-Retarget"], response["HX-Reswap"]) == (404, "#composer", "outerHTML")
    assert "This conversation was deleted." in composer
    assert ">And &lt;why&gt;?</textarea>" in composer
    assert 'name="conversation"' not in composer
    assert "hx-post" not in composer
    page = client_of(people.ben).post(reverse("assistant:ask"), form)
    assert page.status_code == 404
    assert "This conversation was deleted." in page.content.decode()
    assert ">And &lt;why&gt;?</textarea>" in page.content.decode()
    assert not Answer.objects.exists()


def test_it_refuses_a_corpus_that_the_person_may_not_read_instead_of_searching_all(people: People) -> None:
    handbook, sales = make_corpora(people)
    make_document(handbook, "Leave", [LEAVE])
    form = {"question": "What is the rebate?", "corpora": [sales.pk]}
    response = client_of(people.cy).post(reverse("assistant:ask"), form)
    assert response.status_code == 422
    assert "Reload the page and choose again." in response.content.decode()
    assert not Answer.objects.exists()


def test_it_keeps_a_refused_question_in_the_composer(people: People) -> None:
    handbook, _ = make_corpora(people)
    make_document(handbook, "Leave", [LEAVE])
    long = "day " * 600
    response = client_of(people.ben).post(reverse("assistant:ask"), {"question": long})
    assert response.status_code == 422
    page = response.content.decode()
    assert f">{long}</textarea>" in page
    assert "2,000 are allowed" in page
    assert not Conversation.objects.exists()


NO_WORDS = "There are no words in this question: ask it in words."


@pytest.mark.parametrize(("typed", "said"), [("🙂🙃🤷", NO_WORDS), ("?!", NO_WORDS), (" ", "Type a question first.")])
def test_it_puts_a_refusal_beside_the_composer(people: People, typed: str, said: str) -> None:
    row = make_answer(people.ben, "How many days?")
    form = {"question": typed, "conversation": row.conversation_id}
    response = client_of(people.ben).post(reverse("assistant:ask"), form, headers=HTMX)
    assert response.status_code == 422
    assert response["HX-Retarget"] == "#composer-message"
    assert response.content.decode() == said


def test_it_shows_an_answer_in_each_state(people: People) -> None:
    handbook, _ = make_corpora(people)
    document = make_document(handbook, "Leave", [LEAVE])
    row = make_answered(people.ben, "How many days?", [(document, LEAVE)])
    outcomes = {AnswerState.FAILED: "The index is away. Ask again.", AnswerState.STOPPED: "", AnswerState.ABSTAINED: ""}
    for state, message in outcomes.items():
        fields = {"state": state, "error_message": message, "corpora_searched": 1}
        make_answer(people.ben, "Why?", conversation=row.conversation, **fields)
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "1 of 1 sentence supported" in page
    assert "Searched 2 corpora" in page
    assert "12 passages" in page
    assert "quoted by the sentence composer" in page
    assert "The index is away. Ask again." in page
    assert "You stopped this answer before it was finished." in page
    assert "No answer was found in the documents you may read." in page
    assert page.count("Try again") == 2


def test_it_escapes_what_people_and_documents_say(people: People) -> None:
    hostile = "<img src=x onerror=alert(1)> \"' {{ 7 }} </p><script>alert(2)</script>"
    handbook, _ = make_corpora(people)
    document = make_document(handbook, hostile[:80], [hostile])
    row = make_answered(people.ben, hostile, [(document, hostile)])
    make_answer(people.ben, hostile, conversation=row.conversation, state=AnswerState.FAILED, error_message=hostile)
    client = client_of(people.ben)
    for url in (
        reverse("assistant:conversation", args=[row.conversation_id]),
        reverse("assistant:citation", args=[row.pk, 1]),
        reverse("assistant:search_conversations") + "?q=%3Cscript%3E",
    ):
        page = text_of(client, url)
        assert "<img src=x" not in page
        assert "<script>" not in page
        assert "&lt;img src=x" in page or "&lt;script&gt;" in page


def test_it_withholds_a_sentence_whose_document_may_no_longer_be_read(people: People) -> None:
    handbook, sales = make_corpora(people)
    leave = make_document(handbook, "Leave", [LEAVE])
    rebate = make_document(sales, "Rebates", ["Rebates are paid in February."])
    row = make_answered(people.ben, "Both?", [(leave, LEAVE), (rebate, "Rebates are paid in February.")])
    people.ben.groups.clear()
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert LEAVE in page
    assert "February" not in page
    assert "Rebates" not in page
    assert page.count("A sentence is hidden from you here, because you cannot open its source.") == 1
    assert "1 of 2 sentences supported, 1 hidden from you" in page
