"""Greedy decoding, token by token, in the thread of whoever reads: who stops reading has stopped the model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from specialists.errors import SpecialistError
from specialists.language_models.memory import memory_errors_named

PART = 512  # tokens of the prompt that are read at once: bounds the memory, and how late a time limit is noticed


def decode_greedily(network: Any, prompt: Sequence[int], *, most_tokens: int, deadline: float) -> Iterator[int]:
    """At most `most_tokens` tokens, and none after the deadline (of time.monotonic()) but the first; the reader stops at a stop
    token. Raises SpecialistError `model_slow`, `out_of_memory` or `model_broken`."""
    cache: Any = None
    token = -1
    for start in range(0, len(prompt), PART):
        if time.monotonic() > deadline:
            message = "The language model took too long to read the passages. A GPU, a smaller model or a smaller window helps."
            raise SpecialistError("model_slow", message)
        token, cache = _step(network, prompt[start : start + PART], cache)
    for left in range(most_tokens - 1, -1, -1):
        yield token
        if not left or time.monotonic() > deadline:
            return
        token, cache = _step(network, [token], cache)


def _step(network: Any, tokens: Sequence[int], cache: Any) -> tuple[int, Any]:
    """The likeliest next token, and the cache with these tokens."""
    import torch

    with memory_errors_named(), torch.inference_mode():
        row = torch.tensor([list(tokens)], device=network.device)
        output = network(input_ids=row, past_key_values=cache, use_cache=True, logits_to_keep=1)
        best = output.logits[0, -1].float().max(dim=-1)
        if not bool(torch.isfinite(best.values)):
            message = "The language model computes no numbers any more. Its weights, or their quantisation, are damaged."
            raise SpecialistError("model_broken", message)
        return int(best.indices), output.past_key_values
