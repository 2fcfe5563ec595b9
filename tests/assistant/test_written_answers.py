"""What may happen while a language model writes: a document goes, access is lost, the asker stops it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.urls import reverse

from assistant import answering, streams
from assistant.answering import answer
from assistant.cascading import run_cascade
from assistant.events import AnswerEvent, Finished, Sentence
from assistant.ledger.models import TierUse
from assistant.models import Answer, AnswerState
from assistant.services import create_answer, stop_answer
from assistant.tiers import TIERS, Attempt, Question, Trying
from ingestion.models import Chunk, Document
from ingestion.services import delete_document
from retrieval.passages import Hit
from retrieval.search import SearchResult
from specialists import language_models
from specialists.composition.types import Composition
from specialists.errors import SpecialistError
from specialists.language_models.openai_server import OpenAIServer
from specialists.language_models.types import End, Message, Piece
from specialists.models import RoutingRule
from specialists.router.types import Decision
from tests.assistant.pages import HTMX, client_of, text_of
from tests.assistant.rows import make_document
from tests.people import People, make_corpora
from tests.real_model_servers import llama_server, needs_llama, to_gguf
from tests.tiny_language_model import make_endless_model

QUESTION = "Tell me in your own words: how long is parental leave, and how is it paid?"
SALES = "Parental leave in Sales lasts 40 weeks at full pay."
FIRST = "Parental leave in Sales lasts 40 weeks at full pay."
HANDBOOK = "Parental leave lasts 18 weeks at full pay and can be taken in up to three parts."


class Scribe:
    """Writes two sentences, and between them something happens. `asked`: how many sentences it came to."""

    name, window, adapters = "scribe", 8192, ()

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences
        self.meanwhile: Callable[[], object] = lambda: None
        self.written = 0

    def generate(self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "") -> Iterator[Piece | End]:
        for number, sentence in enumerate(self.sentences):
            self.written += 1
            yield Piece(f"{sentence} ")
            if number == 0:
                self.meanwhile()
        yield End("stop", 300, 20)

    def count_tokens(self, text: str) -> int:
        return len(text) // 3

    def warm_up(self) -> None:
        return


@pytest.fixture
def scribe(monkeypatch: pytest.MonkeyPatch, settings: object) -> Scribe:
    made = Scribe(
        "Parental leave in Sales lasts 40 weeks at full pay [1].", "Parental leave lasts 18 weeks at full pay [2].", "Ask [1]."
    )
    monkeypatch.setattr(language_models, "get_language_model", lambda: made)
    settings.LANGUAGE_MODEL = {"BACKEND": "a.scribe", "OPTIONS": {}}  # type: ignore[attr-defined]
    return made


@pytest.fixture
def sales_document(people: People, monkeypatch: pytest.MonkeyPatch) -> Document:
    """Two documents that the search finds, of which Ben reads this one as one of Sales."""
    handbook, sales = make_corpora(people)
    RoutingRule.objects.create(position=1, condition="phrase", value="in your own words", tier="specialist")
    documents = [make_document(sales, "Leave in Sales", [SALES]), make_document(handbook, "Leave policy", [HANDBOOK])]
    hits = []
    for document, text in zip(documents, (SALES, HANDBOOK), strict=True):
        start = document.content.text.index(text)
        chunk = Chunk.objects.create(
            document=document, revision=1, position=0, start=start, end=start + len(text), text=text,
            heading_path=["Parental leave"], sentences=[[start, start + len(text)]],
        )  # fmt: skip
        hits.append(Hit(chunk.pk, 1.0 / chunk.pk))
    monkeypatch.setattr(answering, "_retrieve", lambda *_: SearchResult(tuple(hits)))
    monkeypatch.setattr(answering, "_choose", lambda _, found, chunks: found)
    return documents[0]


def asked_by(people: People) -> Answer:
    row = create_answer(user=people.ben, question=QUESTION)
    Answer.objects.filter(pk=row.pk).update(state=AnswerState.ANSWERING)
    list(answer(row))
    row.refresh_from_db()
    return row


@needs_llama
def test_a_real_server_that_is_killed_while_it_writes_costs_no_answer(
    people: People, sales_document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:  # fmt: skip
    settings.LANGUAGE_MODEL = {"BACKEND": "a.server", "OPTIONS": {}}
    with llama_server(to_gguf(make_endless_model(tmp_path / "endless"), tmp_path / "endless.gguf"), window=4096) as server:
        client = OpenAIServer(url=server.url, model=server.name, window=4096)
        monkeypatch.setattr(language_models, "get_language_model", lambda: client)

        def kill_once_it_writes() -> None:
            while not server.is_busy():
                pass
            server.kill()

        killer = threading.Thread(target=kill_once_it_writes)
        killer.start()
        row = asked_by(people)
        killer.join()
        server.start()
        again = asked_by(people)
        client._client.close()

    assert (row.state, row.route) == (AnswerState.ANSWERED, "reader")
    assert tries_of(row) == [("specialist", "failed"), ("reader", "answered")]
    assert tries_of(again) == [("specialist", "abstained"), ("reader", "answered")]  # what it writes has no source


def tries_of(row: Answer) -> list[tuple[str, str]]:
    return list(TierUse.objects.filter(answer=row).values_list("tier", "outcome"))


def test_it_keeps_what_was_written_when_nothing_happened(people: People, sales_document: Document, scribe: Scribe) -> None:
    row = asked_by(people)

    assert (row.state, row.route) == (AnswerState.ANSWERED, "specialist")
    assert "40 weeks" in row.text


def test_a_document_deleted_meanwhile_leaves_no_word_and_fails_no_answer(
    people: People, sales_document: Document, scribe: Scribe
) -> None:
    scribe.meanwhile = lambda: delete_document(document=sales_document)

    row = asked_by(people)

    assert row.state in (AnswerState.ANSWERED, AnswerState.ABSTAINED), row.error_message
    assert row.route != "specialist"
    assert "40 weeks" not in row.text
    assert {citation.document.title for citation in row.citations.all()} <= {"Leave policy"}
    assert tries_of(row)[0] == ("specialist", "failed")


LOSSES = pytest.mark.parametrize(
    "lose",
    [lambda ben: ben.groups.clear(), lambda ben: User.objects.filter(pk=ben.pk).update(is_active=False)],
    ids=["group", "account"],
)


@LOSSES
def test_access_lost_meanwhile_leaves_no_word(
    people: People, sales_document: Document, scribe: Scribe, lose: Callable[[User], object]
) -> None:
    scribe.meanwhile = lambda: lose(people.ben)

    row = asked_by(people)

    assert row.state in (AnswerState.ANSWERED, AnswerState.ABSTAINED)
    assert "40 weeks" not in f"{row.text}{row.refusal}"


@LOSSES
def test_no_sentence_is_told_once_access_is_lost(
    people: People, sales_document: Document, scribe: Scribe, lose: Callable[[User], object]
) -> None:
    """The first is complete when the second is begun; it was told, and is not told to whoever opens the page anew."""
    row = create_answer(user=people.ben, question=QUESTION)
    Answer.objects.filter(pk=row.pk).update(state=AnswerState.ANSWERING)
    events: list[AnswerEvent] = []
    told = []
    for event in answer(row):
        events.append(event)
        if isinstance(event, Sentence) and not event.is_recorded:
            told.append(event.text)
            assert sentences_heard(row.pk, people.ben, events) == told[:1]
            lose(people.ben)
            assert sentences_heard(row.pk, people.ben, events) == []

    assert told == ["Parental leave in Sales lasts 40 weeks at full pay."]
    assert scribe.written == 3  # of which the second was complete, and not told


def sentences_heard(answer_id: int, user: User, events: Sequence[AnswerEvent]) -> list[str]:
    """What is told to one who comes now, while the answer is being written."""

    async def hear() -> list[str]:
        return [event.text async for event in streams.follow(answer_id, user) if isinstance(event, Sentence)]

    channel = streams._channels[answer_id] = streams.Channel()
    channel.events = [*events, Finished(AnswerState.STOPPED)]
    try:
        return async_to_sync(hear)()
    finally:
        streams._channels.pop(answer_id)


def test_the_reader_does_not_quote_what_went_while_it_read(
    people: People, sales_document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [sales_document]

    def run_and_delete(*args: object) -> Iterator[object]:
        outcome = yield from run_cascade(*args)  # type: ignore[arg-type]
        if documents:
            delete_document(document=documents.pop())
        return outcome

    monkeypatch.setattr(answering, "run_cascade", run_and_delete)
    row = create_answer(user=people.ben, question="How many weeks is parental leave in Sales?")
    Answer.objects.filter(pk=row.pk).update(state=AnswerState.ANSWERING)
    list(answer(row))
    row.refresh_from_db()

    assert row.state in (AnswerState.ANSWERED, AnswerState.ABSTAINED), row.error_message
    assert "40 weeks" not in row.text


def test_a_stopped_answer_asks_nobody_else_and_is_in_the_ledger(
    people: People, sales_document: Document, scribe: Scribe
) -> None:  # fmt: skip
    scribe.meanwhile = lambda: stop_answer(answer=Answer.objects.get())

    row = asked_by(people)

    assert row.state == AnswerState.STOPPED
    assert tries_of(row) == [("specialist", "failed")]
    assert TierUse.objects.get().reason == "The answer was stopped."
    assert scribe.written == 2  # a sentence is over when the next has begun


def test_what_was_shown_of_a_stopped_answer_stays(people: People, sales_document: Document, scribe: Scribe) -> None:
    row = create_answer(user=people.ben, question=QUESTION)
    Answer.objects.filter(pk=row.pk).update(state=AnswerState.ANSWERING)
    ben, told, stopped = client_of(people.ben), [], ""
    for event in answer(row):
        if isinstance(event, Sentence):
            told.append(event.text)
            stopped = ben.post(reverse("assistant:stop", args=[row.pk]), headers=HTMX).content.decode()
    page = text_of(ben, reverse("assistant:conversation", args=[row.conversation_id]))
    exported = text_of(ben, reverse("assistant:export_conversation", args=[row.conversation_id]))

    assert told == [FIRST]
    row.refresh_from_db()
    assert (row.state, row.text, row.route) == (AnswerState.STOPPED, FIRST, "specialist")
    assert [(item.number, item.quote) for item in row.citations.all()] == [(1, SALES)]
    for shown in (stopped, page):
        assert FIRST in shown
        assert "You stopped this answer here" in shown
        assert "aria-busy" not in shown
        assert reverse("assistant:citation", args=[row.pk, 1]) in shown
    assert f"{FIRST} [1]\n\nThe answer was stopped here." in exported
    people.ben.groups.clear()
    assert FIRST not in text_of(ben, reverse("assistant:conversation", args=[row.conversation_id]))


def test_what_was_shown_is_gone_once_the_answer_says_something_else(
    people: People, sales_document: Document, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks() -> None:
        scribe.meanwhile = lambda: None
        raise SpecialistError("broken", "The model broke.")

    scribe.sentences = ("Parental leave in Sales lasts 40 weeks at full pay [1]. Ask [1].", "Ask [1].")
    scribe.meanwhile = breaks

    row = asked_by(people)

    assert tries_of(row)[0] == ("specialist", "failed")
    assert row.route != "specialist"
    assert row.citations.count() == len({number for item in row.sentences for number in item["citations"]})


def test_a_stop_that_comes_while_the_reader_reads_asks_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def unsure(question: Question) -> Trying:
        yield from ()
        asked.append("reader")
        return Attempt("reader", "reader", Composition(False, 0.1, ()), 0.1, 0.5)

    def forbidden(question: Question) -> Trying:
        yield from ()
        asked.append("specialist")
        raise AssertionError

    monkeypatch.setitem(TIERS, "reader", unsure)
    monkeypatch.setitem(TIERS, "specialist", forbidden)
    decision = Decision("fact", 1.0, "neutral", "normal", ("reader", "specialist"), None, "")
    cascade = run_cascade(decision, Question("When?", SearchResult(), (), {}, is_wanted=lambda: not asked))

    with pytest.raises(StopIteration):
        next(cascade)
    assert asked == ["reader"]
