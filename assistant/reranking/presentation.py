"""What a corpus's reranking does and why, in words: for its page, for the page of the choice, and for the command."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from assistant.reranking.models import Choice, CorpusReranking, MeasuringState
from assistant.reranking.using import LEAST_QUESTIONS, Verdict, is_used, verdict_on
from ingestion.models import Corpus

PUBLIC = (
    "it gained 5.8 points on one of the four public sets that it was measured on, more than it cost on the others (0.2 to 2.4)"
)
OWN = "an administrator has installed it"


@dataclass(frozen=True, slots=True)
class Shown:
    """`figures`: empty where nothing was measured; `progress`: while it is being measured, or why it could not be."""

    choice: str
    is_used: bool
    state: str
    why: str
    figures: str
    progress: str
    row: CorpusReranking


def present_reranking(corpus: Corpus) -> Shown:
    row = CorpusReranking.objects.filter(corpus=corpus).first() or CorpusReranking(corpus=corpus)
    used = is_used(row)
    return Shown(
        choice=row.choice,
        is_used=used,
        state="Reranking is used." if used else "Reranking is not used.",
        why=_why(row),
        figures=_figures(row),
        progress=_progress(row),
        row=row,
    )


def _why(row: CorpusReranking) -> str:
    if row.choice != Choice.AUTOMATIC:
        return f"It is switched {row.choice} for this corpus, whatever its questions show."
    verdict = verdict_on(row)
    if verdict is Verdict.HELPS:
        return f"Its own questions show that it helps: {_gain(row)}."
    if verdict is Verdict.DOES_NOT:
        return f"Its own questions do not show that it helps: {_gain(row)}. Answers come a little sooner without it."
    because = PUBLIC if settings.SPECIALISTS_DIR == settings.BASE_DIR / "specialists" / "trained" else OWN
    if row.questions < LEAST_QUESTIONS:
        few = f"{_counted(row.questions)} with a known source" if row.questions else "No question with a known source"
        return f"{few}: too few to tell, since {LEAST_QUESTIONS} are needed. Until then it is used, because {because}."
    return f"Its own questions cannot tell: {_gain(row)}. So it is used, because {because}."


def _figures(row: CorpusReranking) -> str:
    if not row.questions:
        return ""
    came = f"{row.first_after} of {_counted(row.questions)}, {row.first_before} without it"
    return f"Reranking put the right source first for {came}."


def _gain(row: CorpusReranking) -> str:
    """With the interval, in the words of a mean over questions."""
    ends = f"{row.low:+.1f} to {row.high:+.1f} with 95% confidence"
    return f"nDCG@10 {row.ndcg_before:.1f} without it and {row.ndcg_after:.1f} with it ({row.gain:+.1f}, {ends})"


def _progress(row: CorpusReranking) -> str:
    if row.is_open:
        return f"Being measured: {len(row.found)} of {row.total} questions." if row.total else "Waiting to be measured."
    return f"It could not be measured: {row.error_message}" if row.state == MeasuringState.FAILED else ""


def _counted(questions: int) -> str:
    return f"{questions} question{'' if questions == 1 else 's'}"
