"""A smaller model out of a base: layers and single weights left out by what they do on the organization's own rows, healed by a
short training on them, and merged into one folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specialists.compression.folders import check_free, write_folder
from specialists.compression.sparsity import Sparsity
from specialists.finetuning.encoding import encode_rows
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row
from specialists.language_models.chat import Chat
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.loading import chosen_device, load_network

if TYPE_CHECKING:
    from specialists.finetuning.losses import Guide
    from specialists.finetuning.training import Told

LOOKED_AT = 64  # rows, for the layers
CALIBRATED_ON = 128  # rows, for single weights: as many sequences as the paper takes


@dataclass(frozen=True, slots=True)
class Compressed:
    """`dropped`: the numbers of the layers left out; `changes`: per layer of the base, what it changes, where any were to be left
    out; `zeros`: the share of the remaining layers' weights that was made zero."""

    folder: ModelFolder
    dropped: tuple[int, ...]
    changes: tuple[float, ...]
    zeros: float = 0.0


def compress(
    base: ModelFolder, rows: Sequence[Row], output: Path, *, healing: FinetuneRecipe | None, layers: int = 0,
    sparsity: Sparsity | None = None, device: str = "auto", report: Callable[[Told], bool] = lambda _: True,
) -> Compressed:  # fmt: skip
    """Leave out the `layers` layers that change least, then of what is left single weights; with `healing` train an adapter on
    the rows and merge it, the zeros kept. The first layer and the last stay: they turn tokens into meaning and back. Raises
    SpecialistError; `stopped` where the report says so, and the same call goes on."""
    check_free(output)
    folder = _unhealed(output)
    dropped, changes, zeros = _cut(base, rows, folder, layers, sparsity, chosen_device(device))
    smaller = read_model_folder(folder)
    if healing is None:
        smaller.path.rename(output)
        return Compressed(read_model_folder(output), dropped, changes, zeros)
    heal(smaller, rows, output, healing, keeps_zeros=sparsity is not None, device=device, report=report)
    shutil.rmtree(smaller.path)
    return Compressed(read_model_folder(output), dropped, changes, zeros)


def heal(
    smaller: ModelFolder, rows: Sequence[Row], output: Path, recipe: FinetuneRecipe, *, keeps_zeros: bool, device: str,
    report: Callable[[Told], bool], guide: Guide | None = None,
) -> None:  # fmt: skip
    """Train an adapter on the rows and write the model with it in its weights. Stopped, it goes on from its checkpoint."""
    from specialists.compression.masking import keep_zeros
    from specialists.compression.merging import merge_adapter
    from specialists.finetuning.training import Finetuning, finetune, leave

    adapter = output.with_name(f"{output.name}-healing")
    arrange = keep_zeros if keeps_zeros else leave
    finetune(Finetuning(smaller, recipe, rows, (), adapter, report, device=device, arrange=arrange, guide=guide))
    merge_adapter(smaller, adapter, output, keeps_zeros=keeps_zeros)
    shutil.rmtree(adapter)


def _unhealed(output: Path) -> Path:
    return output.with_name(f"{output.name}-unhealed")


def _cut(
    base: ModelFolder, rows: Sequence[Row], folder: Path, layers: int, sparsity: Sparsity | None, device: str
) -> tuple[tuple[int, ...], tuple[float, ...], float]:  # fmt: skip
    from specialists.compression.pruning import prune

    encoded = [row.tokens for row in encode_rows(rows[:CALIBRATED_ON], Chat(base.path), base.positions or 4096)]
    network = load_network(base, device=device, quantisation="")
    dropped, changes = _drop(network, encoded[:LOOKED_AT], layers) if layers else ((), ())
    zeros = prune(network, encoded, sparsity) if sparsity else 0.0
    shutil.rmtree(folder, ignore_errors=True)
    write_folder(network, base, folder)
    return dropped, changes, zeros


def _drop(network: Any, encoded: Sequence[Sequence[int]], count: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    from specialists.compression.layers import check_count, drop_layers, layer_changes

    changes = layer_changes(network, encoded)
    check_count(count, len(changes))
    inner = range(1, len(changes) - 1)
    dropped = tuple(sorted(sorted(inner, key=lambda number: changes[number])[:count]))
    drop_layers(network, dropped)
    return dropped, tuple(changes)
