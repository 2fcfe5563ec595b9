"""The calibration page, what it changes, and what a corpus learns of its own judged answers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from assistant.calibration import services
from assistant.calibration.models import CorpusCalibration
from assistant.calibration.services import forget_golden, learn, lessons_of, record_golden, setting_of
from assistant.golden.editing import Draft, add_question, calibration_key, change_question, delete_question
from assistant.models import Answer, AnswerState, Feedback
from assistant.services import record_feedback
from ingestion.models import Corpus
from specialists.errors import SpecialistError
from specialists.refusal import calibrator, deciding
from specialists.refusal.calibrator import DEFAULT_RISK, Calibration, Judged, as_json
from specialists.refusal.features import FEATURES
from specialists.refusal.fitting import fit_calibration
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answer
from tests.people import People, make_corpora
from tests.specialists.test_refusal import made_rows

PAGE = "assistant:calibration"


@cache
def fitted() -> Calibration:
    return fit_calibration(made_rows(1500), reader="made", about={})


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Calibration:
    """A calibration of made-up questions instead of the shipped one."""
    calibration = fitted()
    monkeypatch.setattr("assistant.views.calibration.is_installed", lambda: True)
    for module in (calibrator, deciding, services):
        monkeypatch.setattr(module, "shipped", lambda: calibration)
    monkeypatch.setattr("assistant.calibration.presentation.shipped", lambda: calibration)
    return calibration


@pytest.fixture
def corpora(people: People) -> tuple[Corpus, Corpus]:
    return make_corpora(people)


def page_of(person: Any, corpus: Corpus) -> str:
    return text_of(client_of(person), f"{reverse(PAGE)}?corpus={corpus.slug}")


def change(person: Any, corpus: Corpus, **form: str) -> Any:
    return client_of(person).post(reverse("assistant:change_calibration", args=[corpus.slug]), form, follow=True)


def judge(
    people: People, corpus: Corpus, count: int, share_right: float, *, asked: str = "Question", odds: float = 3.0,
    reader: str = "made",
) -> None:  # fmt: skip
    """Answers from the corpus that people found right or wrong; the reader was always as sure."""
    for number in range(count):
        features = dict.fromkeys(FEATURES, 0.0) | {"null_odds": odds, "cosine_sentence": 0.6}
        kept = {"corpus": corpus.pk, "features": features}
        row = make_answer(people.ben, f"{asked} {number}?", state=AnswerState.ANSWERED, refusal=kept, model=reader)
        record_feedback(answer=row, user=people.ben, verdict="helpful" if number < count * share_right else "not_helpful")


def test_it_says_what_the_setting_means(people: People, corpora: tuple[Corpus, Corpus], made: Calibration) -> None:
    page = page_of(people.ada, corpora[0])
    answered = round(made.threshold(DEFAULT_RISK).coverage * 100)
    assert f"Of 100 questions about {answered} are answered; at most 20 of 100 answers are wrong, with 95% confidence." in page
    assert page.count('<svg class="chart"') == 2
    assert page.count("<polyline") == 4
    assert 'aria-labelledby="risk-chart-words"' in page


def test_it_sets_a_corpus_s_risk_and_no_other_s(people: People, corpora: tuple[Corpus, Corpus]) -> None:
    handbook, sales = corpora
    page = change(people.olga, sales, risk="30").content.decode()
    assert "at most 30% of the answers from “Sales” may be wrong" in page
    assert 'value="30"' in page
    assert setting_of(sales.pk).risk == 0.3
    assert setting_of(handbook.pk).risk == DEFAULT_RISK
    assert setting_of(sales.pk).threshold.value < setting_of(handbook.pk).threshold.value


@pytest.mark.parametrize("risk", ["0", "31", "", "ten", "nan", "inf", "-5", "1.4"])
def test_it_refuses_a_risk_that_is_none(people: People, corpora: tuple[Corpus, Corpus], risk: str) -> None:
    page = change(people.ada, corpora[0], risk=risk).content.decode()
    assert "Type a whole number from 1% to 30%" in page
    assert not CorpusCalibration.objects.exists()


def test_it_says_when_no_threshold_keeps_the_promise(
    people: People, corpora: tuple[Corpus, Corpus], monkeypatch: pytest.MonkeyPatch, made: Calibration
) -> None:
    hopeless = Calibration(made.calibrator, Judged(np.full(200, 0.5), np.zeros(200)), made.held_out)
    for module in (deciding, services):
        monkeypatch.setattr(module, "shipped", lambda: hopeless)
    page = page_of(people.ada, corpora[0])
    assert "No threshold keeps wrong answers to 20%" in page
    assert "every question is refused" in page


def test_it_shows_only_the_corpora_that_one_manages(people: People, corpora: tuple[Corpus, Corpus]) -> None:
    handbook, sales = corpora
    assert "Handbook" not in text_of(client_of(people.olga), reverse(PAGE))
    text_of(client_of(people.olga), f"{reverse(PAGE)}?corpus={handbook.slug}", 404)
    text_of(client_of(people.ben), reverse(PAGE), 404)
    other = reverse("assistant:change_calibration", args=[handbook.slug])
    assert client_of(people.olga).post(other, {"risk": "5"}).status_code == 404
    assert "Sales" in text_of(client_of(people.ada), f"{reverse(PAGE)}?corpus={sales.slug}")


def test_it_learns_from_judged_answers_once_there_are_enough(people: People, corpora: tuple[Corpus, Corpus]) -> None:
    handbook, sales = corpora
    judge(people, handbook, 39, 0.5)
    assert "Once 1 more answer of this corpus has been judged" in page_of(people.ada, handbook)
    assert "Too few answers have been judged" in change(people.ada, handbook, learn="1").content.decode()
    judge(people, handbook, 40, 0.2, asked="Another question")
    before = setting_of(handbook.pk)
    assert "Learnt from 79 judged answers." in change(people.ada, handbook, learn="1").content.decode()
    after = setting_of(handbook.pk)
    features = dict.fromkeys(FEATURES, 0.0) | {"null_odds": 3.0, "cosine_sentence": 0.6}
    assert after.is_own
    assert after.calibrator.probability(features) < before.calibrator.probability(features) - 0.1
    assert not setting_of(sales.pk).is_own


def test_it_answers_nothing_where_its_own_answers_show_that_no_threshold_keeps_the_risk(
    people: People, corpora: tuple[Corpus, Corpus]
) -> None:  # fmt: skip
    judge(people, corpora[0], 120, 0.5)
    learn(corpus=corpora[0])
    assert setting_of(corpora[0].pk).threshold.answers_nothing
    assert "No threshold keeps wrong answers to 20%" in page_of(people.ada, corpora[0])


def test_it_never_learns_to_show_what_the_shipped_threshold_refuses(
    people: People, corpora: tuple[Corpus, Corpus], made: Calibration
) -> None:  # fmt: skip
    judge(people, corpora[0], 60, 1.0)
    learn(corpus=corpora[0])
    setting = setting_of(corpora[0].pk)
    for odds in np.linspace(-4, 6, 41):
        features = dict.fromkeys(FEATURES, 0.0) | {"null_odds": float(odds), "cosine_sentence": 0.6}
        if setting.calibrator.probability(features) >= setting.threshold.value:
            assert made.calibrator.probability(features) >= made.threshold(DEFAULT_RISK).value
    page = page_of(people.ada, corpora[0])
    assert "60 of 60 judged answers of this corpus are sure enough; 0 of them were wrong." in page
    assert "with 95% confidence" not in page


def record_golden_answers(
    people: People, corpus: Corpus, count: int, share_right: float, odds: float, *, unanswerable: float = 0.25
) -> None:  # fmt: skip
    """Golden questions of which the reader was as sure, and, of all, a share that no document answers, of which it was not."""
    for number in range(count):
        is_unanswerable = number >= count * (1 - unanswerable)
        features = dict.fromkeys(FEATURES, 0.0) | {"null_odds": -6.0 if is_unanswerable else odds, "cosine_sentence": 0.6}
        row = make_answer(people.ben, "Golden?", refusal={"corpus": corpus.pk, "features": features}, model="made")
        is_right = not is_unanswerable and number < count * (1 - unanswerable) * share_right
        record_golden(answer=row, key=f"golden {number}", is_right=is_right, is_unanswerable=is_unanswerable)


def just_refused(made: Calibration) -> float:
    """The highest odds at which the shipped calibration refuses."""
    return float(
        next(
            odds
            for odds in np.linspace(6, -4, 101)
            if not _is_answered(made.calibrator, made.threshold(DEFAULT_RISK).value, odds)
        )
    )


@pytest.mark.parametrize("count", [60, 120])
def test_golden_questions_show_what_was_refused_without_need(
    people: People, corpora: tuple[Corpus, Corpus], made: Calibration, count: int
) -> None:  # fmt: skip
    odds = just_refused(made)
    record_golden_answers(people, corpora[0], count, 1.0, odds)
    judge(people, corpora[0], 30, 0.0, odds=odds)  # complete as they are, golden questions alone decide
    learn(corpus=corpora[0])
    setting = setting_of(corpora[0].pk)
    assert (setting.is_complete, setting.judged) == (True, count)
    assert _is_answered(setting.calibrator, setting.threshold.value, odds)
    assert "never less strict" not in page_of(people.ada, corpora[0])
    assert not setting_of(corpora[1].pk).is_own


@pytest.mark.parametrize(("count", "unanswerable"), [(39, 0.25), (120, 0.1)])
def test_golden_questions_that_are_few_or_all_have_an_answer_loosen_nothing(
    people: People, corpora: tuple[Corpus, Corpus], made: Calibration, count: int, unanswerable: float
) -> None:  # fmt: skip
    odds = just_refused(made)
    record_golden_answers(people, corpora[0], count, 1.0, odds, unanswerable=unanswerable)
    judge(people, corpora[0], 20, 1.0, odds=odds)
    learn(corpus=corpora[0])
    setting = setting_of(corpora[0].pk)
    assert setting.is_own
    assert not _is_answered(setting.calibrator, setting.threshold.value, odds)
    page = page_of(people.ada, corpora[0])
    assert "never less strict" in page
    assert "Forty golden questions, a fifth of them without an answer" in page


def test_golden_questions_that_no_threshold_suits_answer_nothing(people: People, corpora: tuple[Corpus, Corpus]) -> None:
    record_golden_answers(people, corpora[0], 120, 0.5, 3.0)
    learn(corpus=corpora[0])
    assert setting_of(corpora[0].pk).threshold.answers_nothing


def test_what_golden_questions_loosened_is_shut_when_they_are_gone(
    people: People, corpora: tuple[Corpus, Corpus], made: Calibration
) -> None:  # fmt: skip
    odds = just_refused(made)
    record_golden_answers(people, corpora[0], 60, 1.0, odds)
    learn(corpus=corpora[0])
    for number in range(30):
        forget_golden(key=f"golden {number}")
    setting = setting_of(corpora[0].pk)
    assert not setting.is_own
    assert not _is_answered(setting.calibrator, setting.threshold.value, odds)
    judge(people, corpora[0], 20, 1.0, odds=odds)
    assert learn(corpus=corpora[0])
    assert not setting_of(corpora[0].pk).is_complete
    Feedback.objects.all().delete()
    assert "The shipped calibration counts." in change(people.ada, corpora[0], learn="1").content.decode()
    assert not setting_of(corpora[0].pk).is_own


def _is_answered(own: calibrator.Calibrator, threshold: float, odds: float) -> bool:
    return own.probability(dict.fromkeys(FEATURES, 0.0) | {"null_odds": odds, "cosine_sentence": 0.6}) >= threshold


def test_it_counts_a_question_once_and_no_answer_of_another_reader(people: People, corpora: tuple[Corpus, Corpus]) -> None:
    judge(people, corpora[0], 3, 0.0)
    judge(people, corpora[0], 3, 1.0)
    judge(people, corpora[0], 5, 1.0, asked="Earlier", reader="reader@other")
    assert list(lessons_of(corpora[0]).is_right) == [1.0, 1.0, 1.0]


def test_it_forgets_what_a_golden_question_taught_that_is_changed_or_gone(
    people: People, corpora: tuple[Corpus, Corpus]
) -> None:  # fmt: skip
    judge(people, corpora[0], 1, 1.0)
    row = Answer.objects.get()
    first, second = (
        add_question(corpus=corpora[0], draft=Draft(f"What of {name}?", must_contain=(("27",),)), created_by=people.ada)
        for name in ("leave", "rooms")
    )
    for question in (first, second):
        record_golden(answer=row, key=calibration_key(question.pk), is_right=False)
    assert list(lessons_of(corpora[0]).is_right) == [1.0, 0.0, 0.0]
    change_question(question=first, draft=Draft("What of leave?", must_contain=(("28",),)))
    delete_question(question=second)
    assert list(lessons_of(corpora[0]).is_right) == [1.0]


def test_it_says_so_when_the_reader_does_not_answer(
    people: People, corpora: tuple[Corpus, Corpus], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    page = page_of(people.ada, corpora[0])
    assert "The reader does not answer now" in page
    monkeypatch.setattr("assistant.views.calibration.reader_trouble", lambda: "")
    assert "The reader does not answer now" not in page_of(people.ada, corpora[0])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"features": []}'])
def test_a_broken_calibration_or_ranking_costs_the_reader_and_not_the_answer(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:  # fmt: skip
    monkeypatch.undo()
    settings.SPECIALISTS_DIR = tmp_path
    (tmp_path / "reader").mkdir()
    (tmp_path / "reader" / "refusal.json").write_text(content)
    with pytest.raises(SpecialistError, match="fit_refusal"):
        calibrator.check_fitted_for("made")
    (tmp_path / "reader" / "refusal.json").write_text(json.dumps(as_json(fitted())))
    calibrator.check_fitted_for("made")
    (tmp_path / "reader" / "ranking.json").write_text(content)
    with pytest.raises(SpecialistError, match="fit_refusal"):
        calibrator.check_fitted_for("made")


def test_it_forgets_what_was_learnt_under_other_weights(people: People, corpora: tuple[Corpus, Corpus]) -> None:
    judge(people, corpora[0], 40, 0.5)
    learn(corpus=corpora[0])
    assert setting_of(corpora[0].pk).is_own
    CorpusCalibration.objects.update(base="another")
    assert not setting_of(corpora[0].pk).is_own


def test_it_counts_golden_answers_once_and_leaves_out_opinions_that_say_neither(
    people: People, corpora: tuple[Corpus, Corpus]
) -> None:  # fmt: skip
    judge(people, corpora[0], 2, 1.0)
    row = Answer.objects.first()
    assert row is not None
    record_feedback(answer=row, user=people.ben, verdict="not_helpful", reason="incomplete")
    assert list(lessons_of(corpora[0]).is_right) == [1.0]
    record_golden(answer=row, key="q1", is_right=True)
    record_golden(answer=row, key="q1", is_right=False)
    assert list(lessons_of(corpora[0]).is_right) == [1.0, 0.0]
    record_golden(answer=make_answer(people.ben, "Refused?"), key="q2", is_right=False)
    assert len(lessons_of(corpora[0])) == 2


def test_it_says_that_there_is_nothing_to_set_without_a_reader(
    people: People, corpora: tuple[Corpus, Corpus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.views.calibration.is_installed", lambda: False)
    for form in ({"risk": "5"}, {"learn": "1"}):
        response = change(people.ada, corpora[0], **form)
        assert "No calibrated reader is installed here" in response.content.decode()
    assert not CorpusCalibration.objects.exists()
