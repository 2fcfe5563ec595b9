"""A Hugging Face model's folder, looked at without loading a model library: what it holds, and whether it may be used."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from retrieval.files import sha256_of
from specialists.errors import SpecialistError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
COMPRESSED = "compressed-tensors"  # a folder of this method is made whole when it is loaded
PACKED, BESIDE_PACKED = ".weight_packed", (".weight_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx")
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """`positions`: the longest text that the model was made for, in tokens. `parameters`: how many numbers its weights have,
    unpacked where they are compressed-tensors; `stored_bytes`: what they take on disk. `quantised_by`: the method that its files
    are quantised with already, or nothing."""

    path: Path
    weights: tuple[Path, ...]
    positions: int
    parameters: int
    stored_bytes: int
    quantised_by: str
    known_as: str

    @property
    def names(self) -> frozenset[str]:
        """What an adapter may call its base."""
        return frozenset(name for name in (last_part(str(self.path)), last_part(self.known_as)) if name)

    def weights_sha256(self) -> str:
        """Of one file, its sum; of several, the sum of their sums in the order of their names. It reads all of them."""
        sums = [sha256_of(file) for file in sorted(self.weights)]
        return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def last_part(name: str) -> str:
    """“Qwen/Qwen2.5-7B-Instruct”, as a folder of that name: “qwen2.5-7b-instruct”."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2].lower()


def read_model_folder(path: Path) -> ModelFolder:
    """Raises SpecialistError `no_model_folder`, `pickle_refused`, `no_chat_template` or `broken_folder`."""
    if not (path / "config.json").is_file():
        needs = "config.json, model.safetensors and tokenizer.json"
        message = f"LANGUAGE_MODEL_FOLDER: there is no model in {path}. Give a folder that has {needs}."
        raise SpecialistError("no_model_folder", message, permanent=True)
    config = read_json(path / "config.json")
    weights = _weights(path)
    if not (path / "tokenizer.json").is_file():
        raise broken(path, "tokenizer.json is missing")
    if not (path / "chat_template.jinja").is_file() and not read_json(path / "tokenizer_config.json").get("chat_template"):
        message = (
            f"The model in {path} has no chat template, so it was not made to follow instructions. Take its “instruct” variant."
        )
        raise SpecialistError("no_chat_template", message, permanent=True)
    text, quantisation = config.get("text_config"), config.get("quantization_config")
    positions = (text if isinstance(text, dict) else config).get("max_position_embeddings")
    shapes = {name: shape for file in weights for name, shape in tensor_shapes(file).items()}
    method = str(quantisation.get("quant_method", "another method")) if isinstance(quantisation, dict) else ""
    return ModelFolder(
        path=path,
        weights=weights,
        positions=positions if isinstance(positions, int) and positions > 0 else 0,
        parameters=_numbers(shapes, _packed_together(quantisation) if method == COMPRESSED else 0),
        stored_bytes=sum(file.stat().st_size for file in weights),
        quantised_by=method,
        known_as=str(config.get("_name_or_path") or ""),
    )


def _numbers(shapes: Mapping[str, Shape], packed: int) -> int:
    """`packed`: how many of them are in each integer of a packed tensor, whose scales are then none of them; 0: nothing is."""
    if not packed:
        return sum(math.prod(shape) for shape in shapes.values())
    own = {name: math.prod(shape) for name, shape in shapes.items() if not name.endswith(BESIDE_PACKED)}
    return sum(count * packed if name.endswith(PACKED) else count for name, count in own.items())


def _packed_together(quantisation: Any) -> int:
    try:
        bits = next(iter(quantisation["config_groups"].values()))["weights"]["num_bits"]
        return 32 // bits or 1
    except (KeyError, TypeError, AttributeError, StopIteration, ZeroDivisionError):
        return 1


def tensor_shapes(path: Path) -> dict[str, Shape]:
    """The tensors of a safetensors file; their numbers are not read. Raises SpecialistError `broken_folder`."""
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    except (OSError, SafetensorError) as error:
        raise broken(path.parent, f"{path.name} cannot be read") from error


def read_json(path: Path) -> dict[str, Any]:
    """An object; empty where the file is missing. Raises SpecialistError `broken_folder`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise broken(path.parent, f"{path.name} cannot be read") from error
    if not isinstance(found, dict):
        raise broken(path.parent, f"{path.name} holds no object")
    return found


def broken(path: Path, what: str) -> SpecialistError:
    return SpecialistError("broken_folder", f"The folder {path} is damaged: {what}. Copy it again.", permanent=True)


def refuse_pickle(path: Path, found: Sequence[Path]) -> SpecialistError:
    message = (
        f"The weights in {path} are a pickle ({found[0].name}), which can run any program when it is read. "
        "Take a copy of the model in safetensors."
    )
    return SpecialistError("pickle_refused", message, permanent=True)


def _weights(path: Path) -> tuple[Path, ...]:
    """As transformers chooses them: the single file, else those of the index."""
    if (path / SINGLE).is_file():
        return (path / SINGLE,)
    shards = read_json(path / INDEX).get("weight_map")
    if isinstance(shards, dict) and shards:
        files = tuple(path / str(name) for name in sorted(set(map(str, shards.values()))))
        for file in files:
            if file.parent != path or not file.is_file():
                raise broken(path, f"{file.name}, which its index names, is missing")
        return files
    pickles = [file for pattern in PICKLES for file in sorted(path.glob(pattern))]
    if pickles:
        raise refuse_pickle(path, pickles)
    if any(path.glob("*.gguf")):
        message = f"The model in {path} is GGUF, which llama.cpp's llama-server serves: set LANGUAGE_MODEL_URL."
        raise SpecialistError("no_model_folder", message, permanent=True)
    raise broken(path, f"there is no {SINGLE}")
