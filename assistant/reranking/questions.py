"""A corpus's questions whose source is known: golden questions, reviewed examples, and answers that somebody found helpful.

Nobody is shown any of them here: what is kept is how many came how far up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, F, Max, QuerySet

from assistant.embedders.questions import AskedIn, golden_questions
from assistant.golden.editing import key_of
from assistant.golden.models import Expectation, GoldenQuestion
from assistant.models import AnswerState, Feedback
from ingestion.models import Chunk, Corpus
from specialists.models import TrainingExample

MOST_QUESTIONS = 400


@dataclass(frozen=True, slots=True)
class Known:
    """`is_accepted`: the source is what an answer cited, so an order that hid it is not among these questions (measuring.py)."""

    asked: AskedIn
    is_accepted: bool = False


def known_questions(corpus: Corpus) -> list[Known]:
    """Each wording once, as what it is first."""
    found: dict[str, Known] = {}
    for known in (*_golden(corpus), *_reviewed(corpus), *_accepted(corpus)):
        found.setdefault(key_of(known.asked.question), known)
    return list(found.values())[:MOST_QUESTIONS]


def corpora_with_questions() -> set[int]:
    golden = _golden_rows().values_list("corpus", flat=True)
    accepted = _opinions().values_list("answer__citations__document__corpus", flat=True)
    examples = _examples().values_list("corpus_id", flat=True)
    return {pk for pk in (*golden.distinct(), *examples.distinct(), *accepted.distinct()) if pk is not None}


def stamp_of(corpus: Corpus) -> str:
    """Another one when a question came, changed or went; without reading them, since it is asked every minute."""
    golden = _golden_rows().filter(corpus=corpus).aggregate(Count("pk"), Max("updated_at"))
    opinions = _opinions().filter(answer__citations__document__corpus=corpus)
    examples = _examples().filter(corpus_id=corpus.pk).aggregate(Count("pk"), Max("pk"))
    return repr([*golden.values(), *opinions.aggregate(Count("pk"), Max("updated_at")).values(), *examples.values()])


def _golden_rows() -> QuerySet[GoldenQuestion]:
    return GoldenQuestion.objects.filter(expects=Expectation.ANSWER).exclude(document_name="")


def _examples() -> QuerySet[TrainingExample]:
    rows = TrainingExample.objects.filter(is_reviewed=True, is_removed=False, label=TrainingExample.Label.ANSWERABLE)
    return rows.exclude(document_id=None).exclude(answer="").order_by("pk")


def _opinions() -> QuerySet[Feedback]:
    return Feedback.objects.filter(
        verdict=Feedback.Verdict.HELPFUL, answer__state=AnswerState.ANSWERED, answer__summary_of=None,
        answer__conversation__is_internal=False,
    ).order_by("-pk")  # fmt: skip


def _golden(corpus: Corpus) -> Iterator[Known]:
    yield from (Known(asked) for asked in golden_questions([corpus]))


def _reviewed(corpus: Corpus) -> Iterator[Known]:
    """Right are the passages of the example's document that hold its words."""
    for row in _examples().filter(corpus_id=corpus.pk):
        chunks = _live(corpus).filter(document=row.document_id, text__contains=row.answer)
        right = list(chunks.values_list("pk", flat=True))
        if right:
            is_accepted = row.source.startswith("feedback:")  # its passage is what an answer quoted
            yield Known(AskedIn(row.question, _scope(corpus), dict.fromkeys(right, 1)), is_accepted)


def _accepted(corpus: Corpus) -> Iterator[Known]:
    opinions = _opinions().filter(answer__citations__document__corpus=corpus).distinct()
    for opinion in opinions.select_related("answer")[:MOST_QUESTIONS]:
        answer = opinion.answer
        cited = list(answer.citations.values_list("passage_id", flat=True))
        right = list(_live(corpus).filter(pk__in=cited).values_list("pk", flat=True))
        if right:
            asked = answer.standalone_question or answer.question
            yield Known(AskedIn(asked, _scope(corpus), dict.fromkeys(right, 1)), is_accepted=True)


def _live(corpus: Corpus) -> QuerySet[Chunk]:
    return Chunk.objects.filter(document__corpus=corpus, revision=F("document__revision"))


def _scope(corpus: Corpus) -> tuple[str, ...]:
    return tuple(partition.key for partition in corpus.partitions.order_by("pk"))
