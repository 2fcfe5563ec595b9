"""A trial on its version's page: counts for whoever manages the specialist, and the words of both only for questions that they
asked themselves, since a conversation is its owner's alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import mean, median

from django.contrib.auth.models import User
from django.db.models import Count, Q

from assistant.finetuning.choosing import documents_behind_all, trained_documents
from assistant.finetuning.models import SpecialistVersion
from assistant.finetuning.trials.models import Trial, TrialAnswer, TrialAnswerState, TrialKind
from assistant.models import AnswerState, Feedback
from ingestion.permissions import readable_documents

PAIRS_SHOWN = 10
NONE = "–"


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A measure of both, in words."""

    label: str
    incumbent: str
    candidate: str


@dataclass(frozen=True, slots=True)
class ShownPair:
    """One question with what both wrote; empty where it was not answered."""

    question: str
    answer_id: int
    conversation_id: int
    shown: str
    candidate: str


@dataclass(frozen=True, slots=True)
class ShownTrial:
    row: Trial
    whom: str  # it answers
    incumbent: str
    done: int
    waiting: int
    failed: int
    failure: str  # the last one's sentence
    lines: tuple[ShownLine, ...]
    agreement: tuple[str, ...]  # of an unseen trial, as sentences
    pairs: tuple[ShownPair, ...]


def show_trials(version: SpecialistVersion, viewer: User) -> list[ShownTrial]:
    """The newest first."""
    trials = version.trials.select_related("incumbent__specialist", "group", "started_by")
    return [_shown(trial, viewer) for trial in trials]


def _shown(trial: Trial, viewer: User) -> ShownTrial:
    rows = list(trial.answers.only("state", "is_candidate", "was_answered", "is_answered", "shown_ms", "candidate_ms",
                                   "agreement", "same_sources", "error_message"))  # fmt: skip
    done = [row for row in rows if row.state == TrialAnswerState.DONE]
    failed = [row for row in rows if row.state == TrialAnswerState.FAILED]
    return ShownTrial(
        row=trial, whom=_whom(trial), incumbent=f"Version {trial.incumbent.number}" if trial.incumbent else "Base model",
        done=len(done), waiting=sum(row.state == TrialAnswerState.QUEUED for row in rows), failed=len(failed),
        failure=failed[-1].error_message if failed else "",
        lines=tuple(_unseen_lines(done) if trial.is_shadow else _seen_lines(trial, done)) if done else (),
        agreement=tuple(_agreement(done)) if trial.is_shadow and done else (),
        pairs=tuple(_pairs(trial, viewer)) if trial.is_shadow else (),
    )  # fmt: skip


def _whom(trial: Trial) -> str:
    if trial.kind == TrialKind.GROUP:
        return f"for the group {trial.group.name}" if trial.group else "for a group that is gone"
    part = "all" if trial.share == 100 else f"{trial.share} %"
    return f"unseen, on {part} of the questions" if trial.is_shadow else f"for {part} of the people"


def _unseen_lines(done: Sequence[TrialAnswer]) -> list[ShownLine]:
    return [
        ShownLine("Questions answered", _share([row.was_answered for row in done]), _share([row.is_answered for row in done])),
        _seconds([row.shown_ms for row in done], [row.candidate_ms for row in done if row.candidate_ms is not None]),
    ]


def _seen_lines(trial: Trial, done: Sequence[TrialAnswer]) -> list[ShownLine]:
    arms = [[row for row in done if row.is_candidate == is_candidate] for is_candidate in (False, True)]
    votes = _votes(trial)
    return [
        ShownLine("Answers", *(f"{len(arm):,}" for arm in arms)),
        ShownLine("Questions answered", *(_share([row.was_answered for row in arm]) for arm in arms)),
        ShownLine("Found helpful by those who said", *(_helpful(votes.get(is_candidate)) for is_candidate in (False, True))),
        _seconds(*([row.shown_ms for row in arm] for arm in arms)),
    ]


def _votes(trial: Trial) -> dict[bool, tuple[int, int]]:
    """By arm, how many said that an answer was helpful, of how many."""
    helpful = Count("pk", filter=Q(answer__feedback__verdict=Feedback.Verdict.HELPFUL))
    rows = trial.answers.filter(answer__feedback__isnull=False).order_by().values("is_candidate")
    return {item["is_candidate"]: (item["helpful"], item["all"]) for item in rows.annotate(helpful=helpful, all=Count("pk"))}


def _helpful(votes: tuple[int, int] | None) -> str:
    return f"{100 * votes[0] / votes[1]:.0f} % of {votes[1]}" if votes else NONE


def _agreement(done: Sequence[TrialAnswer]) -> list[str]:
    both = [row for row in done if row.agreement is not None and row.same_sources is not None]
    found = []
    if both:
        words, sources = (100 * mean(getattr(row, name) for row in both) for name in ("agreement", "same_sources"))
        found.append(
            f"Of {_answers(len(both))} that both wrote, {words:.0f} % of the words and {sources:.0f} % of the sources agree."
        )
    lost, won, neither = (
        sum((row.was_answered, bool(row.is_answered)) == which for row in done)
        for which in ((True, False), (False, True), (False, False))
    )  # fmt: skip
    found.append(f"Only what is in use answered: {lost}. Only this version: {won}. Neither: {neither}.")
    return found


def _pairs(trial: Trial, viewer: User) -> list[ShownPair]:
    """The last ones that the viewer asked, with the words that they may still read."""
    rows = trial.answers.filter(state=TrialAnswerState.DONE, answer__conversation__user=viewer).order_by("-pk")
    kept = list(rows.select_related("answer__conversation")[:PAIRS_SHOWN])
    behind = documents_behind_all([row.answer for row in kept])
    trained = trained_documents(trial.version.adapter_name)
    cited = {row.pk: {int(item.get("document", 0)) for item in row.answer.passages} for row in kept}
    every = trained.union(*behind.values(), *cited.values())
    readable = set(readable_documents(viewer).filter(pk__in=every).values_list("pk", flat=True))
    return [_pair(row, behind[row.answer_id], trained | cited[row.pk], readable) for row in kept]


def _pair(row: TrialAnswer, behind: Collection[int], behind_candidate: Collection[int], readable: set[int]) -> ShownPair:
    hidden = "From documents that you may not read any more."
    was_shown = row.answer.text if row.answer.state == AnswerState.ANSWERED else ""
    written = " ".join(item["text"] for item in row.sentences)
    return ShownPair(
        row.answer.question, row.answer_id, row.answer.conversation_id,
        was_shown if readable.issuperset({*behind, *behind_candidate}) or not was_shown else hidden,
        written if readable.issuperset(behind_candidate) or not written else hidden,
    )  # fmt: skip


def _answers(count: int) -> str:
    return f"{count:,} answer{'' if count == 1 else 's'}"


def _share(values: Sequence[bool | None]) -> str:
    return f"{100 * sum(map(bool, values)) / len(values):.0f} %" if values else NONE


def _seconds(incumbent: Sequence[float], candidate: Sequence[float]) -> ShownLine:
    words = (f"{median(values) / 1000:.2f}" if values else NONE for values in (incumbent, candidate))
    return ShownLine("Seconds for an answer, median", *words)
