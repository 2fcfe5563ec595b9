"""How well a reader reads: SQuAD's measures over rows, with their 95 % intervals."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from specialists.reader.decoding import Reading
from specialists.reader.rows import ReaderRow
from specialists.reader.serving import ReaderPassage
from specialists.squad_metrics import exact_match, f1

RESAMPLES = 1000


class Reads(Protocol):
    def read(self, question: str, passages: Sequence[ReaderPassage]) -> Reading: ...


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row with what the reader said: its best span, and that span's log-odds against no answer."""

    row: ReaderRow
    answer: str
    score: float

    @property
    def golds(self) -> list[str]:
        return [text for _, text in self.row.answers]


@dataclass(frozen=True, slots=True)
class Measure:
    """A mean in percent with its 95 % interval (percentile bootstrap)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} ({self.low:.1f}–{self.high:.1f})"


def read_rows(reader: Reads, rows: Sequence[ReaderRow], *, report: Callable[[int], None] | None = None) -> list[ReadRow]:
    """Read every row's own text, as many at once as there are cores."""

    def read(row: ReaderRow) -> ReadRow:
        reading = reader.read(row.question, [ReaderPassage(1, row.text, row.context)])
        best = reading.spans[0] if reading.spans else None
        return ReadRow(row, best.text if best else "", best.score if best else float("-inf"))

    found = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="read") as pool:
        for done, item in enumerate(pool.map(read, rows), start=1):
            found.append(item)
            if report is not None:
                report(done)
    return found


def score_rows(rows: Sequence[ReadRow], threshold: float = 0.0) -> dict[str, Measure]:
    """Exact match and F1. `answerable`: the best span of questions with an answer, whatever the threshold (SQuAD 1.1's way);
    `joint`: all questions, a score below the threshold counts as no answer (SQuAD 2.0's way), and its two halves."""
    having = [item for item in rows if item.row.answers]
    lacking = [item for item in rows if not item.row.answers]

    def said(item: ReadRow) -> str:
        return item.answer if item.score >= threshold else ""

    measures = {
        "answerable F1": [f1(item.answer, item.golds) for item in having],
        "answerable EM": [exact_match(item.answer, item.golds) for item in having],
        "joint F1": [f1(said(item), item.golds) for item in rows],
        "joint EM": [exact_match(said(item), item.golds) for item in rows],
        "has-answer F1": [f1(said(item), item.golds) for item in having],
        "no-answer accuracy": [exact_match(said(item), item.golds) for item in lacking],
    }
    return {name: measure(values) for name, values in measures.items() if values}


def measure(values: Sequence[float], seed: int = 0) -> Measure:
    """Mean and percentile-bootstrap interval of values between 0 and 1, in percent."""
    array = np.asarray(values, float) * 100
    chooser = np.random.default_rng(seed)
    means = [array[chooser.integers(0, len(array), len(array))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Measure(float(array.mean()), float(low), float(high))


def best_threshold(rows: Sequence[ReadRow]) -> float:
    """The score below which to say “no answer” that gives the best joint F1 on these rows."""
    ranked = sorted(rows, key=lambda item: -item.score)
    total = sum(not item.row.answers for item in rows)  # nothing answered
    best, threshold = float(total), float("inf")
    value = best
    for item in ranked:
        value += f1(item.answer, item.golds) if item.row.answers else -1.0
        if value > best:
            best, threshold = value, item.score
    return threshold


def cross_chosen(rows: Sequence[ReadRow]) -> list[ReadRow]:
    """The rows with scores shifted so that 0 is the threshold chosen on the other half of the contexts (by title): no
    question's own article has a say in its threshold."""
    titles = sorted({item.row.context for item in rows})
    half = set(titles[::2])
    parts = [[item for item in rows if (item.row.context in half) is side] for side in (True, False)]
    shifted = []
    for own, other in ((parts[0], parts[1]), (parts[1], parts[0])):
        threshold = best_threshold(other) if other else 0.0
        shifted += [ReadRow(item.row, item.answer, item.score - threshold) for item in own]
    return shifted
