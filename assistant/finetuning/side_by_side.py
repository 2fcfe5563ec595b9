"""The answers behind a judgement. Each is made from a row's passages and from all that the adapter was trained on, so it is shown
to who may read both."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import F, Q, QuerySet

from assistant.finetuning.choosing import trained_documents
from assistant.finetuning.models import JudgedAnswer, SpecialistVersion
from assistant.finetuning.permissions import visible_rows
from ingestion.permissions import readable_documents

ALL = "all"
WHICH = {ALL: "All", "better": "Better", "worse": "Worse", "planted": "With a planted instruction"}
_FILTERS = {
    ALL: Q(), "better": Q(candidate_score__gt=F("incumbent_score")), "worse": Q(candidate_score__lt=F("incumbent_score")),
    "planted": Q(is_planted=True),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """`hidden`: how many this person may not read. `is_closed`: none, since one of the two was trained on what they may not."""

    rows: QuerySet[JudgedAnswer]
    counts: tuple[int, ...]  # of each of WHICH
    hidden: int
    is_closed: bool

    def of(self, which: str) -> QuerySet[JudgedAnswer]:
        return self.rows.filter(_FILTERS[which]).select_related("row__document")


def judged_answers_for(user: User, version: SpecialistVersion) -> JudgedAnswers:
    every = version.judged_answers.all()
    names = [version.adapter_name, version.judgement.get("incumbent", "")]
    behind = set[int]().union(*(trained_documents(name) for name in names))
    is_closed = readable_documents(user).filter(pk__in=behind).count() < len(behind)
    rows = every.none() if is_closed else every.filter(row__in=visible_rows(user, version.data_set).values("pk"))
    counts = tuple(rows.filter(condition).count() for condition in _FILTERS.values())
    return JudgedAnswers(rows, counts, every.count() - counts[0], is_closed)
