"""The history of a corpus's runs as a small line chart, drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.golden.models import GoldenRun

WIDTH, HEIGHT = 720, 150
LEFT, RIGHT, TOP, BOTTOM = 38, 12, 10, 22
SHOWN = 40


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    run: GoldenRun


@dataclass(frozen=True, slots=True)
class Chart:
    """Coordinates in a box of `width` by `height`. `grid` are lines with their labels, `minimum` is the gate's line."""

    width: int
    height: int
    left: int
    right: int
    line: str
    points: tuple[Point, ...]
    grid: tuple[tuple[float, str], ...]
    minimum: float


def draw_history(runs: Sequence[GoldenRun], minimum_correct: float) -> Chart | None:
    """The finished runs, the oldest at the left; None when there are fewer than two."""
    finished = [run for run in runs if run.share is not None][:SHOWN][::-1]
    if len(finished) < 2:
        return None
    step = (WIDTH - LEFT - RIGHT) / (len(finished) - 1)
    points = tuple(Point(round(LEFT + index * step, 1), _y(run.share or 0.0), run) for index, run in enumerate(finished))
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        line=" ".join(f"{point.x},{point.y}" for point in points),
        points=points,
        grid=tuple((_y(share), f"{share:.0%}") for share in (0.0, 0.5, 1.0)),
        minimum=_y(min(minimum_correct, 1.0)),
    )


def _y(share: float) -> float:
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)
