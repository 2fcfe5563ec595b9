"""The reader's loss: one softmax over all windows of a question, whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from specialists.encoders.base import find_base
from specialists.encoders.pairs import Window
from specialists.reader.task import NO_LABEL, RELEVANCE_WEIGHT, Group, ReaderTask

DESKS = Window(ids=(101, 7, 102, 21, 22, 23, 102), types_start=3, text_start=3, offsets=((0, 4), (5, 9), (10, 14)))
LAMPS = Window(ids=(101, 7, 102, 31, 32, 102), types_start=3, text_start=3, offsets=((0, 4), (5, 9)))
ANSWERED = Group(windows=(DESKS, LAMPS), starts=((0, 4),), ends=((0, 5),), relevance=(1.0, 0.0))
LACKING = Group(windows=(LAMPS,), starts=(), ends=(), relevance=(NO_LABEL,))


class Fixed(nn.Module):
    """Gives each token its id's own logits, so that they can be computed by hand."""

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        return torch.stack([ids.float() / 50, -ids.float() / 90], dim=-1), ids.float().mean(dim=1, keepdim=True) / 40


def by_hand(tokens: list[list[int]], right: list[int], scale: float) -> float:
    """Minus the log of the share that the right ids have under one softmax of all."""
    values = np.exp([token * scale for window in tokens for token in window])
    return float(np.log(values.sum()) - np.log(sum(np.exp(token * scale) for token in right)))


def test_it_is_one_softmax_over_the_windows_of_a_question() -> None:
    task = ReaderTask(find_base(), [], negatives={}, seed=1)
    both, lamps = [[101, 21, 22, 23], [101, 31, 32]], [[101, 31, 32]]  # [CLS] and the text; not the question, not [SEP]
    wanted = [
        by_hand(both, [22], 1 / 50),
        by_hand(both, [23], -1 / 90),
        by_hand(lamps, [101], 1 / 50),
        by_hand(lamps, [101], -1 / 90),
    ]
    relevance = [sum(DESKS.ids) / 7 / 40, sum(LAMPS.ids) / 7 / 40]  # rows of a batch are filled up to seven tokens
    of_relevance = np.mean([np.log1p(np.exp(-relevance[0])), np.log1p(np.exp(relevance[1]))])

    loss = task.loss(Fixed(), [ANSWERED, LACKING], "cpu")  # type: ignore[arg-type]

    assert abs(loss.item() - (np.mean(wanted) + RELEVANCE_WEIGHT * of_relevance)) < 1e-4


def test_two_teachers_that_agree_teach_as_one() -> None:
    one = ReaderTask(find_base(), [], negatives={}, seed=1, teachers=[Fixed()])  # type: ignore[list-item]
    two = ReaderTask(find_base(), [], negatives={}, seed=1, teachers=[Fixed(), Fixed()])  # type: ignore[list-item]

    values = [task.loss(Fixed(), [ANSWERED, LACKING], "cpu").item() for task in (one, two)]  # type: ignore[arg-type]

    assert abs(values[0] - values[1]) < 1e-5
