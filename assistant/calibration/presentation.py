"""What the calibration page says of a corpus: its setting in words, the curves, and what other settings would mean."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.calibration.charts import Chart, draw_reliability, draw_risk
from assistant.calibration.services import LEAST_JUDGED, Setting, chosen_on, lessons_of, own_threshold, setting_of
from ingestion.models import Corpus
from specialists.measures import auroc
from specialists.refusal import measures
from specialists.refusal.calibrator import Judged, shipped
from specialists.refusal.deciding import shipped_threshold
from specialists.refusal.measures import Bin, Threshold

OTHER_RISKS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30)
CURVE_ROWS = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """What a risk would mean: the threshold, and what it does to the questions that are shown."""

    risk: float
    threshold: Threshold
    came: Threshold
    is_set: bool

    @property
    def percent(self) -> int:
        return round(self.risk * 100)


@dataclass(frozen=True, slots=True)
class CalibrationPage:
    corpus: Corpus
    setting: Setting
    words: str
    came: Threshold
    shown: Judged
    texts: str  # what the shipped questions are about
    judged_here: int
    missing: int
    is_complete: bool  # whether what would be learnt now may answer more than what is shipped
    auroc: float
    ece: float
    aurc: float
    risk_chart: Chart | None
    reliability_chart: Chart | None
    curve: tuple[tuple[float, float], ...]
    bins: tuple[Bin, ...]
    choices: tuple[Choice, ...]

    @property
    def percent(self) -> int:
        return round(self.setting.risk * 100)


def present_calibration(corpus: Corpus) -> CalibrationPage:
    """From the corpus's own judged answers once they have been learnt from, else from the shipped held-out questions."""
    setting = setting_of(corpus.pk)
    lessons = lessons_of(corpus)
    own = lessons.under(setting.calibrator) if setting.is_own else None
    shown = own if own is not None and len(own) >= LEAST_JUDGED else shipped().held_out
    probability, is_right = shown.probability, shown.is_right
    came = measures.applied(probability, is_right, setting.threshold.value)
    curve = measures.risk_coverage_curve(probability, is_right)
    return CalibrationPage(
        corpus=corpus,
        setting=setting,
        words=_own_words(setting, came, shown is own, len(shown))
        if setting.is_own
        else in_words(setting.threshold, setting.risk),
        came=came,
        shown=shown,
        texts="an organization’s guides" if "organisation" in (shipped().about or {}) else "encyclopaedia articles",
        judged_here=len(lessons),
        missing=max(LEAST_JUDGED - len(lessons), 0),
        is_complete=lessons.is_complete,
        auroc=auroc(probability, is_right),
        ece=measures.expected_calibration_error(probability, is_right),
        aurc=measures.aurc(probability, is_right),
        risk_chart=draw_risk(shown, setting.risk, came),
        reliability_chart=draw_reliability(shown),
        curve=tuple(curve[round(len(curve) * part / CURVE_ROWS) - 1] for part in range(1, CURVE_ROWS + 1)) if curve else (),
        bins=tuple(measures.reliability(probability, is_right)),
        choices=tuple(_choice(risk, setting, shown, own) for risk in OTHER_RISKS),
    )


def in_words(threshold: Threshold, risk: float) -> str:
    """The setting as a sentence."""
    if threshold.answers_nothing:
        return (
            f"No threshold keeps wrong answers to {risk:.0%} with 95% confidence on the judged questions, so every question is "
            "refused. Allow more, or judge more answers."
        )
    answered, wrong = round(threshold.coverage * 100), round(risk * 100)
    return f"Of 100 questions about {answered} are answered; at most {wrong} of 100 answers are wrong, with 95% confidence."


def _own_words(setting: Setting, came: Threshold, is_here: bool, judged: int) -> str:
    """The setting by the corpus’s own judged answers (`is_here`) or the shipped questions: what was measured, and no promise."""
    if setting.threshold.answers_nothing:
        return in_words(setting.threshold, setting.risk)
    given = f"{came.answered} of {judged} {'judged answers of this corpus' if is_here else 'held-out questions'} are sure enough"
    return f"{given}; {round(came.risk * came.answered)} of them were wrong." if came.answered else f"{given}."


def _choice(risk: float, setting: Setting, shown: Judged, own: Judged | None) -> Choice:
    is_own = setting.is_own and own is not None
    threshold = own_threshold(setting, risk, chosen_on(own, risk)) if is_own and own else shipped_threshold(risk)
    came = measures.applied(shown.probability, shown.is_right, threshold.value)
    return Choice(risk, threshold, came, abs(risk - setting.risk) < 1e-9)
