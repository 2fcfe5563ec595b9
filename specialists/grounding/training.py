"""Trains the head of the groundedness check: texts → rows, made anew for each epoch → the loop → a specialist's folder with the
threshold that suits it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from specialists.encoders.base import find_base
from specialists.encoders.bundle import Card, write_card
from specialists.encoders.network import SpecialistNetwork
from specialists.encoders.pairs import PairEncoder, stack
from specialists.errors import DataError
from specialists.grounding.corruptions import load_grounding_rows
from specialists.grounding.evaluation import choose_threshold, judge_rows
from specialists.grounding.layout import PAIR_HEADS, TOKEN_HEADS, nearest_window, support
from specialists.grounding.rows import Row
from specialists.training.recipe import DataFile, Run

KIND = "grounding"
LEAST_ROWS = 100
HELD_OUT = 5  # percent of the documents, to choose the threshold on
MOST_HELD_OUT = 1500
PRECISION = 0.90  # of "unsupported", that the threshold is chosen for
BATCH = 16


def is_held_out(row: Row) -> bool:
    """By document, so that no passage is on both sides."""
    return zlib.crc32((row.document or row.passage).encode()) % 100 < HELD_OUT


def train_grounding(run: Run) -> Card:
    """Write the head's folder. An interrupted run goes on from its checkpoint in the output; see specialists.training.loop.

    Raises DataError, SpecialistError."""
    from specialists.grounding.task import GroundingTask
    from specialists.training.finishing import finish
    from specialists.training.loop import train
    from specialists.training.starting import start_network

    recipe = run.recipe
    base = find_base(recipe.base)
    run.say("Making rows from the texts …")
    rows = [row for file in run.data for row in load_grounding_rows(file.path, seed=recipe.seed)]
    if len(rows) < LEAST_ROWS:
        raise DataError(f"{len(rows)} rows are too few to train on. Give at least {LEAST_ROWS}; ten thousand are useful.")
    run.say(f"{len(rows)} rows, {sum(row.label for row in rows)} of them supported.")
    task = GroundingTask(base, [(_epochs(file, recipe.seed), file.share) for file in run.data], seed=recipe.seed)
    network = start_network(KIND, base, recipe, token_heads=TOKEN_HEADS, pair_heads=PAIR_HEADS)
    card = finish(KIND, network, base, run, train(network, task, run))
    held_out = [row for row in rows if is_held_out(row)][:MOST_HELD_OUT]
    return _with_threshold(card, _TorchHead(network, task.pairs), held_out, run.output)


def _epochs(file: DataFile, seed: int) -> Callable[[int], Sequence[Row]]:
    return lambda number: [row for row in load_grounding_rows(file.path, seed=seed + number) if not is_held_out(row)]


class _TorchHead:
    """The network as it is after training, for the choice of the threshold."""

    name = KIND
    threshold = 0.5

    def __init__(self, network: SpecialistNetwork, pairs: PairEncoder) -> None:
        self.network = network
        self.pairs = pairs

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        import torch

        found: list[float] = []
        device = next(self.network.parameters()).device
        for start in range(0, len(pairs), BATCH):
            windows = [nearest_window(self.pairs, claim, passage) for claim, passage in pairs[start : start + BATCH]]
            with torch.no_grad():
                (logits,) = self.network(*(torch.from_numpy(array).to(device) for array in stack(windows)))
            found += [support(values, window) for values, window in zip(logits.cpu().numpy(), windows, strict=True)]
        return found


def _with_threshold(card: Card, head: _TorchHead, rows: Sequence[Row], folder: Path) -> Card:
    """The card with the threshold of the best recall at PRECISION on held-out documents; as it was when there are none."""
    judged = judge_rows(rows, head)
    if {item.row.label for item in judged} != {0, 1}:
        return card
    figures = {"threshold": choose_threshold(judged, precision=PRECISION), "threshold_rows": len(judged)}
    card = Card(**{**asdict(card), "figures": figures})
    write_card(folder, card)
    return card
