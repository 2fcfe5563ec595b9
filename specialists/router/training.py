"""Trains a router on labelled texts: one head per file, on the embeddings that retrieval computes anyway."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from retrieval.embedders import get_embedder
from specialists.errors import DataError
from specialists.router.card import write_router_card
from specialists.router.evaluation import measure
from specialists.router.fitting import COLUMNS, SKETCH_WEIGHT, Fitted, fit_head
from specialists.router.rows import LabelledSet, Row, read_labelled_set, training_files
from specialists.router.storage import LAYOUT, HeadCard, RouterCard, write_router

SEED = 7
LIMITS = [
    "English only.",
    "The figures are those of test texts of the same authors and kinds as the training texts; other people's texts are harder.",
    "The probabilities are calibrated on a tenth of the training texts; far from such texts they are too sure.",
]


def train_router(
    *,
    data: Path,
    output: Path,
    seed: int = SEED,
    report: Callable[[str], None],
    licences: Sequence[str] = (),
    extra: dict[str, Sequence[Row]] | None = None,
) -> RouterCard:
    """`data`: a .csv, .json or .jsonl file for one head, or a folder of NAME.train.jsonl and NAME.test.jsonl for several.
    `extra`: more training rows by head. The folder `output` is written when all heads are trained, whole or not at all.

    Raises DataError, SpecialistError `disk`, RetrievalError."""
    sets = [
        read_labelled_set(path, seed=seed, extra=(extra or {}).get(path.name.split(".")[0], ())) for path in training_files(data)
    ]
    for labelled in sets:
        _check_name(labelled)
    embedder = get_embedder()
    heads: dict[str, HeadCard] = {}
    fitted = {}
    for labelled in sets:
        if labelled.repeated:
            report(f"{labelled.name}: {labelled.repeated} training texts are left out, because the held-out texts repeat them.")
        found = fit_head(labelled, embedder.embed_queries, report)
        fitted[labelled.name] = found.classifier
        heads[labelled.name] = _head_card(labelled, found, measure(found.classifier, labelled, embedder.embed_queries))
        figures = heads[labelled.name].figures
        report(f"{labelled.name}: {figures['accuracy']:.1%} of {len(labelled.test)} test texts are right.")
    card = RouterCard(
        layout=LAYOUT,
        kind="router",
        embedder=embedder.name,
        dimension=embedder.dimension,
        seed=seed,
        heads=heads,
        data=data.name,
        licences=list(licences),
        limits=LIMITS,
    )
    card = write_router(output, card, fitted)
    write_router_card(output, card)
    return card


def _check_name(labelled: LabelledSet) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", labelled.name):
        raise DataError(f"The file name {labelled.name!r} cannot name a head. Use letters, digits, - and _ before the first dot.")


def _head_card(labelled: LabelledSet, fitted: Fitted, figures: dict[str, float]) -> HeadCard:
    classifier = fitted.classifier
    return HeadCard(
        labels=list(classifier.labels),
        columns=COLUMNS,
        sketch_weight=SKETCH_WEIGHT,
        temperature=classifier.temperature,
        intercept=classifier.outsider.intercept,
        threshold=classifier.outsider.threshold,
        strength=fitted.strength,
        rows={"train": len(labelled.train), "dev": len(labelled.dev), "test": len(labelled.test)},
        data_sha256=labelled.sha256,
        figures={"dev_accuracy": round(fitted.dev_accuracy, 4), **figures},
    )
