"""What the reranker learns from: a question with the passage that answers it among passages that are close and do not."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from specialists.encoders.base import BaseEncoder, load_tokenizer
from specialists.encoders.network import SpecialistNetwork, to_device
from specialists.encoders.pairs import PairEncoder, Window, stack
from specialists.reader.rows import Key, ReaderRow, key_of
from specialists.reader.task import spans_in

TOKEN_HEADS: dict[str, int] = {}
PAIR_HEADS = {"relevance": 1}
WINDOW = 192
WRONG = 5  # passages beside the right one


@dataclass(frozen=True, slots=True)
class Choice:
    """A question's windows; the first one answers it."""

    windows: tuple[Window, ...]


class RerankerTask:
    """`sources` are answerable rows with the share of them that an epoch uses; `negatives` the wrong passages by row."""

    def __init__(
        self, base: BaseEncoder, sources: Sequence[tuple[Sequence[ReaderRow], float]], *,
        negatives: Mapping[Key, Sequence[tuple[str, str]]], seed: int, window: int = WINDOW,
    ) -> None:  # fmt: skip
        self.sources = sources
        self.negatives = negatives
        self.seed = seed
        self.pairs = PairEncoder(load_tokenizer(base), window=window, cache=20_000)

    def epoch(self, number: int) -> list[Choice]:
        found = []
        for place, (rows, share) in enumerate(self.sources):
            chooser = random.Random(f"{self.seed} {number} {place}")
            found += [self._choice(row, chooser) for row in chooser.sample(list(rows), round(len(rows) * share))]
        return [choice for choice in found if choice]

    def length(self, row: Choice) -> int:
        return max(len(window.ids) for window in row.windows)

    def _choice(self, row: ReaderRow, chooser: random.Random) -> Choice | None:
        """None when the row has nothing to choose from. Titles are shown for half of the questions, to all passages alike."""
        is_titled = chooser.random() < 0.5
        own = self.pairs.windows(row.question, row.text, row.context if is_titled else "")
        right = next((window for window in own if spans_in(window, row.answers)), None)
        pool = self.negatives.get(key_of(row), ())
        if right is None or not pool:
            return None
        wrong = chooser.sample(list(pool), min(WRONG, len(pool)))
        others = [chooser.choice(self.pairs.windows(row.question, text, context if is_titled else "")) for text, context in wrong]
        return Choice((right, *others))

    def loss(self, network: SpecialistNetwork, rows: Sequence[Choice], device: str) -> Tensor:
        """Minus the log-likelihood of the right passage under one softmax per question."""
        windows = [window for choice in rows for window in choice.windows]
        (relevance,) = network(*(to_device(torch.from_numpy(array), device) for array in stack(windows)))
        sizes = [len(choice.windows) for choice in rows]
        logits = pad_sequence(relevance[:, 0].split(sizes), batch_first=True, padding_value=float("-inf"))
        return -logits.log_softmax(dim=1)[:, 0].mean()
