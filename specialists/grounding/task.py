"""What the head of the groundedness check learns from: claims with a passage, whether it supports them, and which words it does
not support."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from specialists.encoders.base import BaseEncoder, load_tokenizer
from specialists.encoders.network import SpecialistNetwork, to_device
from specialists.encoders.pairs import PairEncoder, Window, stack
from specialists.grounding.layout import claim_tokens, fits, nearest_window
from specialists.grounding.rows import Row

Rows = Callable[[int], Sequence[Row]]  # the rows of an epoch
UNKNOWN = -1.0
SENTENCE_WEIGHT = 0.5
WRONG_WEIGHT = 3.0  # a false claim has few wrong words


@dataclass(frozen=True, slots=True)
class Pair:
    """`words`: per token of the claim, 1 where it is wrong; UNKNOWN where a false claim does not say which words are."""

    window: Window
    is_false: float
    words: tuple[float, ...]


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
            found += [make_pair(self.pairs, row) for row in chosen]
        return found

    def length(self, row: Pair) -> int:
        return len(row.window.ids)

    def loss(self, network: SpecialistNetwork, rows: Sequence[Pair], device: str) -> Tensor:
        """Binary cross-entropy of the words, and of the sentences by their worst word."""
        inputs = [to_device(torch.from_numpy(array), device) for array in stack([row.window for row in rows])]
        (logits,) = network(*inputs)
        own = [logits[place, claim_tokens(row.window), 0] for place, row in enumerate(rows)]
        worst = torch.stack([values.max() for values in own])
        sentences = binary_cross_entropy_with_logits(worst, torch.tensor([row.is_false for row in rows], device=device))
        words = torch.tensor([value for row in rows for value in row.words], device=device)
        known = words != UNKNOWN
        if not bool(known.any()):
            return sentences
        weight = torch.tensor(WRONG_WEIGHT, device=device)
        of_words = binary_cross_entropy_with_logits(torch.cat(own)[known], words[known], pos_weight=weight)
        return of_words + SENTENCE_WEIGHT * sentences


def make_pair(pairs: PairEncoder, row: Row) -> Pair:
    offsets = pairs.first_offsets(row.claim)
    if not row.label and not row.wrong:
        words = (UNKNOWN,) * len(offsets)
    else:
        words = tuple(float(any(start < right and left < end for left, right in row.wrong)) for start, end in offsets)
    return Pair(nearest_window(pairs, row.claim, row.passage), float(not row.label), words)
