"""What the head of the groundedness check learns from: claims with a passage, and whether it supports them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from specialists.encoders.base import BaseEncoder, load_tokenizer
from specialists.encoders.network import SpecialistNetwork
from specialists.encoders.pairs import PairEncoder, Window, stack
from specialists.grounding.layout import fits, nearest_window
from specialists.grounding.rows import Row

Rows = Callable[[int], Sequence[Row]]  # the rows of an epoch


@dataclass(frozen=True, slots=True)
class Pair:
    window: Window
    label: float


class GroundingTask:
    """`sources` give the rows of an epoch; of them the share is used."""

    def __init__(self, base: BaseEncoder, sources: Sequence[tuple[Rows, float]], *, seed: int, window: int = 256) -> None:
        self.sources = sources
        self.seed = seed
        self.pairs = PairEncoder(load_tokenizer(base), window=window)

    def epoch(self, number: int) -> list[Pair]:
        found = []
        for place, (rows, share) in enumerate(self.sources):
            chooser = random.Random(f"{self.seed} {number} {place}")
            usable = [row for row in rows(number) if fits(self.pairs, row.claim)]
            chosen = chooser.sample(usable, round(len(usable) * share))
            found += [Pair(nearest_window(self.pairs, row.claim, row.passage), float(row.label)) for row in chosen]
        return found

    def length(self, row: Pair) -> int:
        return len(row.window.ids)

    def loss(self, network: SpecialistNetwork, rows: Sequence[Pair], device: str) -> Tensor:
        """Binary cross-entropy."""
        inputs = [torch.from_numpy(array).to(device) for array in stack([row.window for row in rows])]
        (support,) = network(*inputs)
        labels = torch.tensor([row.label for row in rows], device=device)
        return torch.nn.functional.binary_cross_entropy_with_logits(support[:, 0], labels)
