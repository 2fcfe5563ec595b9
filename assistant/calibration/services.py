"""Each corpus's risk and calibration: which count, how they are changed, and how they are learnt from judged answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from assistant.calibration.models import CorpusCalibration, RefusalJudgement
from assistant.models import Answer, AnswerState, Feedback
from ingestion.models import Chunk, Corpus
from retrieval.search import SearchResult
from specialists.composition.ranking import Found
from specialists.composition.types import Evidence
from specialists.errors import SpecialistError
from specialists.reader.decoding import Reading
from specialists.refusal.calibrator import DEFAULT_RISK, Calibrator, Judged, adapt, check_fitted_for, shipped, vector
from specialists.refusal.deciding import Refusal, decide, shipped_threshold
from specialists.refusal.features import FEATURES
from specialists.refusal.measures import NOTHING, Threshold, choose_threshold

LEAST_JUDGED = 40  # fewer say less than the shipped calibration does
LEAST_TO_CHOOSE = 100
LEAST_UNANSWERABLE = 0.2  # of the golden questions that may loosen: without them an answer to such a question costs nothing
LEAST_RISK, MOST_RISK = 0.01, 0.30
_WRONG = (Feedback.Reason.NONE, Feedback.Reason.WRONG, Feedback.Reason.WRONG_SOURCE, Feedback.Reason.OUTDATED)


@dataclass(frozen=True, slots=True)
class Setting:
    """What counts for a corpus. `is_own`: its slope and intercept were learnt there, from `judged` answers; the threshold's value
    is then its own, and what was measured of it is not in `threshold`. `is_complete`: from golden questions alone, so that it may
    answer more than what is shipped."""

    risk: float
    calibrator: Calibrator
    threshold: Threshold
    is_own: bool = False
    judged: int = 0
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Lessons:
    """A corpus's judged answers, features and verdicts (1 right, 0 wrong). `is_complete`: those to golden questions alone. People
    judge what they were shown; a golden question is judged by what would have been said, shown or not. So enough of them, with
    enough that no document answers, show what was refused without need."""

    pairs: tuple[tuple[dict[str, float], float], ...]
    is_complete: bool

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def rows(self) -> NDArray[np.float64]:
        return np.array([vector(features) for features, _ in self.pairs])

    @property
    def is_right(self) -> NDArray[np.float64]:
        return np.array([verdict for _, verdict in self.pairs])

    def under(self, calibrator: Calibrator) -> Judged:
        """With the probabilities that this calibrator states."""
        return Judged(calibrator.probabilities(self.rows), self.is_right) if self.pairs else Judged(np.zeros(0), np.zeros(0))


def is_readable() -> bool:
    """Whether the installed calibration can be used."""
    try:
        return bool(shipped())
    except SpecialistError:
        return False


def reader_trouble() -> str:
    """Why the installed reader does not answer; empty when it does."""
    from specialists.reader.serving import get_reader

    try:
        check_fitted_for(get_reader().name)
    except SpecialistError as error:
        return error.public_message
    return ""


def setting_of(corpus_id: int | None) -> Setting:
    row = CorpusCalibration.objects.filter(corpus=corpus_id).first() if corpus_id else None
    risk = row.risk if row else DEFAULT_RISK
    base, threshold = shipped().calibrator, shipped_threshold(risk)
    if row is None or row.slope is None or row.intercept is None or row.base != base_name():
        return Setting(risk, base, threshold)
    if row.is_complete and not _is_complete(_golden_in(row.corpus_id)):  # golden questions were changed or deleted since
        return Setting(risk, base, threshold)
    own = replace(base, slope=row.slope, intercept=row.intercept)
    setting = Setting(risk, own, threshold, True, row.judged, row.is_complete)
    return replace(setting, threshold=own_threshold(setting, risk, row.threshold))


def own_threshold(setting: Setting, risk: float, chosen: float | None) -> Threshold:
    """For a corpus with its own calibrator. `chosen`: on its own judged answers, None when those are too few. Unless it was
    learnt from golden questions, it is at least as strict as what is shipped, by the own probability and by the shipped one."""
    base, threshold, own = shipped().calibrator, shipped_threshold(risk), setting.calibrator
    if chosen is not None and chosen > 1:
        return NOTHING
    if setting.is_complete and chosen is not None:
        return replace(threshold, value=chosen)
    if threshold.answers_nothing:
        return NOTHING
    same = 0.0 if setting.is_complete else own.probability_at(base.raw_at(threshold.value))
    return replace(threshold, value=max(threshold.value, same, chosen or 0.0))


def chosen_on(own: Judged, risk: float) -> float | None:
    """The threshold on a corpus's own judged answers, above 1 when none keeps the risk; None when they are too few."""
    return choose_threshold(own.probability, own.is_right, risk=risk).value if len(own) >= LEAST_TO_CHOOSE else None


def base_name() -> str:
    """What a corpus's own slope and intercept belong to: other weights under them make them worthless."""
    base = shipped().calibrator
    return hashlib.sha256(repr((shipped().reader, base)).encode()).hexdigest()


def decide_for(
    question: str,
    reading: Reading,
    spans: Sequence[Found],
    evidence: Sequence[Evidence],
    found: SearchResult,
    chunks: Mapping[int, Chunk],
) -> tuple[Refusal, dict[str, Any]]:
    """The decision under the setting of the corpus that would be quoted, and what Answer.refusal keeps of it."""
    corpus_id = chunks[spans[0].evidence.passage].document.corpus_id if spans else None
    setting = setting_of(corpus_id)
    calibrator, threshold, risk = setting.calibrator, setting.threshold, setting.risk
    refusal = decide(question, reading, spans, evidence, found, calibrator=calibrator, threshold=threshold, risk=risk)
    kept = {
        "corpus": corpus_id,
        "risk": risk,
        "probability": round(refusal.probability, 4),
        "threshold": round(refusal.threshold, 4),
        "reason": refusal.reason,
        "missing": list(refusal.missing),
        "features": refusal.features,
    }
    return refusal, kept


def set_risk(*, corpus: Corpus, risk: float) -> CorpusCalibration:
    """`risk`: the share of answers that may be wrong, within LEAST_RISK and MOST_RISK; ValueError outside of them."""
    if not LEAST_RISK <= risk <= MOST_RISK:
        raise ValueError("The risk is outside of what can be set.")
    row = CorpusCalibration.objects.update_or_create(corpus=corpus, defaults={"risk": round(risk, 4)})[0]
    return _with_threshold(row)


def _with_threshold(row: CorpusCalibration) -> CorpusCalibration:
    """The threshold for the row's risk on its corpus's own judged answers, when they are enough to choose one."""
    setting = setting_of(row.corpus_id)
    row.threshold = chosen_on(lessons_of(row.corpus).under(setting.calibrator), row.risk) if setting.is_own else None
    row.save(update_fields=["threshold"])
    return row


def record_golden(*, answer: Answer, key: str, is_right: bool, is_unanswerable: bool = False) -> None:
    """Keep what a golden question's answer was decided on; the newest judgement of a question counts."""
    corpus_id, features = answer.refusal.get("corpus"), answer.refusal.get("features")
    if corpus_id and features:
        judged = {"features": features, "is_right": is_right, "is_unanswerable": is_unanswerable, "reader": answer.model}
        RefusalJudgement.objects.update_or_create(corpus_id=corpus_id, key=key[:80], defaults=judged)


def forget_golden(*, key: str) -> None:
    """What was judged by a golden question that is gone, or that asks for something else now, teaches nothing."""
    RefusalJudgement.objects.filter(key=key).delete()


def lessons_of(corpus: Corpus) -> Lessons:
    """The corpus's answers by the reader that the calibration belongs to, as people and golden questions judged them; the golden
    ones alone once they are complete."""
    if not is_readable():
        return Lessons((), False)
    golden = _golden_in(corpus.pk)
    pairs = [(row.features, float(row.is_right)) for row in golden.order_by("pk") if _has_features(row.features)]
    if _is_complete(golden):
        return Lessons(tuple(pairs), True)
    return Lessons((*_opinions_on(corpus), *pairs), False)


def _golden_in(corpus_id: int) -> QuerySet[RefusalJudgement]:
    return RefusalJudgement.objects.filter(corpus=corpus_id, reader=shipped().reader)


def _is_complete(golden: QuerySet[RefusalJudgement]) -> bool:
    """Counted in the database, since every question asks it."""
    found = golden.aggregate(judged=Count("pk"), unanswerable=Count("pk", filter=Q(is_unanswerable=True)))
    return found["judged"] >= LEAST_JUDGED and found["unanswerable"] >= LEAST_UNANSWERABLE * found["judged"]


def _opinions_on(corpus: Corpus) -> list[tuple[dict[str, float], float]]:
    """People's feedback, the newest on each question. What says neither (incomplete, or that a refusal was wrong) is left out."""
    opinions = Feedback.objects.filter(
        answer__refusal__corpus=corpus.pk, answer__state=AnswerState.ANSWERED, answer__model=shipped().reader
    )
    opinions = opinions.filter(verdict=Feedback.Verdict.HELPFUL) | opinions.filter(reason__in=_WRONG)
    newest: dict[str, tuple[Any, float]] = {}
    names = ("answer__standalone_question", "answer__question", "answer__refusal__features", "verdict")
    for understood, typed, features, verdict in opinions.values_list(*names).order_by("updated_at", "pk"):
        newest[" ".join((understood or typed).lower().split())] = (features, float(verdict == Feedback.Verdict.HELPFUL))
    return [pair for pair in newest.values() if _has_features(pair[0])]


def _has_features(features: Any) -> bool:
    return isinstance(features, dict) and features.keys() >= set(FEATURES)


def learn(*, corpus: Corpus) -> CorpusCalibration | None:
    """Fit the corpus's own slope and intercept, shrunk to the shipped ones. When too little is judged (any more), None: the
    shipped ones count."""
    lessons = lessons_of(corpus)
    if len(lessons) < LEAST_JUDGED:
        CorpusCalibration.objects.filter(corpus=corpus).update(slope=None, intercept=None, threshold=None, judged=0)
        return None
    base = shipped().calibrator
    own = adapt(base, base.raw(lessons.rows), lessons.is_right)
    learnt = {
        "slope": own.slope,
        "intercept": own.intercept,
        "judged": len(lessons),
        "is_complete": lessons.is_complete,
        "base": base_name(),
        "fitted_at": timezone.now(),
    }
    return _with_threshold(CorpusCalibration.objects.update_or_create(corpus=corpus, defaults=learnt)[0])
