"""What a training will take, in memory and in time: said before it starts, from the shapes of the base's weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from specialists.errors import SpecialistError
from specialists.finetuning.encoding import EncodedRow, parts_of
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.language_models.folders import ModelFolder, read_json, tensor_shapes
from specialists.language_models.memory import GIB, needed_bytes

EMBEDDINGS = ("embed", "wte", "lm_head")
BYTES_PER_TRAINED = 16  # weight, gradient and two moments of AdamW, in float32
KEPT_PER_LAYER = 34  # numbers of the hidden size that a layer keeps for its gradient (Korthikanti et al. 2022), in bytes of two
EFFICIENCY = 0.4  # of what a large product of matrices reaches
SECONDS_PER_LAYER = 0.001  # of a part, whatever its size


@dataclass(frozen=True, slots=True)
class Shape:
    """`parameters` of the base, `trained` of the adapter."""

    parameters: int
    trained: int
    hidden: int
    layers: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """`free_bytes` is None where it is not known."""

    shape: Shape
    tokens: int
    steps: int
    needed_bytes: int
    free_bytes: int | None
    seconds: float


def shape_of(folder: ModelFolder, recipe: FinetuneRecipe) -> Shape:
    config = read_json(folder.path / "config.json")
    inner = config.get("text_config")
    said = inner if isinstance(inner, dict) else config
    shapes = {name: shape for file in folder.weights for name, shape in tensor_shapes(file).items()}
    linear = [shape for name, shape in shapes.items() if len(shape) == 2 and not any(part in name for part in EMBEDDINGS)]
    return Shape(
        parameters=sum(math.prod(shape) for shape in shapes.values()),
        trained=sum(recipe.r * (shape[0] + shape[1]) for shape in linear),
        hidden=int(said.get("hidden_size") or max((shape[1] for shape in linear), default=1)),
        layers=int(said.get("num_hidden_layers") or 1),
        vocabulary=int(said.get("vocab_size") or 1),
    )


def estimate(
    folder: ModelFolder, recipe: FinetuneRecipe, steps: Sequence[Sequence[EncodedRow]], *, device: str, flops: float,
    free: int | None,
) -> Estimate:  # fmt: skip
    """`flops`: what the device does in a second; `free`: bytes of its memory, None where it is not known."""
    shape = shape_of(folder, recipe)
    is_on_gpu = device.startswith("cuda")
    parts = [part for step in steps for part in parts_of(step, recipe.part_tokens)]
    largest = max((len(part) * max(len(row.tokens) for row in part) for part in parts), default=0)
    learnt = max((len(part) * max(row.learnt for row in part) for part in parts), default=0)
    tokens = sum(len(row.tokens) for step in steps for row in step)
    kept = largest * shape.hidden * (2 * shape.layers + KEPT_PER_LAYER if is_on_gpu else 2 * KEPT_PER_LAYER * shape.layers)
    scores = 3 * 4 * learnt * shape.vocabulary
    weights = needed_bytes(folder, device=device, quantisation=recipe.quantisation)
    work = (6 if is_on_gpu else 4) * shape.parameters * tokens  # forward, backward, and once more where layers are not kept
    return Estimate(
        shape=shape,
        tokens=tokens,
        steps=len(steps),
        needed_bytes=weights + BYTES_PER_TRAINED * shape.trained + kept + scores,
        free_bytes=free,
        seconds=work / (flops * EFFICIENCY) + len(parts) * shape.layers * SECONDS_PER_LAYER,
    )


def share_out(found: Estimate, *, device: str, devices: int) -> Estimate:
    """Of several GPUs each needs as much memory as one alone, and does a share of the work. Processes on one processor do not."""
    if device.startswith("cuda"):
        return replace(found, seconds=found.seconds / devices)
    return replace(found, needed_bytes=found.needed_bytes * devices)


def check_fits(found: Estimate, device: str) -> None:
    """Raises SpecialistError `out_of_memory`."""
    if found.free_bytes is not None and found.needed_bytes > found.free_bytes:
        message = (
            f"The training needs about {found.needed_bytes / GIB:.1f} GiB on {device}, and {found.free_bytes / GIB:.1f} GiB are "
            "free. Take quantisation 4bit, a smaller window or smaller parts, or a smaller base."
        )
        raise SpecialistError("out_of_memory", message)
