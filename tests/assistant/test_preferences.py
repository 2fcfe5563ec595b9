"""Answers that people rejected, beside the right ones in a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from assistant.escalations.examples import make_from_feedback, review_example
from assistant.finetuning import making
from assistant.finetuning.editing import create_specialist, queue_data_set
from assistant.finetuning.models import DataSetRow
from assistant.finetuning.rows import rows_of
from assistant.finetuning.worker import work_until_empty
from assistant.models import Feedback
from ingestion.models import Chunk, Document
from ingestion.services import create_corpus
from specialists.finetuning import mixing, presets
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answered
from tests.people import People, add_text

HOURS = "# Canteen\n\n## Opening hours of the canteen\n\nThe canteen opens at noon on all working days.\n"
PAY = "# Pay\n\n## Bonus of the directors\n\nThe directors receive a bonus of 44 percent each March.\n"
QUESTION, WRONG, RIGHT = "When does the canteen open?", "It never opens at all.", "The canteen opens at noon on all working days."


def reject(people: People, document: Document, *read: Document) -> None:
    """Ben says that an answer was wrong, which a language model wrote after it had read these; Olga makes an example of it."""
    answer = make_answered(people.ben, QUESTION, [(document, RIGHT)])
    answer.citations.update(passage_id=Chunk.objects.get(document=document).pk)
    answer.text, answer.route, answer.refusal = WRONG, "specialist", {"adapter": ""}
    answer.passages = [{"passage": 1, "score": 1.0, "document": item.pk, "revision": 1} for item in read]
    answer.save()
    feedback = Feedback.objects.create(
        answer=answer, user=people.ben, verdict=Feedback.Verdict.NOT_HELPFUL, reason=Feedback.Reason.WRONG, comment=RIGHT
    )
    example = make_from_feedback(feedback=feedback, curator=people.olga)
    review_example(example=example, question=QUESTION, passage=example.passage, answer=RIGHT, label="answerable")


@pytest.mark.parametrize("has_read_more", [False, True])
def test_an_answer_that_was_rejected_is_in_its_row_where_the_row_shows_all_that_it_may_come_from(
    people: People, monkeypatch: pytest.MonkeyPatch, has_read_more: bool
) -> None:
    monkeypatch.setitem(presets.PRESETS, "general", replace(presets.GENERAL, shares={"far": 1.0}))
    monkeypatch.setattr(mixing, "MOST_BESIDE", 0)
    corpus = create_corpus(name="House", owner=people.olga)
    hours, pay = add_text(corpus, "canteen.md", HOURS), add_text(corpus, "pay.md", PAY)
    reject(people, hours, hours, *([pay] if has_read_more else []))
    specialist = create_specialist(name="House", corpora=[corpus], created_by=people.olga)
    made = queue_data_set(specialist=specialist, made_as=people.olga)

    work_until_empty()

    row = DataSetRow.objects.get(data_set=made, question=QUESTION)
    shown = "kept" if row.split == "train" else row.split
    page = text_of(client_of(people.olga), f"/manage/specialists/house/data-sets/1/?show={shown}")
    assert (row.answer, row.rejected) == (RIGHT, "" if has_read_more else WRONG)
    assert (f"Rejected by a person: {WRONG}" in page) != has_read_more
    assert [item.rejected for item in rows_of(made, row.split) if item.question == QUESTION] == [row.rejected]


@pytest.mark.parametrize("is_held_out", [False, True])
def test_an_answer_that_was_written_from_a_held_out_ticket_of_the_same_file_is_in_no_row_to_train_on(
    people: People, monkeypatch: pytest.MonkeyPatch, is_held_out: bool
) -> None:
    monkeypatch.setitem(presets.PRESETS, "general", replace(presets.GENERAL, shares={"near": 1.0}))
    corpus = create_corpus(name="House", owner=people.olga)
    tickets = [f"Gate {n},{'It did not open and made a noise. ' * 20},We changed fuse {n} of hall {n}." for n in range(5)]
    document = add_text(corpus, "tickets.csv", "\n".join(["Subject,Conversation,Resolution", *tickets]))
    solved = {n: Chunk.objects.get(document=document, text__contains=f"fuse {n}").pk for n in range(5)}
    asked, right = "Why does gate 1 not open?", "We changed fuse 1 of hall 1."
    answer = make_answered(people.ben, asked, [(document, right)])
    answer.citations.update(passage_id=solved[1])
    answer.text, answer.route, answer.refusal = WRONG, "specialist", {"adapter": ""}
    answer.passages = [{"passage": solved[n], "score": 1.0, "document": document.pk, "revision": 1} for n in (1, 2)]
    answer.save()
    feedback = Feedback.objects.create(
        answer=answer, user=people.ben, verdict=Feedback.Verdict.NOT_HELPFUL, reason=Feedback.Reason.WRONG, comment=right
    )
    example = make_from_feedback(feedback=feedback, curator=people.olga)
    review_example(example=example, question=asked, passage=example.passage, answer=right, label="answerable")

    def held(questions: Mapping[tuple[int, int], int], *, seed: int) -> frozenset[tuple[int, int]]:
        assert len(questions) == 5
        return frozenset({sorted(questions)[2 if is_held_out else 4]})

    monkeypatch.setattr(making, "hold_out_enough", held)
    specialist = create_specialist(name="House", corpora=[corpus], created_by=people.olga)
    made = queue_data_set(specialist=specialist, made_as=people.olga)

    work_until_empty()

    row = DataSetRow.objects.get(data_set=made, question=asked)
    assert (row.split, row.rejected) == ("train", "" if is_held_out else WRONG)
    assert row.answer.endswith(right)
