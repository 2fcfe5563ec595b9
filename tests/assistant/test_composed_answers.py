"""How a composed answer is stored, shown, streamed and exported, and what becomes of it when access is lost."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistant.composing import answer_text, citation_rows, segments, sentence_events, sentence_rows
from assistant.models import Answer, AnswerState, Citation
from assistant.presentation import ALL_HIDDEN
from ingestion.models import Chunk
from specialists.composition.types import ComposedSentence, Composition, Quote
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import TIMINGS, make_answer, make_document
from tests.people import People, make_corpora

HANDBOOK = "Employees get 27 days of leave."
SALES = "All get twenty-seven days of leave."
OTHER = "Contractors get 20 days of leave."


def make_composed(people: People, composition: Composition, chunks: dict[int, Chunk]) -> Answer:
    row = make_answer(
        people.ben, "How many days?", state=AnswerState.ANSWERED, route="reader", corpora_searched=2, timings_ms=TIMINGS
    )
    row.sentences = sentence_rows(composition)
    row.text = answer_text(row.sentences)
    row.save()
    Citation.objects.bulk_create(citation_rows(row, chunks, composition))
    return row


@pytest.fixture
def chunks(people: People) -> dict[int, Chunk]:
    handbook, sales = make_corpora(people)
    documents = [
        make_document(sales, "Sales leave", [SALES]),
        make_document(handbook, "Leave policy", [HANDBOOK]),
        make_document(handbook, "Contractors", [OTHER]),
    ]
    made = {}
    for number, (document, text) in enumerate(zip(documents, (SALES, HANDBOOK, OTHER), strict=True), start=1):
        start = document.content.text.index(text)
        made[number] = Chunk.objects.create(
            document=document, revision=1, position=0, start=start, end=start + len(text), text=text, heading_path=["Leave"]
        )
    return made


def quote(number: int, text: str) -> Quote:
    return Quote(number, 0, len(text), text, 3.0)


@pytest.fixture
def merged(people: People, chunks: dict[int, Chunk]) -> Answer:
    """Sales' words, with which the handbook agrees."""
    sentence = ComposedSentence(SALES, (0, 1), ((8, 25),))
    return make_composed(people, Composition(True, 0.9, (quote(1, SALES), quote(2, HANDBOOK)), (sentence,)), chunks)


@pytest.fixture
def differing(people: People, chunks: dict[int, Chunk]) -> Answer:
    sentences = (
        ComposedSentence(HANDBOOK, (0,), ((14, 21),), "The documents differ:", "item"),
        ComposedSentence(OTHER, (1,), ((16, 23),), "", "item"),
    )
    return make_composed(people, Composition(True, 0.9, (quote(2, HANDBOOK), quote(3, OTHER)), sentences), chunks)


def page_of(people: People, row: Answer) -> str:
    return text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))


def test_it_marks_the_answering_words_and_cites_every_document_that_agrees(people: People, merged: Answer) -> None:
    page = page_of(people, merged)
    assert "All get <strong>twenty-seven days</strong> of leave." in page
    assert page.count('aria-label="Source 1: Sales leave') == 1
    assert page.count('aria-label="Source 2: Leave policy') == 1


def test_it_shows_the_agreeing_document_s_own_words_when_the_quoted_one_may_not_be_read(people: People, merged: Answer) -> None:
    people.ben.groups.clear()
    page = page_of(people, merged)
    assert "twenty-seven" not in page
    assert HANDBOOK in page
    export = text_of(client_of(people.ben), reverse("assistant:export_conversation", args=[merged.conversation_id]))
    assert "twenty-seven" not in export


def test_it_hides_a_sentence_that_is_no_quote_when_one_of_its_sources_may_not_be_read(people: People, merged: Answer) -> None:
    row = dict(merged.sentences[0])
    del row["is_quoted"]
    Answer.objects.filter(pk=merged.pk).update(sentences=[row])
    assert "twenty-seven" in page_of(people, merged)
    people.ben.groups.clear()
    page = page_of(people, merged)
    assert "twenty-seven" not in page
    assert page.count(ALL_HIDDEN) == 1


def test_it_hides_what_a_model_wrote_when_one_of_the_passages_that_it_read_may_not_be_read(
    people: People, chunks: dict[int, Chunk]
) -> None:  # fmt: skip
    """Its words may come from a passage that it does not cite. Nothing is offered, though the cited one may be read."""
    sentence = ComposedSentence("In sales, too, it is 27 days.", (0,), is_quoted=False)
    row = make_composed(people, Composition(True, 1.0, (quote(2, HANDBOOK),), (sentence,) * 6), chunks)
    read = [{"passage": number, "score": 1.0, "document": chunks[number].document_id, "revision": 1} for number in (1, 2)]
    Answer.objects.filter(pk=row.pk).update(route="specialist", passages=read)
    assert "In sales, too" in page_of(people, row)
    assert "6 of 6 sentences supported" in page_of(people, row)
    people.ben.groups.clear()
    page = page_of(people, row)
    assert "In sales, too" not in page
    assert page.count(ALL_HIDDEN) == 1
    offers = ("sentences supported", "/citations/", 'class="source', "Written by", "data-copy ", "Helpful", 'class="follow-ups"')
    assert [words for words in offers if words in page] == []
    assert reverse("assistant:retry", args=[row.pk]) in page
    export = text_of(client_of(people.ben), reverse("assistant:export_conversation", args=[row.conversation_id]))
    assert "In sales, too" not in export
    assert export.count(ALL_HIDDEN) == 1
    assert "Sources:" not in export


def test_it_says_once_that_several_sentences_are_hidden(people: People, chunks: dict[int, Chunk]) -> None:
    told = [ComposedSentence(f"Sales, part {number}.", (0,), is_quoted=False) for number in range(3)]
    told.insert(1, ComposedSentence(HANDBOOK, (1,)))
    row = make_composed(people, Composition(True, 1.0, (quote(1, SALES), quote(2, HANDBOOK)), tuple(told)), chunks)
    people.ben.groups.clear()
    page = page_of(people, row)
    assert HANDBOOK in page
    assert "Sales, part" not in page
    assert page.count('class="withheld"') == 1
    assert "3 sentences are hidden from you, because you cannot open their sources." in page
    assert "1 of 4 sentences supported, 3 hidden from you" in page


def test_it_shows_a_disagreement_as_a_list_under_its_lead(people: People, differing: Answer) -> None:
    page = page_of(people, differing)
    assert '<p class="lead">The documents differ:</p><ul><li>' in page
    assert page.count("<li>") >= 2
    export = text_of(client_of(people.ben), reverse("assistant:export_conversation", args=[differing.conversation_id]))
    assert f"The documents differ:\n\n- {HANDBOOK} [1]\n- {OTHER} [2]" in export
    assert differing.text == f"The documents differ: {HANDBOOK} {OTHER}"


def test_it_streams_what_it_stores(differing: Answer) -> None:
    from assistant.sse import _sentence

    first, second = (_sentence(event, differing.pk) for event in sentence_events(differing.sentences))
    assert '<span class="lead">The documents differ:</span>' in first
    assert "Employees get <strong>27 days</strong> of leave." in first
    assert 'class="lead"' not in second
    assert "sentence new item" in second


def test_it_gives_no_second_mark_to_items_that_bring_their_numbers(people: People, chunks: dict[int, Chunk]) -> None:
    from assistant.sse import _sentence

    sentences = tuple(ComposedSentence(f"{number}. Step {number}.", (0,), layout="item") for number in (1, 2))
    row = make_composed(people, Composition(True, 0.9, (quote(2, HANDBOOK),), sentences), chunks)
    assert page_of(people, row).count('<li class="numbered">') == 2
    assert all("sentence new item numbered" in _sentence(event, row.pk) for event in sentence_events(row.sentences))
    export = text_of(client_of(people.ben), reverse("assistant:export_conversation", args=[row.conversation_id]))
    assert "\n1. Step 1. [1]\n2. Step 2. [1]\n" in export


def test_it_keeps_each_quote_s_place_in_its_document(differing: Answer) -> None:
    for citation in differing.citations.select_related("document__content"):
        assert citation.document is not None
        assert citation.document.content.text[citation.start : citation.end] == citation.quote


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], [("one two", False)]),
        ([(0, 3)], [("one", True), (" two", False)]),
        ([(4, 7), (0, 3)], [("one", True), (" ", False), ("two", True)]),
        ([(0, 3), (2, 5)], [("one", True), (" two", False)]),
        ([(5, 99)], [("one two", False)]),
    ],
)
def test_it_cuts_a_sentence_at_its_marks(marks: list[tuple[int, int]], expected: list[tuple[str, bool]]) -> None:
    assert segments("one two", marks) == expected
