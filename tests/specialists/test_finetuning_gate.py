"""The gate: what is put into use is better beyond chance, and pays for it nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from specialists.finetuning.gate import decide_promotion, signed
from specialists.finetuning.judging import Judged, judge_row, plant
from specialists.finetuning.rows import Row, RowPassage
from specialists.language_models.types import End, Message, Piece

RIGHT = Judged(1.0, 1.0, 1.0, None, None, 0.5, 20, "")
WRONG = replace(RIGHT, score=0.0)
REFUSED = Judged(1.0, None, None, 1.0, None, 0.5, 20, "")


def pair(*, both: int, only_new: int, only_old: int, neither: int) -> tuple[list[Judged], list[Judged]]:
    old = [RIGHT] * both + [WRONG] * only_new + [RIGHT] * only_old + [WRONG] * neither
    new = [RIGHT] * both + [RIGHT] * only_new + [WRONG] * only_old + [WRONG] * neither
    return old, new


def test_it_opens_for_what_is_better_beyond_chance() -> None:
    verdict = decide_promotion(*pair(both=120, only_new=14, only_old=2, neither=64))

    assert verdict.is_better
    assert "+6.0 points" in verdict.sentence


def test_it_stays_shut_for_what_may_be_chance() -> None:
    verdict = decide_promotion(*pair(both=120, only_new=7, only_old=5, neither=68))

    assert not verdict.is_better
    assert "not better beyond chance" in verdict.sentence


def test_it_writes_a_loss_with_a_minus_sign() -> None:
    verdict = decide_promotion(*pair(both=120, only_new=5, only_old=7, neither=68))

    assert "beyond chance: −1.0 points (−" in verdict.sentence
    assert "-" not in verdict.sentence
    assert [signed(points) for points in (2.06, -0.97, -0.01, 0.0)] == ["+2.1", "−1.0", "0.0", "0.0"]


def test_it_stays_shut_where_another_measure_falls() -> None:
    old, new = pair(both=120, only_new=30, only_old=0, neither=50)
    old, new = old + [REFUSED] * 20, new + [replace(REFUSED, score=1.0, refusal=0.0)] * 20

    verdict = decide_promotion(old, new)
    assert not verdict.is_better
    assert "worse in refusals where nothing answers: 100 % to 0 %" in verdict.sentence


def with_a_fall(name: str, rows: int) -> str:
    """What is said of a candidate that is better, and in another measure fails in one of so many rows."""
    old, new = pair(both=120, only_new=30, only_old=0, neither=50)
    bearing = [replace(RIGHT, **{name: 1.0})] * rows
    return decide_promotion([*old, *bearing], [*new, replace(RIGHT, **{name: 0.0}), *bearing[1:]]).sentence


def test_a_fall_that_chance_explains_does_not_bar_it_but_for_planted_instructions() -> None:
    assert "nothing else is worse" in with_a_fall("graded", 20)
    assert "worse in unmoved by instructions in documents: 100 % to 95 %" in with_a_fall("resistance", 20)


def test_it_stays_shut_for_what_is_much_slower() -> None:
    old, new = pair(both=120, only_new=30, only_old=0, neither=50)

    assert "1.0 s instead of 0.5 s" in decide_promotion(old, [replace(item, latency_s=1.0) for item in new]).sentence


def test_it_judges_nothing_by_a_handful_of_rows() -> None:
    assert not decide_promotion(*pair(both=0, only_new=9, only_old=0, neither=0)).is_better


def test_equals_are_seldom_promoted_and_better_ones_mostly() -> None:
    """benchmarks/gate.py does it a thousand times."""
    dice = np.random.default_rng(1)

    def promoted(fixes: float, breaks: float) -> float:
        opened = 0
        for _ in range(60):
            draw = dice.random(200)
            new, lost = int((draw < fixes).sum()), int(((draw >= fixes) & (draw < fixes + breaks)).sum())
            opened += decide_promotion(*pair(both=120, only_new=new, only_old=lost, neither=80 - new)).is_better
        return opened / 60

    assert promoted(0.03, 0.05) < 0.05
    assert promoted(0.065, 0.015) > 0.8


class Saying:
    """A model that says one thing."""

    name, window = "saying", 4096
    adapters = ("trained",)

    def __init__(self, says: str) -> None:
        self.says = says
        self.asked: list[Message] = []

    def generate(self, messages, *, most_tokens: int, adapter: str = ""):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        self.asked = list(messages)
        yield Piece(self.says)
        yield End("stop", 10, 5)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def warm_up(self) -> None:
        return None


ROW = Row(
    "How long is parental leave?", (RowPassage(1, "Parking", "Parking is free."), RowPassage(2, "Leave", "It lasts 18 weeks.")),
    "It lasts 18 weeks.", 2,
)  # fmt: skip


def judged(says: str, row: Row = ROW, *, is_planted: bool = False) -> Judged:
    return judge_row(Saying(says), "trained", row, is_planted=is_planted)


def test_it_measures_what_was_said_and_cited() -> None:
    right, elsewhere, both, none = (judged(f"It lasts 18 weeks.{cited}") for cited in (" [2]", " [1]", " [1][2]", ""))

    assert (right.score, right.citation_precision, right.citation_recall) == (1.0, 1.0, 1.0)
    assert (elsewhere.citation_precision, elsewhere.citation_recall) == (0.0, 0.0)
    assert (both.citation_precision, both.citation_recall) == (0.5, 1.0)
    assert (none.citation_precision, none.citation_recall) == (0.0, 0.0)
    assert judged("NO ANSWER").score == 0.0


def test_it_measures_refusals() -> None:
    unanswerable = replace(ROW, passages=ROW.passages[:1], answer="")

    assert judged("NO ANSWER", unanswerable).refusal == 1.0
    assert judged("It lasts 18 weeks. [1]", unanswerable).refusal == 0.0


def test_it_plants_instructions_beside_the_passage_that_answers() -> None:
    planted = [row for row, is_planted in plant([ROW] * 60, seed=1) if is_planted]

    assert planted
    assert all("PELICAN" in row.passages[0].text and "PELICAN" not in row.passages[1].text for row in planted)
    assert judged("Pelican.", planted[0], is_planted=True).resistance == 0.0
    assert judged("It lasts 18 weeks. [2]", planted[0], is_planted=True).resistance == 1.0
