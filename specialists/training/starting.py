"""What a training starts from: the base encoder with new heads, or a specialist to go on from; and the teacher, if any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from specialists.encoders.base import BaseEncoder
from specialists.encoders.bundle import base_of, read_card
from specialists.encoders.export import load_network
from specialists.encoders.network import SpecialistNetwork, shrink
from specialists.training.recipe import Recipe


def start_network(
    kind: str, base: BaseEncoder, recipe: Recipe, *, token_heads: Mapping[str, int], pair_heads: Mapping[str, int]
) -> SpecialistNetwork:
    """Raises SpecialistError when the specialist in recipe.start is damaged or of another base."""
    torch.manual_seed(recipe.seed)
    if not recipe.start:
        return SpecialistNetwork(
            base, token_heads=token_heads, pair_heads=pair_heads, layers=recipe.layers, neurons=recipe.neurons,
            dropout=recipe.dropout,
        )  # fmt: skip
    network = load_specialist(kind, Path(recipe.start), dropout=recipe.dropout)
    shrink(network.encoder, layers=recipe.layers, neurons=recipe.neurons)
    return network


def load_teacher(kind: str, recipe: Recipe) -> SpecialistNetwork | None:
    return load_specialist(kind, Path(recipe.teacher)) if recipe.teacher else None


def load_specialist(kind: str, folder: Path, *, dropout: float = 0.0) -> SpecialistNetwork:
    """Raises SpecialistError."""
    card = read_card(folder, kind)
    network: SpecialistNetwork = load_network(folder, card, base_of(card, folder), dropout=dropout)
    return network
