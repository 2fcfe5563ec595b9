"""The class of a ticket, suggested from tickets with a class in the documents that the person may read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.contrib.auth.models import User

from assistant.escalations.models import Escalation
from assistant.finetuning.shapes import pieces_of
from ingestion.connections import lend_connection
from ingestion.models import DocumentText
from ingestion.permissions import readable_documents
from specialists.classifying.nearest import Rows, Suggestion, classify
from specialists.finetuning.records import TABLES, Record, records_of
from specialists.finetuning.tickets import SAID, SUBJECT

CLASS = ("category", "class", "ticket type", "label", "queue", "department", "team", "product area")
MOST_EXAMPLES = 400  # of the newest documents: what is embedded within a few seconds
MOST_DOCUMENTS = 20
MOST_CHARACTERS = 600
NEAREST_SHOWN = 3
TOO_FEW = "Too few tickets with a class are in the documents that you may read, such as a sheet with a column “category”."


@dataclass(frozen=True, slots=True)
class Example:
    """A ticket of a document with its class. `start` and `end`: where the class stands."""

    label: str
    text: str
    document: int
    title: str
    corpus: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TicketClass:
    """What is suggested, with the examples that are nearest; `message` instead where there is nothing to go by."""

    suggestion: Suggestion | None = None
    nearest: tuple[Example, ...] = ()
    message: str = ""


def suggest_class(*, escalation: Escalation, viewer: User) -> TicketClass:
    """Of the escalation's corpus where it has classes, else of the corpus with most of them. Raises RetrievalError."""
    from retrieval.embedders import get_embedder

    examples = _of_one_corpus(_examples(viewer), escalation.corpus_id)
    lend_connection()
    if not examples:
        return TicketClass(message=TOO_FEW)
    asked = escalation.standalone_question or escalation.question
    vector = get_embedder().embed_passages([asked[:MOST_CHARACTERS]])[0]
    found = classify(vector, [item.label for item in examples], _vectors(tuple(item.text for item in examples)))
    if found is None:
        return TicketClass(message=TOO_FEW)
    return TicketClass(found, tuple(examples[place] for place in found.nearest[:NEAREST_SHOWN]))


def _examples(viewer: User) -> list[Example]:
    """Of the newest sheets and lists that the viewer may read."""
    documents = readable_documents(viewer).filter(format__in=TABLES, revision__gt=0).order_by("-updated_at")[:MOST_DOCUMENTS]
    contents = DocumentText.objects.filter(document__in=[item.pk for item in documents]).select_related("document")
    found: list[Example] = []
    for content in contents.order_by("-document__updated_at"):
        records = records_of(content.document.format, content.text, pieces_of(content))
        found += _labelled(records, content)
        if len(found) >= MOST_EXAMPLES:
            break
    return found[:MOST_EXAMPLES]


def _labelled(records: Iterable[Record], content: DocumentText) -> list[Example]:
    found = []
    for record in records:
        label, subject, said = record.of(*CLASS), record.of(*SUBJECT), record.of(*SAID)
        words = " ".join(field.text for field in (subject, said) if field is not None)[:MOST_CHARACTERS]
        if label is not None and label.start >= 0 and label.text.strip() and words.strip():
            document = content.document
            found.append(
                Example(label.text.strip(), words, document.pk, str(document), document.corpus_id, label.start, label.end)
            )
    return found


def _of_one_corpus(examples: list[Example], wanted: int | None) -> list[Example]:
    """Classes of different corpora mean different things."""
    of_corpus: dict[int, list[Example]] = defaultdict(list)
    for item in examples:
        of_corpus[item.corpus].append(item)
    if wanted in of_corpus:
        return of_corpus[wanted]
    return max(of_corpus.values(), key=len, default=[])


@lru_cache(maxsize=4)
def _vectors(texts: tuple[str, ...]) -> Rows:
    """Of texts that passed the gate a moment ago."""
    from retrieval.embedders import get_embedder

    return get_embedder().embed_passages(list(texts))
