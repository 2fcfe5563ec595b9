"""The two pictures of a calibration, drawn on the server: how risk grows with coverage, and how stated meets observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specialists.refusal.calibrator import Judged
from specialists.refusal.measures import Bin, Threshold, reliability, risk_coverage_curve

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 12, 40
POINTS = 120
FIRST_SHARE = 0.03  # of the questions: before that, a single wrong answer fills the picture


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Coordinates in a box of `width` by `height`. `line` is the curve, `reference` what it is compared with."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    line: str
    reference: str
    dots: tuple[Dot, ...] = ()
    reference_label: str = ""
    reference_y: float = 0.0
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def draw_risk(judged: Judged, risk: float, threshold: Threshold) -> Chart | None:
    """The share of wrong answers over the share of answered questions, with the chosen risk and where the threshold lies."""
    curve = [point for point in risk_coverage_curve(judged.probability, judged.is_right) if point[0] >= FIRST_SHARE]
    if len(curve) < 2:
        return None
    step = max(1, len(curve) // POINTS)
    shown = [*curve[::step], curve[-1]]
    most = _round_up(max(risk * 1.25, *(wrong for _, wrong in shown)))
    dots: tuple[Dot, ...] = ()
    if not threshold.answers_nothing and threshold.answered:
        words = f"{threshold.coverage:.0%} answered, {threshold.risk:.1%} of them wrong"
        dots = (Dot(_x(threshold.coverage), _y(threshold.risk, most), words),)
    return Chart(
        x_ticks=_x_ticks(),
        y_ticks=tuple(Tick(_y(most * part / 4, most), f"{most * part / 4:.0%}") for part in range(5)),
        line=_path([(_x(share), _y(wrong, most)) for share, wrong in shown]),
        reference=_path([(LEFT, _y(risk, most)), (WIDTH - RIGHT, _y(risk, most))]),
        dots=dots,
        reference_label=f"at most {risk:.0%}",
        reference_y=_y(risk, most) - 5,
    )


def draw_reliability(judged: Judged) -> Chart | None:
    """The observed share of right answers over the stated probability, in bins of equally many questions."""
    bins = reliability(judged.probability, judged.is_right)
    if len(bins) < 2:
        return None
    dots = tuple(Dot(_x(item.stated), _y(item.observed, 1), _bin_words(item)) for item in bins)
    return Chart(
        x_ticks=_x_ticks(),
        y_ticks=tuple(Tick(_y(part / 4, 1), f"{part / 4:.0%}") for part in range(5)),
        line=_path([(dot.x, dot.y) for dot in dots]),
        reference=_path([(_x(0), _y(0, 1)), (_x(1), _y(1, 1))]),
        dots=dots,
    )


def _bin_words(item: Bin) -> str:
    return f"stated {item.stated:.0%}, observed {item.observed:.0%}, {item.count} questions"


def _x_ticks() -> tuple[Tick, ...]:
    return tuple(Tick(_x(part / 4), f"{part / 4:.0%}") for part in range(5))


def _round_up(share: float) -> float:
    """To a share that four grid lines divide into whole percents."""
    return next((most for most in (0.08, 0.12, 0.2, 0.4, 0.6, 0.8) if share <= most), 1.0)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float, most: float) -> float:
    return round(TOP + (1 - min(share / most, 1)) * (HEIGHT - TOP - BOTTOM), 1)
