"""Trains a reranker: a reader's rows → mined passages beside the right ones → the loop → a specialist's folder."""

from __future__ import annotations

from collections.abc import Sequence

from specialists.encoders.base import find_base
from specialists.encoders.bundle import Card
from specialists.errors import DataError
from specialists.reader.negatives import mine_negatives
from specialists.reader.rows import Key, ReaderRow, load_rows
from specialists.training.recipe import Run

KIND = "reranker"
LEAST_ROWS = 50
MINED = 12  # wrong passages per question, of which an epoch shows some


def train_reranker(run: Run) -> Card:
    """Write the reranker's folder, from files as the reader learns from. An interrupted run goes on from its checkpoint.

    Raises DataError, SpecialistError."""
    from specialists.reranker.task import PAIR_HEADS, TOKEN_HEADS, WINDOW, RerankerTask
    from specialists.training.finishing import finish
    from specialists.training.loop import train
    from specialists.training.starting import start_network

    recipe = run.recipe
    base = find_base(recipe.base)
    loaded = [load_rows(file.path) for file in run.data]
    count = sum(bool(row.answers) for rows in loaded for row in rows)
    if count < LEAST_ROWS:
        raise DataError(f"{count} answerable questions are too few to train a reranker. Give at least {LEAST_ROWS}.")
    run.say(f"{count} answerable questions. Looking for passages that are close and wrong …")
    sources = [([row for row in rows if row.answers], file.share) for rows, file in zip(loaded, run.data, strict=True)]
    task = RerankerTask(base, sources, negatives=_negatives(loaded), seed=recipe.seed)
    network = start_network(KIND, base, recipe, token_heads=TOKEN_HEADS, pair_heads=PAIR_HEADS)
    return finish(KIND, network, base, run, train(network, task, run), window=WINDOW)


def _negatives(loaded: Sequence[Sequence[ReaderRow]]) -> dict[Key, list[tuple[str, str]]]:
    """Per answerable row the texts of its own file, with their titles, that are close and do not answer."""
    found: dict[Key, list[tuple[str, str]]] = {}
    for rows in loaded:
        titles = {row.text: row.context for row in rows}
        mined = mine_negatives([row for row in rows if row.answers], keep=MINED)
        found |= {name: [(text, titles[text]) for text in texts] for name, texts in mined.items()}
    return found
