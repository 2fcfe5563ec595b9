"""Questions with the passages that answer them: to train an embedder on, and to judge one by."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, QuerySet

from assistant.finetuning.sections import pairs_of_corpora, read_sections
from assistant.golden.models import Expectation, GoldenQuestion
from ingestion.models import Chunk, Corpus, Partition
from retrieval.comparing import JudgedQuestions
from retrieval.passages import Passage
from specialists.finetuning.pairs import Pair, Section, distinct, in_turn
from specialists.models import TrainingExample

MOST_JUDGED = 400  # questions
MOST_PASSAGES = 3000  # among which they are judged: each is embedded twice


@dataclass(frozen=True, slots=True)
class DocumentPairs:
    """The pairs of some corpora's documents, documents in turn. `sections` by chunk."""

    sections: Mapping[int, Section]
    pairs: Sequence[Pair]
    partitions: Sequence[Partition]


def document_pairs(corpora: QuerySet[Corpus]) -> DocumentPairs:
    """Headings that ask, sections, rows of tables, and reviewed examples (of tickets, feedback and corrected answers); never a
    golden question. No person's rights are asked: see docs/embedder.md for whose work this is."""
    partitions = list(Partition.objects.filter(corpus__in=corpora))
    sections = read_sections(partitions)
    examples = TrainingExample.objects.filter(is_removed=False)
    found = (pair for pair in pairs_of_corpora(corpora, examples, sections) if pair.answer)  # others have no right passage
    return DocumentPairs(sections, in_turn(distinct(list(found))), partitions)


def searchable(section: Section) -> str:
    return Passage(section.chunk, section.text, section.context).searchable_text


def judged_questions(
    found: DocumentPairs, *, held_out: Collection[int], seed: int
) -> JudgedQuestions:  # fmt: skip
    """Questions of the documents that are held out, among their passages and, up to MOST_PASSAGES, others."""
    asked = [pair for pair in found.pairs if pair.section.document in held_out][:MOST_JUDGED]
    own = {pair.section.chunk for pair in asked}
    others = sorted(set(found.sections) - own)
    random.Random(f"{seed} passages").shuffle(others)
    shown = [*own, *others[: max(0, MOST_PASSAGES - len(own))]]
    passages = [Passage(key, found.sections[key].text, found.sections[key].context) for key in shown]
    return JudgedQuestions(passages, {pair.question: {pair.section.chunk: 1} for pair in asked})


@dataclass(frozen=True, slots=True)
class AskedIn:
    """A question, the partitions that it is asked in, and the grades of the passages that answer it."""

    question: str
    scope: tuple[str, ...]
    grades: Mapping[int, int]


def golden_questions(corpora: Iterable[Corpus] | None = None) -> list[AskedIn]:
    """Those (of `corpora`; None: of all) that name the document which answers: right are its passages with one of the words that
    an answer must contain, or, where none has any, all of them."""
    asked = []
    rows = GoldenQuestion.objects.filter(expects=Expectation.ANSWER).exclude(document_name="").select_related("corpus")
    for golden in rows if corpora is None else rows.filter(corpus__in=corpora):
        chunks = Chunk.objects.filter(
            document__corpus=golden.corpus, document__source_name=golden.document_name, revision=F("document__revision")
        )
        texts = {pk: " ".join(text.casefold().split()) for pk, text in chunks.values_list("pk", "text")}
        words = [" ".join(word.casefold().split()) for alternatives in golden.must_contain for word in alternatives]
        right = [pk for pk, text in texts.items() if any(word in text for word in words)] or list(texts)
        if right:
            asked.append(AskedIn(golden.question, _scope(golden.corpus), dict.fromkeys(right, 1)))
    return asked


def questions_of_documents(*, trained_on: Collection[int]) -> list[AskedIn]:
    """Of documents that the embedder was not trained on, asked in all partitions."""
    found = document_pairs(Corpus.objects.all())
    scope = tuple(partition.key for partition in found.partitions)
    fresh = [pair for pair in found.pairs if pair.section.document not in trained_on][:MOST_JUDGED]
    return [AskedIn(pair.question, scope, {pair.section.chunk: 1}) for pair in fresh]


def _scope(corpus: Corpus) -> tuple[str, ...]:
    return tuple(partition.key for partition in corpus.partitions.all())
