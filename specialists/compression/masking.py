"""Keeps the zeros of a pruned base through a training: an adapter that adds nothing where the base has none.

A plain LoRA fills all of a matrix: merged, nothing would be left of the pruning, and with the zeros put back afterwards the model
would not be the one that was trained."""

from __future__ import annotations

from types import MethodType
from typing import Any

from torch import Tensor, nn


def keep_zeros(network: Any) -> None:
    """Of an adapted network: what its adapters add is masked by the zeros of the base's weights, in training and after it."""
    from peft.tuners.lora import LoraLayer

    for layer in network.modules():
        if isinstance(layer, LoraLayer) and isinstance(layer.get_base_layer(), nn.Linear):
            layer.forward = MethodType(_masked, layer)


def put_zeros_back(network: Any, zeros: dict[str, Tensor]) -> None:
    """After an adapter that was trained so was merged: (W + BA) ⊙ mask is W + BA ⊙ mask where W ⊙ mask is W."""
    for name, gone in zeros.items():
        network.get_submodule(name).weight.masked_fill_(gone, 0)


def zeros_of(network: Any) -> dict[str, Tensor]:
    """Per matrix that has any, which of its weights are zero."""
    found = {name: module.weight == 0 for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    return {name: gone for name, gone in found.items() if bool(gone.any())}


def _masked(layer: Any, given: Tensor) -> Tensor:
    base = layer.get_base_layer()
    result: Tensor = base(given)
    if layer.disable_adapters:
        return result
    for name in layer.active_adapters:
        first, second = layer.lora_A[name].weight, layer.lora_B[name].weight
        added = layer.scaling[name] * (second @ first) * (base.weight != 0)
        dropped = layer.lora_dropout[name](given)
        result = result + nn.functional.linear(dropped.to(added.dtype), added).to(result.dtype)
    return result
