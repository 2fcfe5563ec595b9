"""Takes single weights out of a causal model: in each row of a matrix those that matter least to the rows that it was shown
(Sun et al. 2023, Wanda)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from specialists.compression.layers import layers_of
from specialists.compression.sparsity import GROUP, Sparsity
from specialists.errors import SpecialistError

LEAST_LINEAR = 0.9  # of a layer's numbers: where it has experts of another form, pruning would leave most of them as they are
UNSUPPORTED = "The weights of this kind of model are not in plain matrices, and cannot be taken out one by one."


def prune(network: Any, rows: Sequence[Sequence[int]], sparsity: Sparsity) -> float:
    """In place, layer after layer: each is calibrated on what the pruned ones before it give, and all of a layer's matrices on
    what they see while it is whole. `rows`: tokens. Returns the share of the layers' weights that are zero. The embeddings and
    the head stay. Raises SpecialistError `model_unsupported`."""
    layers = layers_of(network)
    _check(layers, sparsity)
    states, options = _recorded(network, layers, rows)
    zeros = total = 0
    for number, layer in enumerate(layers):
        matrices = [module for module in layer.modules() if isinstance(module, nn.Linear)]
        with _norms(matrices) as norms:
            _run(layer, states, options[number])
        for matrix, squares in zip(matrices, norms(), strict=True):
            gone = least(matrix.weight.abs() * squares.sqrt().to(matrix.weight.dtype), sparsity)
            matrix.weight.masked_fill_(gone, 0)
            zeros, total = zeros + int(gone.sum()), total + gone.numel()
        states = _run(layer, states, options[number])
    return zeros / total


def least(scores: Tensor, sparsity: Sparsity) -> Tensor:
    """Which weights go, by their scores (outputs × inputs): of each output the share with the least, or of each four neighbours
    the two."""
    if sparsity.is_patterned:
        grouped = scores.unflatten(1, (-1, GROUP))
        places = grouped.topk(GROUP // 2, dim=-1, largest=False).indices
        return torch.zeros_like(grouped, dtype=torch.bool).scatter_(-1, places, value=True).flatten(1)
    count = round(scores.shape[1] * sparsity.share)
    places = scores.topk(count, dim=1, largest=False).indices
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, places, value=True)


def _check(layers: Sequence[nn.Module], sparsity: Sparsity) -> None:
    for layer in layers:
        matrices = [module.weight for module in layer.modules() if isinstance(module, nn.Linear)]
        numbers = sum(parameter.numel() for parameter in layer.parameters())
        if sum(matrix.numel() for matrix in matrices) < LEAST_LINEAR * numbers:
            raise SpecialistError("model_unsupported", UNSUPPORTED, permanent=True)
        if sparsity.is_patterned and any(matrix.shape[1] % GROUP for matrix in matrices):
            message = f"A matrix of this model has inputs that are no multiple of {GROUP}. Give a share, such as 0.5."
            raise SpecialistError("model_unsupported", message, permanent=True)


def _recorded(network: Any, layers: Sequence[nn.Module], rows: Sequence[Sequence[int]]) -> tuple[list[Tensor], list[list[Any]]]:
    """Per row what goes into the first layer; per layer and row what the model gives it besides (positions, masks), which does
    not depend on the weights before it."""
    states: list[Tensor] = []
    options: list[list[Any]] = [[] for _ in layers]

    def remember(number: int) -> Callable[..., None]:
        def hook(layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            named = dict(named)
            first = given[0] if given else named.pop("hidden_states")
            if number == 0:
                states.append(first)
            options[number].append((given[1:], named))

        return hook

    hooks = [layer.register_forward_pre_hook(remember(number), with_kwargs=True) for number, layer in enumerate(layers)]
    try:
        for row in rows:
            with torch.inference_mode():
                network(input_ids=torch.tensor([list(row)], device=network.device), use_cache=False, logits_to_keep=1)
    finally:
        for handle in hooks:
            handle.remove()
    return states, options


def _run(layer: nn.Module, states: Sequence[Tensor], options: Sequence[Any]) -> list[Tensor]:
    after = []
    for state, (given, named) in zip(states, options, strict=True):
        with torch.inference_mode():
            output = layer(state, *given, **named)
        after.append(output[0] if isinstance(output, tuple) else output)
    return after


@contextmanager
def _norms(matrices: Sequence[nn.Linear]) -> Iterator[Callable[[], list[Tensor]]]:
    """Per matrix the sum of the squares of each of its inputs, over all tokens that pass while the context is open."""
    sums = [torch.zeros(matrix.in_features, device=matrix.weight.device) for matrix in matrices]

    def count(place: int) -> Callable[..., None]:
        def hook(matrix: nn.Module, given: tuple[Tensor, ...]) -> None:
            sums[place] += given[0].detach().flatten(0, -2).float().square().sum(0)

        return hook

    hooks = [matrix.register_forward_pre_hook(count(place)) for place, matrix in enumerate(matrices)]
    try:
        yield lambda: sums
    finally:
        for handle in hooks:
            handle.remove()
