"""How far a student's scores are from its teacher's, token by token: what the words alone do not say (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from specialists.finetuning.encoding import EncodedRow, encode_rows
from specialists.finetuning.losses import NOT_LEARNT, scores_of
from specialists.finetuning.rows import Row
from specialists.language_models.chat import Chat

SHARE = 0.5  # of the loss


class ScoresOfTeacher:
    """The Kullback-Leibler divergence of the student's next-token distribution from the teacher's, for the same tokens. See
    training.Guide. `tokens`: of the shared vocabulary; what a model's scores have beyond them is padding."""

    share = SHARE

    def __init__(self, network: Any, tokens: int, name: str) -> None:
        self.name = name
        self._network = network
        self._tokens = tokens

    def loss(self, rows: Sequence[EncodedRow], scores: Tensor, wanted: Tensor, device: str) -> Tensor:
        with torch.no_grad():
            aimed = scores_of(self._network, rows, device)[0][..., : self._tokens].log_softmax(-1)
        found = scores[..., : self._tokens].log_softmax(-1)
        apart = torch.nn.functional.kl_div(found, aimed, reduction="none", log_target=True).sum(-1)
        return apart.masked_fill(wanted == NOT_LEARNT, 0.0).sum()


def shared_tokens(teacher: Chat, student: Chat, rows: Sequence[Row], window: int) -> int:
    """How many tokens both tokenizers have, where they are the same ones and both make the same of the rows; 0 where not: then
    the scores are about different things."""
    if teacher.vocabulary() != student.vocabulary():
        return 0
    if encode_rows(rows, teacher, window) != encode_rows(rows, student, window):
        return 0
    return max(student.vocabulary().values()) + 1
