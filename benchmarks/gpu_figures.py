"""Figures that only a GPU can give: each with its target, or “n/a” with the reason why it is not there."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from retrieval.errors import RetrievalError
from specialists.errors import SpecialistError

TINY = "tiny"


@dataclass(frozen=True, slots=True)
class Target:
    """`limit` is the least or, `is_most`, the most that is wanted."""

    limit: float
    is_most: bool = False

    def is_met(self, value: float) -> bool:
        return value <= self.limit if self.is_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.is_most else '≥'} {self.limit:,g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """`reason`: why the value says nothing, or is not there; empty where it counts. `target` is None where none was set."""

    name: str
    unit: str
    target: Target | None
    value: float | None
    reason: str = ""

    def row(self) -> str:
        wanted = f"{self.target} {self.unit}" if self.target else "none set"
        if self.value is None or self.reason:
            return f"| {self.name} | {wanted} | n/a: {self.reason} |"
        verdict = "" if self.target is None else ", met" if self.target.is_met(self.value) else ", missed"
        return f"| {self.name} | {wanted} | {self.value:,.4g} {self.unit}{verdict} |"


def said(error: Exception) -> str:
    """Why there is no figure, in one line."""
    is_ours = isinstance(error, SpecialistError | RetrievalError | ModuleNotFoundError)
    message = getattr(error, "public_message", error) if is_ours else f"{type(error).__name__}: {error}"
    return " ".join(str(message).split())


def attempt(measure: Callable[[], dict[str, float]]) -> tuple[dict[str, float], str]:
    """The values, or none and why: what this host cannot do must not cost the other figures."""
    try:
        return measure(), ""
    except (SpecialistError, RetrievalError, ImportError, RuntimeError, MemoryError, OSError) as error:
        return {}, said(error)


def why_it_does_not_count(device: str, size: str) -> str:
    if not device.startswith("cuda"):
        return "measured on a processor, which shows only that the code runs"
    return "of the tiny size, which shows only that the code runs" if size == TINY else ""


def has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def wait_for(device: str) -> None:
    """A device works while the program goes on: a time is taken when it has finished."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def copy_bandwidth(device: str, size: int, rounds: int = 5) -> float:
    """Bytes that the device's memory reads and writes in a second, by copying `size` bytes; the best of the rounds."""
    import torch

    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(rounds):
        wait_for(device)
        started = time.perf_counter()
        target.copy_(source)
        wait_for(device)
        best = min(best, time.perf_counter() - started)
    return 2 * size / best


def describe_host(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        free, whole = torch.cuda.mem_get_info(device)
        return f"{torch.cuda.get_device_name(device)}, {free / 1e9:.1f} of {whole / 1e9:.1f} GB free, torch {torch.__version__}"
    return f"a processor, torch {torch.__version__}"


def print_table(figures: Iterable[Figure], notes: Iterable[str] = (), *, stream: Any = None) -> None:
    print("| figure | target | measured |\n|---|---|---|", file=stream)
    for figure in figures:
        print(figure.row(), file=stream)
    for note in notes:
        print(f"- {note}", file=stream)
