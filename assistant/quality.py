"""The figures of “Is it good?”: how often people are answered with evidence, how fast, at what cost, and what was not
answered. Counts for administrators; of other people's questions only those that they reported themselves, where the administrator
may read what the answer was made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef

from assistant.golden.models import GoldenRun, RunState
from assistant.golden.permissions import golden_corpora
from assistant.golden.suggesting import Reported, reported_everywhere
from assistant.ledger.report import RoutesReport, counted_answers, report_routes
from assistant.models import AnswerState, Citation
from ingestion.models import Corpus
from specialists.router.types import HUMAN, SMALLTALK

REPORTED_SHOWN = 15


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Where a corpus's golden questions stand. `corpus_link` only for those who may open it."""

    corpus: Corpus
    questions: int
    last: GoldenRun | None
    before: GoldenRun | None
    may_open: bool


@dataclass(frozen=True, slots=True)
class Quality:
    since: datetime | None
    answers: int  # that documents were searched for
    without_search: int  # small talk, and what went to a person at once
    with_evidence: int
    abstained: int
    failed: int
    reasons: tuple[tuple[str, int], ...]
    report: RoutesReport
    evaluations: tuple[Evaluation, ...]
    reported: tuple[Reported, ...]

    @property
    def evidence_share(self) -> float | None:
        return self.with_evidence / self.answers if self.answers else None

    @property
    def abstained_share(self) -> float | None:
        return self.abstained / self.answers if self.answers else None


def quality_for(administrator: User, since: datetime | None) -> Quality:
    every = counted_answers(since)
    answers = every.exclude(route__in=[SMALLTALK, HUMAN]).exclude(state=AnswerState.STOPPED)  # what was stopped says nothing
    states = dict(answers.order_by().values_list("state").annotate(Count("pk")))
    cited = Exists(Citation.objects.filter(answer=OuterRef("pk")))
    reported = reported_everywhere(administrator, REPORTED_SHOWN)
    return Quality(
        since=since,
        answers=sum(states.values()),
        without_search=every.filter(route__in=[SMALLTALK, HUMAN]).count(),
        with_evidence=answers.filter(cited, state=AnswerState.ANSWERED).count(),
        abstained=states.get(AnswerState.ABSTAINED, 0),
        failed=states.get(AnswerState.FAILED, 0),
        reasons=_reasons(reported),
        report=report_routes(since=since),
        evaluations=tuple(_evaluations(administrator)),
        reported=tuple(reported),
    )


def _reasons(reported: Sequence[Reported]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(item.reason for item in reported if item.reason).most_common())


def _evaluations(person: User) -> list[Evaluation]:
    open_to = set(golden_corpora(person).values_list("pk", flat=True))
    corpora = Corpus.objects.annotate(questions=Count("golden_questions")).filter(questions__gt=0)
    found = []
    for corpus in corpora:
        last, before = (*GoldenRun.objects.filter(corpus=corpus, state=RunState.FINISHED)[:2], None, None)[:2]
        found.append(Evaluation(corpus, corpus.questions, last, before, corpus.pk in open_to))
    return found
