"""Scores a router on labelled texts that it was not trained on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.embedders import get_embedder
from specialists.errors import DataError
from specialists.measures import auroc, wilson
from specialists.router.classifier import Classifier, index_of
from specialists.router.fitting import Embed
from specialists.router.measures import calibration_error, macro_f1
from specialists.router.rows import LabelledSet, read_labelled_set, training_files
from specialists.router.storage import read_router

TIMED = 200
WORST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """How a label fared: test rows, precision and recall."""

    label: str
    rows: int
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class HeadReport:
    name: str
    figures: dict[str, float]
    labels: tuple[LabelFigures, ...]


def evaluate_router(*, folder: Path, data: Path, report: Callable[[str], None]) -> list[HeadReport]:
    """Each head of the trained router on the test rows of its data: the rows that its training held out, for the same file.

    Raises DataError, SpecialistError, RetrievalError."""
    embedder = get_embedder()
    card, heads = read_router(folder, embedder=embedder.name)
    reports = []
    for path in training_files(data):
        labelled = read_labelled_set(path, seed=card.seed)
        if labelled.name not in heads:
            raise DataError(f"The router in {folder} has no head {labelled.name}; it has {', '.join(sorted(heads))}.")
        if labelled.sha256 != card.heads[labelled.name].data_sha256:
            report(f"{labelled.name}: this is not the file that the head was trained on; some test texts may have been seen.")
        head = heads[labelled.name]
        figures = measure(head, labelled, embedder.embed_queries) | _timed(head, labelled, embedder.embed_queries)
        reports.append(HeadReport(labelled.name, figures, _by_label(head, labelled, embedder.embed_queries)))
    return reports


def measure(head: Classifier, labelled: LabelledSet, embed: Embed) -> dict[str, float]:
    """Accuracy with its 95 % interval, macro F1 and calibration error; with texts outside all labels, also their recall, the
    false alarms and the area under the curve."""
    texts = [row.text for row in labelled.test]
    wanted = index_of(head.labels, [row.label for row in labelled.test])
    scores = head.score(texts, embed(texts))
    found = scores.probabilities.argmax(axis=1)
    right = int((found == wanted).sum())
    low, high = wilson(right, len(wanted))
    figures = {
        "accuracy": right / len(wanted),
        "low": low,
        "high": high,
        "macro_f1": macro_f1(found, wanted, len(head.labels)),
        "calibration_error": calibration_error(scores.probabilities, wanted),
        "false_alarms": float((scores.outside > head.outsider.threshold).mean()),
    }
    if labelled.outside_test:
        strangers = [row.text for row in labelled.outside_test]
        outside = head.score(strangers, embed(strangers)).outside
        caught = int((outside > head.outsider.threshold).sum())
        figures["outside_recall"] = caught / len(strangers)
        figures["outside_low"], figures["outside_high"] = wilson(caught, len(strangers))
        figures["outside_auroc"] = auroc([*scores.outside, *outside], [0.0] * len(scores.outside) + [1.0] * len(outside))
    return {name: round(value, 4) for name, value in figures.items()}


def _by_label(head: Classifier, labelled: LabelledSet, embed: Embed) -> tuple[LabelFigures, ...]:
    texts = [row.text for row in labelled.test]
    wanted = index_of(head.labels, [row.label for row in labelled.test])
    found = head.score(texts, embed(texts)).probabilities.argmax(axis=1)

    def figures(number: int, label: str) -> LabelFigures:
        right = int(((found == number) & (wanted == number)).sum())
        said, rows = int((found == number).sum()), int((wanted == number).sum())
        return LabelFigures(label, rows, right / said if said else 0.0, right / rows if rows else 0.0)

    return tuple(figures(number, label) for number, label in enumerate(head.labels))


def _timed(head: Classifier, labelled: LabelledSet, embed: Embed) -> dict[str, float]:
    """Milliseconds of one decision beyond its embedding."""
    texts = [row.text for row in labelled.test[:TIMED]]
    vectors = embed(texts)
    times = []
    for number, text in enumerate(texts):
        start = time.perf_counter()
        head.score([text], vectors[number : number + 1])
        times.append((time.perf_counter() - start) * 1000)
    return {"ms_p50": round(float(np.median(times)), 2), "ms_p95": round(float(np.quantile(times, 0.95)), 2)}


def describe(reports: Sequence[HeadReport]) -> list[str]:
    """The figures as lines to print; of the labels, those that fare worst."""
    lines = []
    for report in reports:
        lines.append(report.name)
        lines += [f"  {name:<28} {value:.4g}" for name, value in report.figures.items()]
        worst = sorted(report.labels, key=lambda label: label.recall)[:WORST_SHOWN]
        lines += [
            f"  {item.label:<28} recall {item.recall:.3f}, precision {item.precision:.3f} ({item.rows} rows)" for item in worst
        ]
    return lines
