"""What a smaller model costs and saves, and whether it may be used: both answer the same held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from specialists.finetuning.gate import LEAST_ROWS, MAIN, MARGINS, Comparison, compare
from specialists.finetuning.judging import Judged, judge_rows
from specialists.finetuning.rows import Row
from specialists.language_models.types import LanguageModel

MEASURES = (MAIN, *MARGINS)
MOST_LOST = 0.02  # of right answers and refusals


@dataclass(frozen=True, slots=True)
class Side:
    """`memory_bytes`: what the weights take where the model runs, None where nobody can say; `zeros`: the share of the numbers
    that are zero, None where nobody has looked."""

    name: str
    stored_bytes: int
    parameters: int
    tokens_per_second: float
    judged: tuple[Judged, ...]
    memory_bytes: int | None = None
    zeros: float | None = None


@dataclass(frozen=True, slots=True)
class CompressionReport:
    """`is_kept`: nothing is lost beyond its margin."""

    before: Side
    after: Side
    comparisons: tuple[Comparison, ...]
    is_kept: bool
    sentence: str


def judge_side(
    name: str, model: LanguageModel, rows: Sequence[tuple[Row, bool]], *, stored_bytes: int, parameters: int,
    on_row: Callable[[], bool] = lambda: True, adapter: str = "",
) -> Side:  # fmt: skip
    """Loading is not in its time."""
    model.warm_up()
    judged = judge_rows(model, adapter, rows, on_row=on_row)
    seconds = sum(item.latency_s for item in judged)
    return Side(name, stored_bytes, parameters, sum(item.tokens for item in judged) / (seconds or 1.0), tuple(judged))


def report_on(before: Side, after: Side, *, seed: int = 7) -> CompressionReport:
    """Row i of the one is row i of the other."""
    comparisons = tuple(
        found
        for name in MEASURES
        if (found := compare(name, *([getattr(item, name) for item in side.judged] for side in (before, after)), seed=seed))
    )
    if len(after.judged) < LEAST_ROWS:
        sentence = f"It was judged by {len(after.judged)} rows, and at least {LEAST_ROWS} are needed."
        return CompressionReport(before, after, comparisons, is_kept=False, sentence=sentence)
    worse = [item for item in comparisons if item.is_worse or (item.name == MAIN and item.incumbent - item.candidate > MOST_LOST)]
    if worse:
        lost = ", ".join(f"{item.name} {100 * item.incumbent:.1f} → {100 * item.candidate:.1f} %" for item in worse)
        return CompressionReport(before, after, comparisons, is_kept=False, sentence=f"It loses more than its margin: {lost}.")
    return CompressionReport(before, after, comparisons, is_kept=True, sentence="Nothing is lost beyond its margin.")
