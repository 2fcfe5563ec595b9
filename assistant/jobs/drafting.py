"""A letter to the asker of a question that went to a person: the answer path's own words with their sources, to be edited.

The reply goes to the asker, so by default it draws only on what both may read. Nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from django.contrib.auth.models import User
from django.db import transaction

from assistant.escalations.asker import person_name
from assistant.escalations.models import Escalation
from assistant.escalations.services import REPLY_CHARACTERS
from assistant.events import AnswerEvent, Reading, Sentence, Sources
from assistant.models import Answer, AnswerState, Conversation
from assistant.presentation import PresentedAnswer, PresentedCitation, PresentedSentence, present_answer
from assistant.services import Manner, create_answer
from assistant.streams import run_steps
from assistant.wording import Wording
from ingestion.permissions import readable_documents

UNSURE = "I found nothing that says this outright. These passages come closest:"
NOTHING = "No document that both of you may read answers this. You can draft it from all that you may read."
NOTHING_OF_MINE = "No document that you may read answers this."


@dataclass(frozen=True, slots=True)
class Letter:
    """`text` is empty where nothing was found: then `message` says so. `documents`: ids of those that it quotes; `closed`: titles
    of those among them that the asker may not read; `is_unsure`: made of what the search brought, not of an answer."""

    text: str
    message: str = ""
    documents: tuple[int, ...] = ()
    closed: tuple[str, ...] = ()
    is_unsure: bool = False


class Step(Protocol):
    """Told what is being done: the draft's fields that change."""

    def __call__(self, *, conversation: Conversation | None = ..., message: str = ...) -> object: ...


def write_letter(*, escalation: Escalation, author: User, is_for_both: bool, on_step: Step) -> Letter:
    """Ask the question as the author, of what both author and asker may read, or of all that the author may. It takes as long as
    an answer does. Raises QuestionError."""
    row = _ask(escalation, author, is_for_both=is_for_both)
    try:
        on_step(conversation=row.conversation)
        for event in run_steps(row):
            if words := _step_words(event):
                on_step(message=words)
        row.refresh_from_db()
        if row.state == AnswerState.FAILED:
            return Letter("", row.error_message)
        return _as_letter(escalation, row, author, is_for_both=is_for_both)
    finally:
        row.conversation.delete()


def _step_words(event: AnswerEvent) -> str:
    match event:
        case Sources(passages=passages):
            return f"Reading {passages} passages"
        case Reading(done=done, total=total):
            return f"Reading: {done} of {total} parts"
        case Sentence():
            return "Writing"
    return ""


@transaction.atomic
def _ask(escalation: Escalation, author: User, *, is_for_both: bool) -> Answer:
    """In a conversation that is shown nowhere."""
    question = escalation.standalone_question or escalation.question
    manner = Manner(is_internal=True, search_anyway=True)
    row = create_answer(user=author, question=question, understood_as=question, manner=manner)
    if is_for_both:
        row.conversation.is_common = True
        row.conversation.save(update_fields=["is_common"])
        row.conversation.readers.set([person for person in (author, escalation.asker) if person is not None])
    return row


def _as_letter(escalation: Escalation, row: Answer, author: User, *, is_for_both: bool) -> Letter:
    asker = escalation.asker
    shown = present_answer(row, author)
    sentences, is_unsure = _words(shown)
    cited = _numbered(sentences)
    readable = readable_documents(asker) if asker is not None else readable_documents(author).none()
    open_to_asker = set(readable.filter(pk__in=[item.document_id for item in cited]).values_list("pk", flat=True))
    closed = [item for item in cited if item.document_id not in open_to_asker]
    if not sentences or (is_for_both and closed):  # what the asker may no longer read is in no draft for both
        return Letter("", NOTHING if is_for_both else NOTHING_OF_MINE)
    numbers = {item: number for number, item in enumerate(cited, start=1)}
    wording = Wording()
    for sentence in sentences:
        said = [numbers[item] for item in dict.fromkeys(sentence.citations) if item in numbers]
        wording.add(sentence.text, said, lead=sentence.lead, is_item=sentence.is_item)
    sources = "\n".join(f"[{number}] {_place(item)}" for item, number in numbers.items())
    opening = f"Hello {person_name(asker)},\n\n{UNSURE + chr(10) * 2 if is_unsure else ''}"
    text = f"{opening}{wording.text}\n\nSources\n{sources}\n\n{person_name(author)}"
    titles = tuple(dict.fromkeys(item.title for item in closed))
    quoted = tuple(sorted({item.document_id for item in cited if item.document_id is not None}))
    return Letter(text[:REPLY_CHARACTERS], documents=quoted, closed=titles, is_unsure=is_unsure)


def _words(shown: PresentedAnswer) -> tuple[list[PresentedSentence], bool]:
    """What may be said, and whether it is only what came closest."""
    if shown.state == "answered":
        return [sentence for sentence in shown.sentences if sentence.citations and not sentence.is_hidden], False
    return [PresentedSentence(item.quote, (item,), is_item=True) for item in shown.offered], True


def _numbered(sentences: list[PresentedSentence]) -> list[PresentedCitation]:
    """The sources that are cited and may be opened, each once."""
    return list(dict.fromkeys(item for sentence in sentences for item in sentence.citations if item.is_available))


def _place(item: PresentedCitation) -> str:
    return f"{item.title}, {item.place}" if item.place else item.title
