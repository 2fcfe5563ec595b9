"""What a viewer may see of an answer, decided again at every view: evidence from a document that the viewer may not read
(any more) is hidden, with the sentences that quote it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from assistant.composing import segments
from assistant.escalations.asker import AskForm, PresentedEscalation, escalations_shown, wish_form
from assistant.finetuning.choosing import documents_behind_all
from assistant.golden.permissions import golden_corpora
from assistant.models import Answer, AnswerState, Citation, Conversation
from assistant.offers import Place, closest_of, is_unsure
from assistant.streams import expire_lost_answers
from assistant.suggestions import next_questions
from ingestion.models import Chunk, Document
from ingestion.permissions import readable_chunks, readable_documents
from ingestion.reading_html import is_numbered
from ingestion.versions import newer_versions
from specialists.router.types import HUMAN, SMALLTALK, SPECIALIST

ALL_HIDDEN = "This answer is hidden from you, because you cannot open everything it was made from."
ONE_HIDDEN = "A sentence is hidden from you here, because you cannot open its source."
SOME_HIDDEN = "{count} sentences are hidden from you, because you cannot open their sources."
CLOSEST_HIDDEN = "What came closest is hidden from you, because you cannot open everything it was made from."
MORE_HIDDEN = "More that may be it is hidden from you, because you cannot open its source."
SHOWN = (AnswerState.ANSWERED, AnswerState.STOPPED)  # of others, what was written is not what they say in the end


@dataclass(frozen=True, slots=True)
class PresentedCitation:
    """A piece of evidence. `number` is 0 for a closest passage, which is no citation."""

    number: int
    answer_id: int
    document_id: int | None
    title: str
    place: str
    quote: str
    owner: str
    updated: date | None
    is_available: bool
    start: int
    end: int
    is_retired: bool = False  # its document is superseded, by its name or its first lines
    newer: str = ""  # the title of the newest document of its name that the viewer may read


@dataclass(frozen=True, slots=True)
class PresentedSentence:
    """`segments` are the text cut at its answering words, each with whether it is one of them."""

    text: str
    citations: tuple[PresentedCitation, ...]
    is_hidden: bool = False
    segments: tuple[tuple[str, bool], ...] = ()
    lead: str = ""
    is_item: bool = False

    @property
    def is_numbered(self) -> bool:
        return is_numbered(self.text)


@dataclass(frozen=True, slots=True)
class Steps:
    corpora: int
    passages: int
    route: str
    model: str
    seconds: float | None
    timings_ms: dict[str, float]
    reason: str = ""  # why this route, and what became of it


@dataclass(frozen=True, slots=True)
class PresentedAnswer:
    id: int
    conversation_id: int
    question: str
    standalone_question: str  # empty when it is the question itself
    state: str
    sentences: tuple[PresentedSentence, ...]
    citations: tuple[PresentedCitation, ...]
    offered: tuple[PresentedCitation, ...]  # of a refusal: what would have been quoted, the likeliest first
    closest: tuple[PresentedCitation, ...]  # the same, then the passages that the search brought first
    closest_hidden: str  # the sentence that says so, where the viewer may not see what came closest
    error_message: str
    steps: Steps
    verdict: str
    has_documents: bool = True
    is_narrowed: bool = False  # to corpora that were chosen
    is_unsure: bool = False  # refused, though what is offered may well answer
    is_cut: bool = False  # a model had more to say
    is_wish: bool = False  # it only asks for a person
    is_summary: bool = False  # of one document
    read_of: tuple[int, int] | None = None  # of a long document: how many of its passages were read
    hidden: int = 0  # sentences that the viewer may not see: one stands for them all
    left_out: int = 0  # written sentences that no source supports: they are not shown
    help_in_distress: str = ""  # for someone whose words sound like it
    escalation: PresentedEscalation | None = None
    wish_form: AskForm | None = None  # of the last turn, where it is the viewer's own wish and nobody has been told
    follow_ups: tuple[str, ...] = field(default=())
    can_make_golden: bool = False  # whether the viewer has a corpus whose golden questions are theirs to write

    @property
    def is_short_reply(self) -> bool:
        """A reply to small talk, which needs no evidence."""
        return self.steps.route == SMALLTALK

    @property
    def is_written(self) -> bool:
        """Whether a language model wrote it; else every sentence is quoted."""
        return self.steps.route == SPECIALIST

    @property
    def is_for_person(self) -> bool:
        """Whether the router found that no document answers such a question."""
        return self.steps.route == HUMAN

    @property
    def is_final(self) -> bool:
        return self.state not in (AnswerState.PENDING, AnswerState.ANSWERING)

    @property
    def sources(self) -> list[tuple[PresentedCitation, str]]:
        """One entry for each place that is cited: its first citation, and the numbers of them all, such as “1, 3”."""
        places: dict[tuple[int | None, str], list[PresentedCitation]] = {}
        for citation in self.citations:
            places.setdefault((citation.document_id, citation.place), []).append(citation)
        return [(group[0], ", ".join(str(citation.number) for citation in group)) for group in places.values()]

    @property
    def cards(self) -> list[list[tuple[PresentedCitation, str]]]:
        """The sources as they are shown: a card for each place, but of a summary one for its document with all of its places."""
        if not self.is_summary:
            return [[source] for source in self.sources]
        cards: dict[int | None, list[tuple[PresentedCitation, str]]] = {}
        for citation, numbers in self.sources:
            cards.setdefault(citation.document_id, []).append((citation, numbers))
        return list(cards.values())

    @property
    def blocks(self) -> list[tuple[bool, list[PresentedSentence]]]:
        """The sentences as they stand under one another: paragraphs (False) and lists (True). A lead opens its own block."""
        blocks: list[tuple[bool, list[PresentedSentence]]] = []
        for sentence in self.sentences:
            if not blocks or blocks[-1][0] != sentence.is_item or sentence.lead:
                blocks.append((sentence.is_item, []))
            blocks[-1][1].append(sentence)
        return blocks

    @property
    def is_hidden(self) -> bool:
        """Whether the viewer may see nothing of what it says."""
        return self.hidden > 0 and all(sentence.is_hidden for sentence in self.sentences)

    @property
    def total(self) -> int:
        return sum(not sentence.is_hidden for sentence in self.sentences) + self.hidden

    @property
    def supported(self) -> int:
        return sum(1 for sentence in self.sentences if sentence.citations and not sentence.is_hidden)


def present_conversation(conversation: Conversation, user: User) -> list[PresentedAnswer]:
    """All answers of the conversation as `user` may see them, in a fixed number of queries."""
    expire_lost_answers()
    answers = conversation.answers.select_related("feedback").prefetch_related("citations")
    return _present(list(answers), user)


def present_answer(answer: Answer, user: User) -> PresentedAnswer:
    answers = Answer.objects.filter(pk=answer.pk).select_related("feedback", "conversation").prefetch_related("citations")
    return _present(list(answers), user)[0]


def present_for_program(answer: Answer, user: User) -> PresentedAnswer:
    """Without what only a page shows: a question that was handed on by its asker, what could be asked next, and making it a
    golden one. `answer`: with its conversation, from the gate."""
    return _present([answer], user, for_page=False)[0]


def _present(answers: Sequence[Answer], user: User, *, for_page: bool = True) -> list[PresentedAnswer]:
    citations = [citation for answer in answers for citation in answer.citations.all()]
    behind = documents_behind_all(answers)
    cited = {citation.document_id for citation in citations if citation.document_id}
    found = {item["document"] for answer in answers if closest_of(answer) for item in answer.passages if "document" in item}
    documents = _readable(user, cited.union(found, *behind.values()))
    closest = _closest_chunks(answers, user)
    shown_documents = {document.pk: document for document in (*documents.values(), *(c.document for c in closest.values()))}
    newer = {pk: str(item) for pk, item in newer_versions(shown_documents.values(), readable_documents(user)).items()}
    asked = escalations_shown([answer for answer in answers if for_page or answer.route == HUMAN], user)
    shown = [
        _present_one(
            answer,
            documents,
            closest,
            newer,
            is_last=for_page and answer is answers[-1],
            is_open=behind[answer.pk] <= documents.keys(),
        )
        for answer in answers
    ]
    can_make_golden = for_page and golden_corpora(user).exists()
    shown = [replace(item, escalation=asked.get(item.id), can_make_golden=can_make_golden) for item in shown]
    if for_page and shown and shown[-1].is_wish and not shown[-1].escalation:
        shown[-1] = replace(shown[-1], wish_form=wish_form(answers[-1], user))
    return shown


def _readable(user: User, ids: Iterable[int]) -> dict[int, Document]:
    documents = readable_documents(user).filter(pk__in=list(ids)).select_related("corpus__owner")
    return {document.pk: document for document in documents}


def _closest_chunks(answers: Sequence[Answer], user: User) -> dict[int, Chunk]:
    ids = [passage for answer in answers for passage, _ in closest_of(answer)]
    if not ids:
        return {}
    return {chunk.pk: chunk for chunk in readable_chunks(user, ids).select_related("document__corpus__owner")}


def _gated_closest(
    answer: Answer, documents: dict[int, Document], chunks: dict[int, Chunk], newer: dict[int, str]
) -> tuple[tuple[PresentedCitation, ...], tuple[PresentedCitation, ...], str]:  # fmt: skip
    """Of a refused answer, what the viewer may see: the words that may be it, all that came closest, and the sentence that says
    what is hidden. Where the likeliest is, the next is not put in its place."""
    named = {item["passage"]: item.get("document", 0) for item in answer.passages}
    places = closest_of(answer)
    hidden = {pk for pk, _ in places if pk not in chunks and named.get(pk, 0) not in documents}
    shown = [(_piece_of(answer, chunks[pk], offer, newer), offer is not None) for pk, offer in places if pk in chunks]
    closest = tuple(piece for piece, _ in shown)
    if places and places[0][0] in hidden:
        return (), closest, CLOSEST_HIDDEN
    is_part_hidden = is_unsure(answer) and any(pk in hidden for pk, offer in places if offer is not None)
    return tuple(piece for piece, is_offer in shown if is_offer), closest, MORE_HIDDEN if is_part_hidden else ""


def _present_one(
    answer: Answer, documents: dict[int, Document], closest: dict[int, Chunk], newer: dict[int, str], *, is_last: bool,
    is_open: bool,
) -> PresentedAnswer:  # fmt: skip
    """`newer`: of documents that have one, the title of the newest version. `is_open`: the viewer may read all that a model wrote
    the answer from."""
    is_shown = answer.state in SHOWN
    citations = {item.number: _citation(item, documents, newer) for item in answer.citations.all() if is_shown}
    feedback = getattr(answer, "feedback", None)
    is_rewritten = answer.standalone_question and answer.standalone_question != answer.question
    offered, pieces, closest_hidden = _gated_closest(answer, documents, closest, newer)
    sentences = tuple(_sentence(item, citations, is_open=is_open) for item in answer.sentences if is_shown)
    hidden = sum(sentence.is_hidden for sentence in sentences)
    is_hidden = 0 < hidden == len(sentences)
    if is_hidden:
        citations = {}
    return PresentedAnswer(
        id=answer.pk,
        conversation_id=answer.conversation_id,
        question=answer.question,
        standalone_question=answer.standalone_question if is_rewritten else "",
        state=answer.state,
        sentences=_hidden_once(sentences, hidden),
        citations=tuple(citations.values()),
        offered=offered,
        closest=pieces,
        closest_hidden=closest_hidden,
        error_message=answer.error_message,
        steps=_steps(answer, is_open=is_open),
        verdict=feedback.verdict if feedback else "",
        has_documents=answer.corpora_searched > 0 or answer.state != AnswerState.ABSTAINED,
        is_narrowed=answer.conversation.is_narrowed,
        is_unsure=is_unsure(answer) and bool(offered or closest_hidden),
        is_cut=bool(answer.refusal.get("is_cut")) and not is_hidden,
        is_summary=answer.summary_of_id is not None,
        read_of=_read_of(answer) if not is_hidden else None,
        is_wish=bool(answer.refusal.get("is_wish")),
        hidden=hidden,
        left_out=int(answer.refusal.get("left_out", 0)) if not is_hidden else 0,
        help_in_distress=settings.HELP_IN_DISTRESS if answer.refusal.get("is_crisis") else "",
        follow_ups=_follow_ups(citations.values()) if is_last and answer.state == AnswerState.ANSWERED else (),
    )


def _follow_ups(citations: Iterable[PresentedCitation]) -> tuple[str, ...]:
    first = next((citation for citation in citations if citation.is_available), None)
    return next_questions(first.document_id, first.title, first.place) if first and first.document_id else ()


def _read_of(answer: Answer) -> tuple[int, int] | None:
    total = int(answer.refusal.get("passages_in_document", 0))
    return (len(answer.passages), total) if total > len(answer.passages) else None


def _steps(answer: Answer, *, is_open: bool) -> Steps:
    total = answer.timings_ms.get("total")
    return Steps(
        corpora=answer.corpora_searched,
        passages=len(answer.passages),
        route=answer.route,
        model=answer.model if is_open else answer.model.partition(" + ")[0],  # an adapter's name may tell something, too
        seconds=total / 1000 if total is not None else None,
        timings_ms=answer.timings_ms,
        reason=str(answer.refusal.get("route", "")),
    )


def _sentence(item: dict[str, Any], citations: dict[int, PresentedCitation], *, is_open: bool) -> PresentedSentence:
    """`is_open`: the viewer may read all that a model wrote the answer from."""
    numbers = [int(number) for number in item["citations"]]
    if not numbers:  # a short reply of the router's: nothing that a document says
        return PresentedSentence(str(item["text"]), (), segments=((str(item["text"]), False),))
    own = tuple(citations[number] for number in numbers if number in citations)
    available = [citation for citation in own if citation.is_available]
    lead, is_item = str(item.get("lead", "")), item.get("layout") == "item"
    if not available or not is_open:
        return PresentedSentence("", (), is_hidden=True, lead=lead, is_item=is_item)
    if own[0].is_available if item.get("is_quoted") else len(available) == len(own):
        text = str(item["text"])
        parts = tuple(segments(text, [tuple(mark) for mark in item.get("marks", ())]))
    elif item.get("is_quoted"):  # the words of a document that agrees, not of the one that may not be read
        text = available[0].quote
        parts = ((text, False),)
    else:  # its words may come from any of its sources
        return PresentedSentence("", (), is_hidden=True, lead=lead, is_item=is_item)
    return PresentedSentence(text, own, segments=parts, lead=lead, is_item=is_item)


def _hidden_once(sentences: Sequence[PresentedSentence], hidden: int) -> tuple[PresentedSentence, ...]:
    """One sentence, in the place of the first hidden one, says it for all of them."""
    if hidden == len(sentences):
        return (PresentedSentence(ALL_HIDDEN, (), is_hidden=True),) if hidden else ()
    first = next((sentence for sentence in sentences if sentence.is_hidden), None)
    said = ONE_HIDDEN if hidden == 1 else SOME_HIDDEN.format(count=hidden)
    return tuple(
        replace(sentence, text=said) if sentence is first else sentence
        for sentence in sentences
        if sentence is first or not sentence.is_hidden
    )


def _citation(citation: Citation, documents: dict[int, Document], newer: dict[int, str]) -> PresentedCitation:
    document = documents.get(citation.document_id or 0)
    if document is None:
        return PresentedCitation(
            citation.number, citation.answer_id, None, "Not available to you", "", "", "", None,
            is_available=False, start=0, end=0,
        )  # fmt: skip
    return PresentedCitation(
        number=citation.number,
        answer_id=citation.answer_id,
        document_id=document.pk,
        title=citation.title,
        place=place(citation.page, citation.heading_path, document.format),
        quote=citation.quote,
        owner=_full_name(document),
        updated=document.updated_at.date(),
        is_available=True,
        start=citation.start,
        end=citation.end,
        is_retired=document.is_retired,
        newer=newer.get(document.pk, ""),
    )


def _piece_of(answer: Answer, chunk: Chunk, offer: Place | None, newer: dict[int, str]) -> PresentedCitation:
    """The words that may be the answer; else the first sentence of a passage that the search brought."""
    if offer is not None:
        return _piece(answer, chunk, chunk.start + offer.start, chunk.start + offer.end, newer)
    start, end = chunk.sentences[0] if chunk.sentences else (chunk.start, chunk.end)
    return _piece(answer, chunk, start, end, newer)


def _piece(answer: Answer, chunk: Chunk, start: int, end: int, newer: dict[int, str]) -> PresentedCitation:
    """`start` and `end`: characters of the document."""
    document = chunk.document
    return PresentedCitation(
        number=0,
        answer_id=answer.pk,
        document_id=document.pk,
        title=document.title or document.source_name,
        place=place(chunk.page, chunk.heading_path, document.format),
        quote=chunk.text[start - chunk.start : end - chunk.start],
        owner=_full_name(document),
        updated=document.updated_at.date(),
        is_available=True,
        start=start,
        end=end,
        is_retired=document.is_retired,
        newer=newer.get(document.pk, ""),
    )


def _full_name(document: Document) -> str:
    owner = document.corpus.owner
    return owner.get_full_name() or owner.get_username()


def place(page: int | None, heading_path: Sequence[str], document_format: str = "") -> str:
    """Where in the document, in the words of its kind: a page, a slide, a sheet or a heading."""
    if page is not None:
        return f"{'Slide' if document_format == 'pptx' else 'Page'} {page}"
    return heading_path[-1] if heading_path else ""
