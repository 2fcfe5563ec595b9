"""What writing several answers in one batch brings on this machine's processor, beside one after the other.

    python benchmarks/batched.py [--answers 1 2 4 8] [--prompt 300] [--tokens 48] [--width 1024] [--layers 16] [--json]

A network of Qwen2's architecture with random numbers in float32, three LoRA adapters and none by turns: what it writes has no
sense, and its speed does not depend on that. Prints for each number of answers the tokens a second of all together, how long
the last one waited for its first token, and both again where they are written one after the other."""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

VOCABULARY = 32_000
ADAPTERS = 3
LATER = 3600.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Several answers in one batch, beside one after the other.")
    parser.add_argument("--answers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--prompt", type=int, default=300, help="tokens")
    parser.add_argument("--tokens", type=int, default=48, help="of each answer")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3, help="the median counts")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    network, adapters = made(arguments.width, arguments.layers)
    rows = []
    for answers in arguments.answers:
        prompts = [prompt_of(number, arguments.prompt) for number in range(answers)]
        chosen = [adapters[number % len(adapters)] for number in range(answers)]
        together = median([by_turns(network, prompts, chosen, arguments.tokens) for _ in range(arguments.repeats)])
        after = median([one_by_one(network, prompts, chosen, arguments.tokens) for _ in range(arguments.repeats)])
        rows.append({"answers": answers, "together": together, "one_after_the_other": after})
    if arguments.json:
        print(json.dumps({"parameters": sum(each.numel() for each in network.parameters()), "rows": rows}, indent=1))
        return
    print("| answers | tokens/s in one batch | one after the other | last one's first token, s | one after the other |")
    print("|---|---|---|---|---|")
    for row in rows:
        one, other = row["together"], row["one_after_the_other"]
        cells = [f"{side['rate']:.1f}" for side in (one, other)] + [f"{side['last_began']:.2f}" for side in (one, other)]
        print(f"| {row['answers']} | " + " | ".join(cells) + " |")


def made(width: int, layers: int) -> tuple[Any, list[Any]]:
    """The network with its adapters, and these with None for its own numbers."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    config = Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=width // 64, num_key_value_heads=max(1, width // 256), tie_word_embeddings=True,
    )  # fmt: skip
    network = Qwen2ForCausalLM(config).eval()
    from specialists.language_models.adapters import tell_rows

    names = [f"adapter_{number}" for number in range(ADAPTERS)]
    for name in names:
        inject_adapter_in_model(LoraConfig(r=16, target_modules="all-linear", inference_mode=True), network, name)
    tell_rows(network)
    return network, [None, *(SimpleNamespace(inner=name) for name in names)]


def prompt_of(number: int, length: int) -> list[int]:
    dice = random.Random(number)
    return [dice.randrange(VOCABULARY) for _ in range(length - dice.randrange(length // 4))]


def by_turns(network: Any, prompts: Sequence[Sequence[int]], adapters: Sequence[Any], tokens: int) -> dict[str, float]:
    from specialists.language_models.decoding import Batch

    batch, started = Batch(network), time.perf_counter()
    answers = [
        batch.decode(prompt, most_tokens=tokens, deadline=time.monotonic() + LATER, adapter=adapter)
        for prompt, adapter in zip(prompts, adapters, strict=True)
    ]
    for answer in answers:
        next(answer)
    began = time.perf_counter() - started
    written = len(answers) + sum(sum(1 for _ in answer) for answer in answers)
    return {"rate": written / (time.perf_counter() - started), "last_began": began}


def one_by_one(network: Any, prompts: Sequence[Sequence[int]], adapters: Sequence[Any], tokens: int) -> dict[str, float]:
    from specialists.language_models.decoding import Batch

    started, began, written = time.perf_counter(), 0.0, 0
    for prompt, adapter in zip(prompts, adapters, strict=True):
        answer = Batch(network).decode(prompt, most_tokens=tokens, deadline=time.monotonic() + LATER, adapter=adapter)
        next(answer)
        began = time.perf_counter() - started
        written += 1 + sum(1 for _ in answer)
    return {"rate": written / (time.perf_counter() - started), "last_began": began}


def median(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


if __name__ == "__main__":
    main()
