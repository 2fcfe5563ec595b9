"""What a training will take, for the page that offers it: by counting, so that the web process loads no library for networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from specialists.finetuning.encoding import encode_rows, make_steps
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row
from specialists.finetuning.sizing import Estimate, estimate, share_out
from specialists.language_models.folders import ModelFolder, broken
from specialists.language_models.marks import without_marks
from specialists.language_models.memory import free_bytes
from specialists.language_models.types import Message
from specialists.prompting import PER_MESSAGE

GPU_FLOPS = 150e12  # about what a data centre's GPU does in bfloat16; the training itself measures it
_GPUS = Path("/proc/driver/nvidia/gpus")


class Counting:
    """As many tokens as Chat makes, but for a few around a message; all of them are 0."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises plain Exceptions
            raise broken(folder, "its tokenizer cannot be read") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, text: str) -> int:
        encoded = self._tokenizer.encode(without_marks(text).encode("utf-8", "replace").decode(), add_special_tokens=False)
        return len(encoded.ids)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        return [0] * sum(self.count(message.content) + PER_MESSAGE for message in messages)

    def completion(self, text: str) -> list[int]:
        return [0] * (self.count(text) + 1)


def forecast(base: ModelFolder, recipe: FinetuneRecipe, rows: Sequence[Row], *, device: str, devices: int = 1) -> Estimate:
    """For `device`: auto, cpu, cuda, cuda:1 … How much of a GPU's memory is free is not asked. Raises SpecialistError."""
    is_on_gpu = device.startswith("cuda") or (device == "auto" and _GPUS.is_dir())
    window = min(recipe.window, base.positions or recipe.window)
    steps = make_steps(encode_rows(rows, Counting(base.path), window), recipe)
    if is_on_gpu:
        return share_out(
            estimate(base, recipe, steps, device="cuda:0", flops=GPU_FLOPS, free=None), device="cuda:0", devices=devices
        )
    found = estimate(base, recipe, steps, device="cpu", flops=_processor_flops(), free=free_bytes("cpu"))
    return share_out(found, device="cpu", devices=devices)


def _processor_flops(size: int = 1024) -> float:
    """By a product of two matrices, as training.measure_flops does it."""
    left = np.ones((size, size), np.float32)
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        np.matmul(left, left)
        spent.append(time.perf_counter() - started)
    return 2 * size**3 / min(spent)
