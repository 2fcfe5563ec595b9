"""The kinds of small specialists, each with its training. The router needs no network: it is a regression on embeddings."""

from __future__ import annotations

from specialists.errors import DataError
from specialists.training.recipe import Run

KINDS = ("reader", "reranker", "grounding", "router")


def train_kind(kind: str, run: Run) -> None:
    """Raises DataError, SpecialistError."""
    if kind == "reader":
        from specialists.reader.training import train_reader

        train_reader(run)
    elif kind == "reranker":
        from specialists.reranker.training import train_reranker

        train_reranker(run)
    elif kind == "grounding":
        from specialists.grounding.training import train_grounding

        train_grounding(run)
    else:
        _train_router(run)


def _train_router(run: Run) -> None:
    """One file or folder; of the recipe only the seed counts."""
    from specialists.router.training import train_router

    if len(run.data) != 1:
        raise DataError("A router is trained on one file, or on one folder with a file per head.")
    train_router(data=run.data[0].path, output=run.output, seed=run.recipe.seed, report=run.say, licences=run.licences)
