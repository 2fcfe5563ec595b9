"""Greedy decoding of several answers at once on one network, each with an adapter of its own or none (docs/adr/0021).

There is no thread of its own: whoever wants a token that is not there yet takes one step for all of them. So a model that nobody
reads computes nothing, and who stops reading is out of the batch."""

from __future__ import annotations

import inspect
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from specialists.errors import SpecialistError
from specialists.language_models.adapters import Adapter, choose
from specialists.language_models.memory import memory_errors_named

PART = 512  # tokens of a prompt that are read at once: bounds the memory, and how late a time limit is noticed
PART_BETWEEN = 128  # where others wait for their next token meanwhile


@dataclass(slots=True, eq=False)
class Row:
    """One answer. `left`: how many more tokens it may have; `read`: how many of the prompt are in its cache; `last`: its last
    token; `found`: those that its reader has not taken yet."""

    prompt: Sequence[int]
    left: int
    deadline: float
    stops: frozenset[int]
    adapter: Adapter | None
    read: int = 0
    cache: Any = None
    last: int = -1
    found: deque[int] = field(default_factory=deque)
    has_ended: bool = False
    failure: Exception | None = None

    def take(self, token: int) -> None:
        self.last = token
        self.found.append(token)
        self.left -= 1
        self.has_ended = self.left <= 0 or token in self.stops or time.monotonic() > self.deadline

    def fail(self, failure: Exception) -> None:
        self.failure, self.has_ended = failure, True


class Batch:
    """Thread-safe. An answer is the same whatever is written beside it, but for what the order of sums does to the last bits."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.takes_several = _takes_several(network)
        self._lock = threading.Lock()  # held for a step
        self._coming: list[Row] = []  # appended to without the lock, removed from with it
        self._rows: list[Row] = []
        self._cache: Any = None  # of all rows, each with its end at the right
        self._mask: Any = None  # (rows, tokens in the cache): 1 where a row has a token, 0 before its beginning
        self._chosen: tuple[str, ...] | None = None  # what the network's layers were told

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No step is taken meanwhile, so that the network may be changed."""
        with self._lock:
            self._chosen = None
            yield

    def decode(
        self, prompt: Sequence[int], *, most_tokens: int, deadline: float, stops: frozenset[int] = frozenset(),
        adapter: Adapter | None = None,
    ) -> Generator[int, None, None]:  # fmt: skip
        """At most `most_tokens` tokens, of `stops` one at most, which is the last, and after the deadline (of time.monotonic())
        no more than one. `adapter` is on the network already. Raises SpecialistError `model_slow`, `out_of_memory` or
        `model_broken`."""
        row = Row(prompt, most_tokens, deadline, stops, adapter)
        self._coming.append(row)
        try:
            while True:
                while not row.found and not row.has_ended:
                    with self._lock:
                        if not row.found and not row.has_ended:
                            self._step()
                if row.failure is not None:
                    raise row.failure
                if not row.found:
                    return
                yield row.found.popleft()
        finally:
            row.has_ended = True
            with self._lock:
                self._leave()

    def _step(self) -> None:
        """A token for each that is being written, and a part of the prompt of the first that has come."""
        self._leave()
        if self._rows:
            try:
                self._write()
            except Exception as error:  # noqa: BLE001 - each reader raises it
                for row in self._rows:
                    row.fail(error)
        if self._coming:
            row = self._coming[0]
            try:
                self._read(row)
            except Exception as error:  # noqa: BLE001 - its reader raises it
                row.fail(error)

    def _leave(self) -> None:
        """Leave out those that have ended, and the columns of the cache that were theirs alone."""
        for row in list(self._coming):
            if row.has_ended:
                self._coming.remove(row)
        places = [place for place, row in enumerate(self._rows) if not row.has_ended]
        if len(places) == len(self._rows):
            return
        self._rows = [self._rows[place] for place in places]
        if not places:
            self._cache = self._mask = None
            return
        try:
            self._keep(places)
        except Exception as error:  # noqa: BLE001 - parts of the cache are of other rows than the rest: each reader raises it
            for row in self._rows:
                row.fail(error)
            self._rows, self._cache, self._mask = [], None, None

    def _keep(self, places: Sequence[int]) -> None:
        mask = self._mask[places]
        start = int(mask.shape[1] - mask.sum(dim=1).max())
        self._mask = mask[:, start:]
        with memory_errors_named():
            for layer in self._cache.layers:
                layer.keys, layer.values = layer.keys[places][:, :, start:], layer.values[places][:, :, start:]

    def _read(self, row: Row) -> None:
        if time.monotonic() > row.deadline:
            message = "The language model took too long to read the passages. A GPU, a smaller model or a smaller window helps."
            raise SpecialistError("model_slow", message)
        part = row.prompt[row.read : row.read + (PART_BETWEEN if self._rows else PART)]
        cache = row.cache if row.read else self._new_cache()
        best, row.cache = self._forward([part], (row.adapter,), cache)
        row.read += len(part)
        if row.read < len(row.prompt):
            return
        self._coming.remove(row)
        _take(row, best[0])
        if not row.has_ended:
            self._join(row)

    def _join(self, row: Row) -> None:
        import torch

        mask = torch.ones(1, row.read, dtype=torch.long, device=self.network.device)
        if not self._rows:
            self._cache, self._mask = row.cache, mask
        else:
            size = max(self._mask.shape[1], row.read)
            with memory_errors_named():  # all of them before any is put in place: the others go on where there is no memory
                joined = [
                    (_joined(own.keys, new.keys, size), _joined(own.values, new.values, size))
                    for own, new in zip(self._cache.layers, row.cache.layers, strict=True)
                ]
            for layer, states in zip(self._cache.layers, joined, strict=True):
                layer.keys, layer.values = states
            masks = (self._mask, mask)
            self._mask = torch.cat([torch.nn.functional.pad(each, (size - each.shape[1], 0)) for each in masks])
        row.cache = None
        self._rows.append(row)

    def _write(self) -> None:
        import torch

        lasts = [[row.last] for row in self._rows]
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(lasts), 1)], dim=1)
        mask = self._mask if len(lasts) > 1 else None
        best, self._cache = self._forward(lasts, tuple(row.adapter for row in self._rows), self._cache, mask)
        for row, token in zip(self._rows, best, strict=True):
            _take(row, token)

    def _new_cache(self) -> Any:
        """Of all tokens, even for layers that look at the last ones only, so that rows can be put together: the mask leaves out
        the others. A network of another kind makes its own."""
        from transformers import DynamicCache

        return DynamicCache() if self.takes_several else None

    def _forward(
        self, tokens: Sequence[Sequence[int]], adapters: tuple[Adapter | None, ...], cache: Any, mask: Any = None
    ) -> tuple[list[int | None], Any]:  # fmt: skip
        """The likeliest next token of each row, None where there are no numbers any more; and the cache with these tokens."""
        import torch

        names = tuple(adapter.inner if adapter is not None else "" for adapter in adapters)
        if names != self._chosen:
            self._chosen = None
            choose(self.network, *adapters)
            self._chosen = names
        rows = torch.tensor([list(row) for row in tokens], device=self.network.device)
        options = {} if mask is None else {"attention_mask": mask, "position_ids": mask.sum(dim=1, keepdim=True) - 1}
        with memory_errors_named(), torch.inference_mode():
            output = self.network(input_ids=rows, past_key_values=cache, use_cache=True, logits_to_keep=1, **options)
            best = output.logits[:, -1].float().max(dim=-1)
            numbers = torch.isfinite(best.values).tolist()
            likeliest = best.indices.tolist()
        return [token if is_number else None for token, is_number in zip(likeliest, numbers, strict=True)], output.past_key_values


def _take(row: Row, token: int | None) -> None:
    if token is None:
        message = "The language model computes no numbers any more. Its weights, or their quantisation, are damaged."
        row.fail(SpecialistError("model_broken", message))
    else:
        row.take(token)


def _joined(first: Any, second: Any, size: int) -> Any:
    """(rows, heads, tokens, width) of both, with as many tokens as `size`: what is missing is put before the beginning."""
    import torch

    return torch.cat([torch.nn.functional.pad(states, (0, 0, size - states.shape[2], 0)) for states in (first, second)])


def _takes_several(network: Any) -> bool:
    """Whether rows of different lengths may be put together: attention whose keys and values are kept by token, and a network
    that is told where each row is."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    layers = DynamicCache(config=network.config).layers
    is_by_token = bool(layers) and all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
    return is_by_token and "position_ids" in inspect.signature(network.forward).parameters
