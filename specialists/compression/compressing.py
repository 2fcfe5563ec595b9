"""A smaller model out of a base: layers left out by what they change on the organization's own rows, healed by a short training
on them, and merged into one folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from specialists.compression.folders import check_free, write_folder
from specialists.compression.merging import merge_adapter
from specialists.finetuning.encoding import encode_rows
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row
from specialists.language_models.chat import Chat
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.loading import chosen_device, load_network

if TYPE_CHECKING:
    from specialists.finetuning.training import Told

LOOKED_AT = 64  # rows


@dataclass(frozen=True, slots=True)
class Compressed:
    """`dropped`: the numbers of the layers left out; `changes`: per layer of the base, what it changes."""

    folder: ModelFolder
    dropped: tuple[int, ...]
    changes: tuple[float, ...]


def compress(
    base: ModelFolder, rows: Sequence[Row], output: Path, *, layers: int, healing: FinetuneRecipe | None, device: str = "auto",
    report: Callable[[Told], bool] = lambda _: True,
) -> Compressed:  # fmt: skip
    """Leave out the `layers` layers that change least; with `healing` train an adapter on the rows and merge it. The first layer
    and the last stay: they turn tokens into meaning and back. Raises SpecialistError."""
    check_free(output)
    dropped, changes = _drop(base, rows, _unhealed(output), layers, chosen_device(device))
    smaller = read_model_folder(_unhealed(output))
    if healing is None:
        smaller.path.rename(output)
        return Compressed(read_model_folder(output), dropped, changes)
    from specialists.finetuning.training import Finetuning, finetune

    adapter = output.with_name(f"{output.name}-healing")
    finetune(Finetuning(smaller, healing, rows, (), adapter, report, device=device))
    merge_adapter(smaller, adapter, output)
    shutil.rmtree(smaller.path)
    shutil.rmtree(adapter)
    return Compressed(read_model_folder(output), dropped, changes)


def _unhealed(output: Path) -> Path:
    return output.with_name(f"{output.name}-unhealed")


def _drop(
    base: ModelFolder, rows: Sequence[Row], folder: Path, count: int, device: str
) -> tuple[tuple[int, ...], tuple[float, ...]]:  # fmt: skip
    from specialists.compression.layers import check_count, drop_layers, layer_changes

    encoded = encode_rows(rows[:LOOKED_AT], Chat(base.path), base.positions or 4096)
    network = load_network(base, device=device, quantisation="")
    changes = layer_changes(network, [row.tokens for row in encoded])
    check_count(count, len(changes))
    inner = range(1, len(changes) - 1)
    dropped = tuple(sorted(sorted(inner, key=lambda number: changes[number])[:count]))
    drop_layers(network, dropped)
    shutil.rmtree(folder, ignore_errors=True)
    write_folder(network, base, folder)
    return dropped, tuple(changes)
