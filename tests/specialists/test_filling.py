"""A field that a language model fills: only with words of the document, and by sentences where it knows no forms."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from specialists.composition.types import Evidence
from specialists.filling import RULES, fill
from specialists.finetuning.asking import ask_about
from specialists.finetuning.pairs import Section
from specialists.language_models.openai_server import OpenAIServer
from specialists.prompting import SYSTEM
from specialists.relaying import drained
from specialists.writing import Draft
from tests.model_server import ModelServer, Reply, Request, model_server

LAW = "This agreement is governed by the laws of Denmark. Disputes go to the court\nof Aarhus."
TERM = "The term is two years. Either party may end it with 60 days' notice."
EVIDENCE = [
    Evidence(20, "Hosting > Law", LAW, ((0, 50), (51, len(LAW)))),
    Evidence(10, "Hosting > Term", TERM, ((0, 22), (23, len(TERM)))),
]


def filled(answer: Callable[[Request], Reply]) -> tuple[Draft, ModelServer]:
    with model_server(answer) as server:
        client = OpenAIServer(url=server.url, model="house-7b")
        return drained(fill(client, "What is the notice period?", EVIDENCE, None)), server


def says(quote: str, value: str) -> Callable[[Request], Reply]:
    return lambda _: Reply((json.dumps({"quote": quote, "value": value}),))


def test_it_takes_the_words_and_the_whole_sentence_around_what_was_copied() -> None:
    draft, server = filled(says("may end it with 60 days' notice", "60 days'"))

    (quote,), (sentence,) = draft.quotes, draft.sentences
    assert (quote.passage, quote.text) == (10, "Either party may end it with 60 days' notice.")
    assert TERM[quote.start : quote.end] == quote.text == sentence.text
    assert [sentence.text[start:end] for start, end in sentence.marks] == ["60 days'"]
    assert (draft.support, draft.end.tokens_in) == (1.0, 120)
    (asked,) = server.requests
    assert asked["messages"][0]["content"] == RULES
    assert "What is the notice period?" in asked["messages"][1]["content"]


def test_only_blanks_and_the_shape_of_marks_may_differ() -> None:
    draft, _ = filled(says("Disputes go to the court of Aarhus.", "court of Aarhus"))
    assert draft.quotes[0].text == "Disputes go to the court\nof Aarhus."

    draft, _ = filled(says("Either party may end it with 60 days’ notice.", "60 days’"))
    assert draft.quotes[0].text == "Either party may end it with 60 days' notice."


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        ("Either party may end it with 90 days' notice.", "90 days'"),  # stands nowhere
        ("Either party may end it with 60 days' notice.", "90 days'"),
        ("Either party may end it with 60 days' notice.", "two years"),  # stands in another sentence
        ("the laws of Den", "Den"),  # no whole words
        (LAW * 3, LAW * 3),
    ],
)
def test_what_stands_nowhere_word_for_word_is_left_out(quote: str, value: str) -> None:
    draft, _ = filled(says(quote, value))
    assert (draft.support, draft.left_out, draft.quotes, draft.sentences) == (0.0, 1, [], [])


@pytest.mark.parametrize(("quote", "value"), [("", ""), (TERM, " "), (" ", "60 days")])
def test_what_is_empty_is_a_refusal(quote: str, value: str) -> None:
    draft, _ = filled(says(quote, value))
    assert (draft.is_declined, draft.support, draft.left_out) == (True, 0.0, 0)


@pytest.mark.parametrize(
    "to_form", [Reply(status=400, raw=b"{}"), Reply(("I think it is 60 days.",)), Reply(('{"quote": 60, "value": []}',))]
)
def test_a_model_that_knows_no_forms_writes_sentences(to_form: Reply) -> None:
    def answer(request: Request) -> Reply:
        return to_form if "response_format" in request else Reply(("Either party may end it with 60 days' notice [1].",))

    draft, server = filled(answer)

    assert [sentence.text for sentence in draft.sentences] == ["Either party may end it with 60 days' notice."]
    assert not draft.sentences[0].is_quoted
    assert [request["messages"][0]["content"] for request in server.requests] == [RULES, SYSTEM]


@pytest.mark.parametrize("is_able", [True, False])
def test_it_writes_a_question_about_a_passage_in_a_form_or_in_lines(is_able: bool) -> None:
    section = Section(1, 2, "Hosting", "Hosting > Term", ("Term",), TERM, EVIDENCE[1].sentences)

    def answer(request: Request) -> Reply:
        if "response_format" not in request:
            return Reply(("Question: How long is the term?\nAnswer: two years",))
        written = json.dumps({"question": "How long is the term?", "answer": "two years"})
        return Reply((written,)) if is_able else Reply(status=400, raw=b"{}")

    with model_server(answer) as server:
        pair = ask_about(OpenAIServer(url=server.url, model="house-7b"), section)

    assert pair is not None
    assert (pair.question, pair.answer) == ("How long is the term?", "The term is two years.")
    assert len(server.requests) == (1 if is_able else 2)
