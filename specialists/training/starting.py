"""What a training starts from: the base encoder with new heads, or a specialist to go on from; and the teachers, if any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from specialists.encoders.base import BaseEncoder
from specialists.encoders.bundle import CARD, base_of, read_card
from specialists.encoders.export import load_network
from specialists.encoders.network import SpecialistNetwork, shrink
from specialists.training.recipe import Recipe


def start_network(
    kind: str, base: BaseEncoder, recipe: Recipe, *, token_heads: Mapping[str, int], pair_heads: Mapping[str, int]
) -> SpecialistNetwork:
    """From the base or from recipe.start. A specialist of another kind gives its layers, which have learnt to compare two texts,
    and its heads of the same name.

    Raises SpecialistError when the specialist in recipe.start is damaged or of another base."""
    torch.manual_seed(recipe.seed)
    if not recipe.start:
        return SpecialistNetwork(
            base, token_heads=token_heads, pair_heads=pair_heads, layers=recipe.layers, neurons=recipe.neurons,
            dropout=recipe.dropout,
        )  # fmt: skip
    kind_of_start = _kind_in(Path(recipe.start)) or kind
    network = load_specialist(kind_of_start, Path(recipe.start), dropout=recipe.dropout)
    if kind_of_start != kind:
        network.token_heads = _heads(network.token_heads, base, token_heads)
        network.pair_heads = _heads(network.pair_heads, base, pair_heads)
    shrink(network.encoder, layers=recipe.layers, neurons=recipe.neurons)
    return network


def _kind_in(folder: Path) -> str:
    """What the card says; empty when there is none to read: loading then says what is wrong."""
    try:
        return str(json.loads((folder / CARD).read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _heads(own: nn.ModuleDict, base: BaseEncoder, wanted: Mapping[str, int]) -> nn.ModuleDict:
    return nn.ModuleDict({name: own[name] if name in own else nn.Linear(base.hidden_size, size) for name, size in wanted.items()})


def load_teachers(kind: str, recipe: Recipe) -> list[SpecialistNetwork]:
    return [load_specialist(kind, Path(folder)) for folder in recipe.teachers]


def load_specialist(kind: str, folder: Path, *, dropout: float = 0.0) -> SpecialistNetwork:
    """Raises SpecialistError."""
    card = read_card(folder, kind)
    network: SpecialistNetwork = load_network(folder, card, base_of(card, folder), dropout=dropout)
    return network
