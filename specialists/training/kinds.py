"""The kinds of small specialists, each with its training. The router needs no network: it is a regression on embeddings."""

from __future__ import annotations

from specialists.training.recipe import Run

KINDS = ("reader", "grounding", "router")


def train_kind(kind: str, run: Run) -> None:
    """Raises DataError, SpecialistError."""
    if kind == "reader":
        from specialists.reader.training import train_reader

        train_reader(run)
