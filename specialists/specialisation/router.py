"""The router before and after training on a domain's labelled messages. Before it, all that is known are the labels' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrieval.embedders import get_embedder
from specialists.measures import wilson
from specialists.router.evaluation import measure
from specialists.router.rows import LabelledSet, read_labelled_set, training_files
from specialists.router.storage import read_router
from specialists.router.training import train_router
from specialists.specialisation.comparison import Comparison
from specialists.specialisation.plan import Plan


def compare_router(messages: Path, plan: Plan) -> list[Comparison]:
    """A row per head. Before: the label whose name is closest to the message, by the same embedder. Raises SpecialistError."""
    folder = plan.output / "router"
    train_router(data=messages, output=folder, seed=plan.seed, report=plan.say)
    embedder = get_embedder()
    _, heads = read_router(folder, embedder=embedder.name)
    found = []
    for path in training_files(messages):
        labelled = read_labelled_set(path, seed=plan.seed)
        after = measure(heads[labelled.name], labelled, embedder.embed_queries)
        held_out = f"{len(labelled.test)} messages of {path.name}, {len(labelled.labels)} labels"
        before = _share(_right_by_name(labelled), len(labelled.test))
        found.append(Comparison("router", held_out, "Accuracy", before, _percent(after["accuracy"], after["low"], after["high"])))
    return found


def _right_by_name(labelled: LabelledSet) -> int:
    embedder = get_embedder()
    names = embedder.embed_queries([label.replace("_", " ") for label in labelled.labels])
    texts = embedder.embed_queries([row.text for row in labelled.test])
    chosen = np.argmax(texts @ names.T, axis=1)
    return sum(labelled.labels[place] == row.label for place, row in zip(chosen, labelled.test, strict=True))


def _share(right: int, rows: int) -> str:
    return _percent(right / rows, *wilson(right, rows))


def _percent(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} ({100 * low:.1f}–{100 * high:.1f})"
