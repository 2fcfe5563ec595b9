"""Runs a prepared specialist: ONNX Runtime and the tokenizers library, without torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.onnx_session import open_session
from specialists.encoders.base import load_tokenizer
from specialists.encoders.bundle import Card, base_of
from specialists.encoders.export import INPUTS, MODEL
from specialists.encoders.pairs import PairEncoder, Window, stack

FloatArray = NDArray[np.float32]


class SpecialistSession:
    """One row of tokens per run, `threads` runs side by side: int8 activations are scaled per run, so in a batch a row's
    scores would depend on its neighbours; alone they are always the same, and nothing is spent on padding."""

    def __init__(self, source: Path, card: Card, prepared: Path, *, threads: int = 0) -> None:
        self.card = card
        self.threads = threads or len(os.sched_getaffinity(0))
        self.pairs = PairEncoder(load_tokenizer(base_of(card, source)), window=card.window)
        self._session = open_session(prepared / MODEL)

    def run(self, windows: Sequence[Window]) -> list[tuple[FloatArray, ...]]:
        """Per window its heads' outputs: (tokens, outputs) for a token head, (outputs,) for a pair head."""
        if min(self.threads, len(windows)) <= 1:
            return [self._run(window) for window in windows]
        longest_first = sorted(range(len(windows)), key=lambda row: -len(windows[row].ids))
        results: list[tuple[FloatArray, ...]] = [()] * len(windows)
        with ThreadPoolExecutor(self.threads, thread_name_prefix="specialist") as pool:
            for row, result in zip(longest_first, pool.map(lambda r: self._run(windows[r]), longest_first), strict=True):
                results[row] = result
        return results

    def _run(self, window: Window) -> tuple[FloatArray, ...]:
        outputs = self._session.run(None, dict(zip(INPUTS, stack([window]), strict=True)))
        return tuple(output[0] for output in outputs)
