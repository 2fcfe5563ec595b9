"""The passages of a specialist's corpora that one person may read, and the questions that they give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from django.contrib.auth.models import User
from django.db.models import F, QuerySet

from assistant.escalations.permissions import curated_examples
from assistant.finetuning.choosing import NO_DOCUMENT, documents_behind
from assistant.finetuning.models import Specialist
from assistant.finetuning.shapes import shaped_pairs, with_parts
from assistant.golden.editing import key_of
from assistant.golden.models import GoldenQuestion
from assistant.models import Feedback
from ingestion.models import Chunk, Corpus, Document, Partition
from specialists.finetuning.pairs import MOST_ANSWER, Pair, Section, pairs_of, sentence_with
from specialists.models import TrainingExample
from specialists.router.types import SPECIALIST

MOST_SECTIONS = 50_000
MOST_HELD_TOGETHER = 5  # documents of one name


def read_sections(partitions: Sequence[Partition]) -> dict[int, Section]:
    """By chunk. Of very large corpora the first MOST_SECTIONS."""
    chunks = (
        Chunk.objects.filter(document__partition__in=partitions, revision=F("document__revision"))
        .select_related("document")
        .order_by("document_id", "position")[:MOST_SECTIONS]
    )
    documents = Document.objects.filter(partition__in=partitions, revision__gt=0).only("pk", "corpus_id", "family")
    versions = _versions(documents.iterator(chunk_size=2000))
    sections: dict[int, Section] = {}
    before: tuple[int, tuple[str, ...]] | None = None
    for chunk in chunks.iterator(chunk_size=500):
        place = (chunk.document_id, tuple(chunk.heading_path))
        section = section_of(chunk, is_first=place != before)
        sections[chunk.pk] = replace(section, stands_for=versions.get(chunk.document_id, 0))
        before = place
    return with_parts(sections)


def _versions(documents: Iterable[Document]) -> dict[int, int]:
    """For each document that has other versions, the one that stands for all of them. Many of one name are a series (minutes,
    reports), whose issues say different things."""
    families: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for document in documents:
        if document.family:
            families[document.corpus_id, document.family].append(document.pk)
    return {pk: min(members) for members in families.values() if 1 < len(members) <= MOST_HELD_TOGETHER for pk in members}


def section_of(chunk: Chunk, *, is_first: bool) -> Section:
    """A table's passage has the names of its columns as the last line of its context."""
    head, _, columns = chunk.context.rpartition("\n")
    is_table = bool(head) and "|" in columns
    return Section(
        chunk=chunk.pk,
        document=chunk.document_id,
        title=str(chunk.document),
        context=chunk.context,
        heading_path=tuple(chunk.heading_path),
        text=chunk.text,
        sentences=tuple((start - chunk.start, end - chunk.start) for start, end in chunk.sentences),
        columns=tuple(columns.split("|")) if is_table else (),
        is_first=is_first,
        start=chunk.start,
    )


def pairs_in(specialist: Specialist, person: User, sections: dict[int, Section]) -> Iterator[Pair]:
    """Of a specialist's corpora, with the examples that this person may see."""
    return pairs_of_corpora(specialist.corpora.all(), curated_examples(person), sections)


def pairs_of_corpora(
    corpora: QuerySet[Corpus], examples: QuerySet[TrainingExample], sections: dict[int, Section]
) -> Iterator[Pair]:  # fmt: skip
    """What people have reviewed first: of two that ask the same it is theirs that stays. Golden questions judge the whole
    product, so no model is trained on them."""
    golden = set(GoldenQuestion.objects.filter(corpus__in=corpora).values_list("key", flat=True))
    reviewed = _reviewed(examples.filter(corpus_id__in=corpora.values("pk")), sections)
    shaped = list(shaped_pairs(sections))
    known = {pair.section.document for pair in shaped}  # a ticket's subject and a function's name are no headings to ask about
    by_form = (pair for item in sections.values() if item.document not in known for pair in pairs_of(item))
    for pair in chain(reviewed, shaped, by_form):
        if key_of(pair.question) not in golden:
            yield pair


def _reviewed(examples: QuerySet[TrainingExample], sections: dict[int, Section]) -> Iterator[Pair]:
    """Of examples that were made from a document: others have no audience."""
    of_document: dict[int, list[Section]] = {}
    for section in sections.values():
        of_document.setdefault(section.document, []).append(section)
    for example in examples.filter(is_reviewed=True, document_id__isnull=False):
        is_answerable = example.label == TrainingExample.Label.ANSWERABLE
        words = example.answer if is_answerable else example.passage
        held_by = next((item for item in of_document.get(example.document_id or 0, ()) if _holds(item, words)), None)
        if held_by is not None:
            answer = sentence_with(held_by, example.answer) if is_answerable else ""
            yield _with_rejected(Pair(example.question, answer, held_by, "example"), example, sections)


def _with_rejected(pair: Pair, example: TrainingExample, sections: dict[int, Section]) -> Pair:
    """With what a language model had written when somebody said that it was wrong, and what its words may come from."""
    source, _, number = example.source.partition(":")
    feedback = Feedback.objects.filter(pk=int(number)).select_related("answer").first() if source == "feedback" else None
    if feedback is None or feedback.verdict != Feedback.Verdict.NOT_HELPFUL or feedback.answer.route != SPECIALIST:
        return pair
    said = feedback.answer
    if not said.text or said.text == pair.answer:
        return pair
    read = {(item["passage"], item.get("document", NO_DOCUMENT)) for item in said.passages}
    read |= set(said.citations.values_list("passage_id", "document_id"))
    behind = frozenset(pk or NO_DOCUMENT for pk in {*documents_behind(said), *(document for _, document in read)})
    return replace(pair, rejected=said.text[:MOST_ANSWER], rejected_from=behind, rejected_units=_units(read, sections))


def _units(read: Iterable[tuple[int, int]], sections: dict[int, Section]) -> frozenset[tuple[int, int]]:
    """Of passages and their documents. A passage that is no longer there may have been any part of its document."""
    gone = {document for chunk, document in read if chunk not in sections}
    known = {sections[chunk].unit for chunk, _ in read if chunk in sections}
    return frozenset(known | {section.unit for section in sections.values() if section.document in gone} if gone else known)


def _holds(section: Section, words: str) -> bool:
    return words.strip()[:200] in section.text
