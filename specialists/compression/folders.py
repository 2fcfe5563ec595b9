"""A model's folder out of a network: weights in safetensors, tokenizer and chat template of the folder that it came from; there
wholly or not at all."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

from retrieval.files import fsync_path
from specialists.errors import SpecialistError
from specialists.language_models.folders import ModelFolder

BESIDES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "added_tokens.json")


def check_free(output: Path) -> None:
    """Raises SpecialistError `output_exists`."""
    if output.exists():
        message = f"{output} is there already. Give another --output, or delete it."
        raise SpecialistError("output_exists", message, permanent=True)


def zero_share(folder: ModelFolder) -> float:
    """Of all its numbers, those that are zero. It reads all of them."""
    from safetensors import safe_open

    zeros = total = 0
    for path in folder.weights:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dictionary
                tensor = file.get_tensor(name)
                zeros, total = zeros + int((tensor == 0).sum()), total + tensor.numel()
    return zeros / max(total, 1)


def write_folder(network: Any, base: ModelFolder, output: Path) -> None:
    """Raises SpecialistError `disk`."""
    temporary = output.with_name(f".{output.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.save_pretrained(temporary, safe_serialization=True)
        for name in BESIDES:
            if (base.path / name).is_file():
                shutil.copyfile(base.path / name, temporary / name)
        for file in temporary.iterdir():
            fsync_path(file)
        temporary.rename(output)
        fsync_path(output.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise SpecialistError("disk", f"The model could not be written to {output}. Free some space and try again.") from error
