"""GPTQ and AWQ by llm-compressor, in the environment of requirements-quantise.txt and in a process of its own that knows nothing
of the product: `python quantiser.py JOB`. JOB is a JSON object: `model` and `output`, folders; `method`, gptq or awq; `bits`;
`dtype`; `rows`, the tokens of what it is calibrated on. Writes safetensors; the last line says how the weights are grouped."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

GROUPS = (128, 64, 32)  # weights of an output that share a scale: the most that divides the inputs of all matrices
WHOLE = ["lm_head"]  # the scores of the next token stay as they are


def main() -> None:
    sys.addaudithook(_refuse_network)  # before any library is there that might ask
    import torch
    from llmcompressor import oneshot
    from llmcompressor.pipelines.cache import IntermediatesCache
    from transformers import AutoModelForCausalLM

    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    network = AutoModelForCausalLM.from_pretrained(
        job["model"], local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=job["dtype"]
    )
    if not torch.accelerator.is_available():
        IntermediatesCache.pin_memory = lambda *_: None  # AWQ asks for it, and there is no device to pin memory for
    group = _group(network)
    made = oneshot(
        model=network, recipe=_recipe(job["method"], job["bits"], group), dataset=_batches(job["rows"]),
        num_calibration_samples=len(job["rows"]), trust_remote_code_model=False,
    )  # fmt: skip
    made.save_pretrained(job["output"], save_compressed=True, safe_serialization=True)
    print(json.dumps({"group": group}))  # noqa: T201 - the product reads it


def _refuse_network(event: str, given: tuple[Any, ...]) -> None:
    """No name is looked up and nothing is connected to, whatever a library has in mind."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        raise PermissionError(f"The quantiser asks no network: {event} {given}")


def _group(network: Any) -> int:
    """0 where none fits: then each output has one scale."""
    from torch import nn

    matrices = [module for name, module in network.named_modules() if isinstance(module, nn.Linear) and name not in WHOLE]
    return next((size for size in GROUPS if all(module.in_features % size == 0 for module in matrices)), 0)


def _recipe(method: str, bits: int, group: int) -> list[Any]:
    """AWQ in four bits has zero points, as its authors use it."""
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    shared: dict[str, Any] = {"strategy": "group", "group_size": group} if group else {"strategy": "channel"}
    weights = {"num_bits": bits, "type": "int", "symmetric": method == "gptq" or bits != 4, **shared}
    options = {"config_groups": {"matrices": {"targets": ["Linear"], "weights": weights}}, "ignore": WHOLE}
    if method == "gptq":
        return [GPTQModifier(**options)]
    return [AWQModifier(), QuantizationModifier(**options)]


def _batches(rows: list[list[int]]) -> Any:
    """One row each, as it is: nothing is padded or cut."""
    import torch
    from torch.utils.data import DataLoader

    given = [{"input_ids": torch.tensor([row]), "attention_mask": torch.ones(1, len(row), dtype=torch.long)} for row in rows]
    return DataLoader(given, batch_size=None)


if __name__ == "__main__":
    main()
