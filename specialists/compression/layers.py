"""Leaves out the layers of a causal model that change least what passes through them (Men et al. 2024, ShortGPT)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from specialists.errors import SpecialistError

MOST_SHARE = 0.5  # of the layers
PER_LAYER = ("layer_types",)  # entries of a configuration that have one item for each layer


def layer_changes(network: Any, rows: Sequence[Sequence[int]]) -> list[float]:
    """Per layer, 1 - the mean cosine between what goes in and what comes out, over the tokens of the rows."""
    total, tokens = [0.0] * len(layers_of(network)), 0
    for row in rows:
        with torch.inference_mode():
            states = network(
                input_ids=torch.tensor([list(row)], device=network.device), output_hidden_states=True, use_cache=False,
                logits_to_keep=1,
            ).hidden_states  # fmt: skip
        for number in range(len(total)):
            cosine = nn.functional.cosine_similarity(states[number][0].float(), states[number + 1][0].float(), dim=-1)
            total[number] += float((1 - cosine).sum())
        tokens += len(row)
    return [value / max(tokens, 1) for value in total]


def check_count(count: int, layers: int) -> None:
    """Raises SpecialistError `too_few_layers`."""
    if count > layers * MOST_SHARE:
        message = f"The model has {layers} layers. Leave out at most {int(layers * MOST_SHARE)} of them."
        raise SpecialistError("too_few_layers", message, permanent=True)


def drop_layers(network: Any, gone: Sequence[int]) -> None:
    """In place."""
    layers = layers_of(network)
    kept = [number for number in range(len(layers)) if number not in set(gone)]
    inner = network.get_decoder()
    inner.layers = nn.ModuleList(layers[number] for number in kept)
    for place, layer in enumerate(inner.layers):  # where a layer keeps its part of the cache
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = place
    network.config.num_hidden_layers = len(kept)
    for name in PER_LAYER:
        said = getattr(network.config, name, None)
        if isinstance(said, list) and len(said) == len(layers):
            setattr(network.config, name, [said[number] for number in kept])


def layers_of(network: Any) -> Any:
    """Raises SpecialistError `model_unsupported`."""
    found = getattr(network.get_decoder(), "layers", None)
    if not isinstance(found, nn.ModuleList):
        message = "The layers of this kind of model cannot be left out one by one."
        raise SpecialistError("model_unsupported", message, permanent=True)
    return found
