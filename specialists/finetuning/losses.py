"""What a network is trained to make small: the losses of the learnt tokens, and of pairs of answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from specialists.finetuning.encoding import EncodedRow, parts_of
from specialists.finetuning.recipe import FinetuneRecipe

NOT_LEARNT = -100


class Guide(Protocol):
    """A further loss beside that of the words, such as how far a student's scores are from its teacher's. `share` of the whole
    loss is its; trainings with guides of other names are others."""

    name: str
    share: float

    def loss(self, rows: Sequence[EncodedRow], scores: Tensor, wanted: Tensor, device: str) -> Tensor:
        """The sum over the learnt tokens. `scores`: rows × tokens × vocabulary; `wanted`: the tokens, NOT_LEARNT beside them."""
        ...


def preference_loss(network: Any, rows: Sequence[EncodedRow], beta: float, device: str) -> Tensor:
    """The sum over the pairs of −log σ(β (gain of the preferred answer − gain of the rejected one)), where a gain is by how much
    the adapter raises the log-probability over its base's (DPO, Rafailov et al. 2023). The base is the network without its
    adapter: a second one would take its memory again."""
    both = [*rows, *(row.rejected for row in rows if row.rejected is not None)]
    with torch.no_grad(), network.disable_adapter():
        before = token_losses(network, both, device).sum(1)
    gains = before - token_losses(network, both, device).sum(1)
    return -torch.nn.functional.logsigmoid(beta * (gains[: len(rows)] - gains[len(rows) :])).sum()


def summed_loss(network: Any, rows: Sequence[EncodedRow], device: str, guide: Guide | None = None) -> Tensor:
    """The sum of the losses of the learnt tokens."""
    scores, wanted = scores_of(network, rows, device)
    losses = _cross_entropy(scores, wanted).sum()
    if guide is None:
        return losses
    return (1 - guide.share) * losses + guide.share * guide.loss(rows, scores, wanted, device)


def token_losses(network: Any, rows: Sequence[EncodedRow], device: str) -> Tensor:
    """The losses of the learnt tokens, rows × the longest completion, 0 before a shorter one."""
    return _cross_entropy(*scores_of(network, rows, device))


def _cross_entropy(scores: Tensor, wanted: Tensor) -> Tensor:
    losses = torch.nn.functional.cross_entropy(
        scores.flatten(0, 1), wanted.flatten(), ignore_index=NOT_LEARNT, reduction="none"
    )  # fmt: skip
    return losses.view_as(wanted)


def scores_of(network: Any, rows: Sequence[EncodedRow], device: str) -> tuple[Tensor, Tensor]:
    """The scores from which the learnt tokens are told, rows × the longest completion × vocabulary, and those tokens, NOT_LEARNT
    before a shorter completion. Padding is on the left, so that the completions end together and only their scores are
    computed."""
    longest, learnt = max(len(row.tokens) for row in rows), max(row.learnt for row in rows)
    tokens = torch.tensor([[0] * (longest - len(row.tokens)) + list(row.tokens) for row in rows], device=device)
    lengths = torch.tensor([len(row.tokens) for row in rows], device=device)
    places = torch.arange(longest, device=device)[None, :] - (longest - lengths)[:, None]
    wanted = tokens[:, -learnt:].clone()
    counted = torch.tensor([row.learnt for row in rows], device=device)
    wanted[torch.arange(learnt, device=device)[None, :] < (learnt - counted)[:, None]] = NOT_LEARNT
    with precision(device):
        output = network(
            input_ids=tokens, attention_mask=(places >= 0).long(), position_ids=places.clamp(min=0), logits_to_keep=learnt + 1,
        )  # fmt: skip
    return output.logits[:, :-1].float(), wanted


def held_out_loss(network: Any, rows: Sequence[EncodedRow], recipe: FinetuneRecipe, device: str) -> float:
    """The mean loss of the learnt tokens."""
    network.eval()
    with torch.no_grad():
        total = sum(float(summed_loss(network, part, device)) for part in parts_of(rows, recipe.part_tokens))
    network.train()
    return round(total / sum(row.learnt for row in rows), 4)


def precision(device: str) -> AbstractContextManager[Any]:
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()
