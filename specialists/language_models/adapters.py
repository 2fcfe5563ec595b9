"""LoRA adapters for one base model: read from folders, refused where they do not fit, switched per request.

Only plain LoRA on linear layers is served. What the configuration could do besides (other code, changed base weights, more
trained layers) is refused by name, since it would outlive the request that chose the adapter."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specialists.errors import SpecialistError
from specialists.language_models.folders import (
    PICKLES,
    ModelFolder,
    Shape,
    last_part,
    read_json,
    refuse_pickle,
    tensor_shapes,
)
from specialists.language_models.memory import memory_errors_named

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "card.json"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,119}")
_PATTERN = re.compile(r"\^?[\w.]+")  # a name, though peft would take any expression
_TENSOR = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<side>[AB])\.weight")
_BASE = "__base__"  # peft's name of no adapter, where the rows of a batch have their own
_ROWS = "adapters_of_rows"
# What changes nothing once the weights are there, or is read below.
_READ = frozenset({
    "peft_type", "peft_version", "auto_mapping", "task_type", "inference_mode", "base_model_name_or_path", "revision", "r",
    "lora_alpha", "lora_dropout", "use_rslora", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern",
    "rank_pattern", "alpha_pattern", "init_lora_weights", "bias", "megatron_core", "runtime_config", "qalora_group_size",
})  # fmt: skip
_INITS = (True, False, None, "gaussian")  # the others change the base's weights


@dataclass(frozen=True, slots=True)
class Adapter:
    """`inner`: what it is called within the network, where names have no dots. `shapes`: per layer that it changes those of its
    two matrices, (rank, in) and (out, rank). `recorded_base`: the sha256 of the base's weights, where its card has it."""

    name: str
    inner: str
    folder: Path
    config: dict[str, Any]
    shapes: dict[str, tuple[Shape, Shape]]
    recorded_base: str = ""

    @property
    def ranks(self) -> dict[str, int]:
        return {layer: first[0] for layer, (first, _) in self.shapes.items()}


def read_adapter(folder: Path, inner: str, base: ModelFolder) -> Adapter:
    """Without its numbers. Raises SpecialistError where it is not for this base, or not to be served."""
    config = read_json(folder / CONFIG)
    if not _NAME.fullmatch(folder.name):
        raise _unfit(folder, "its name has other characters than letters, digits, “_”, “-” and “.”")
    if config.get("peft_type") != "LORA":
        raise _unfit(folder, f"it is of the kind {config.get('peft_type')}, and only LORA is served")
    _check_values(folder, config)
    for key, value in config.items():
        if key not in _READ and value not in (None, False, [], {}, "", 0):
            raise _unfit(folder, f"it uses “{key}”, which is not served; only plain LoRA is")
    if config.get("bias", "none") != "none" or config.get("init_lora_weights", True) not in _INITS:
        raise _unfit(folder, "it changes weights of the base, which other requests use, too; only plain LoRA is served")
    if not (folder / WEIGHTS).is_file():
        pickles = [file for pattern in PICKLES for file in sorted(folder.glob(pattern))]
        raise refuse_pickle(folder, pickles) if pickles else _unfit(folder, f"there is no {WEIGHTS}")
    recorded = _recorded_base(folder)
    if not recorded:
        _check_name(folder, config, base)
    adapter = Adapter(folder.name, inner, folder, config, _pairs(folder), recorded)
    for layer, rank in adapter.ranks.items():
        if rank != _rank_by_config(config, layer):
            raise _unfit(folder, f"its rank is {_rank_by_config(config, layer)} in {CONFIG} and {rank} in {WEIGHTS} ({layer})")
    return adapter


def _check_values(folder: Path, config: dict[str, Any]) -> None:
    ranks, alphas = (config.get(key) or {} for key in ("rank_pattern", "alpha_pattern"))
    is_sound = (
        isinstance(ranks, dict) and isinstance(alphas, dict) and isinstance(config.get("r"), int)
        and all(isinstance(value, int | float) for value in (config.get("lora_alpha", 8), *alphas.values()))
        and all(_PATTERN.fullmatch(pattern) for pattern in (*ranks, *alphas))
    )  # fmt: skip
    if not is_sound:
        raise _unfit(folder, f"its ranks or alphas in {CONFIG} cannot be read")


def check_sum(adapter: Adapter, base_sha256: Callable[[], str]) -> None:
    """Where its card records the sum of its base's weights, they are those. Raises SpecialistError `adapter_refused`."""
    if adapter.recorded_base and adapter.recorded_base != base_sha256():
        raise _unfit(adapter.folder, "it was trained on other weights of its base than those that are served")


def _recorded_base(folder: Path) -> str:
    recorded = read_json(folder / CARD).get("base")
    return str(recorded.get("weights_sha256") or "") if isinstance(recorded, dict) else ""


def _check_name(folder: Path, config: dict[str, Any], base: ModelFolder) -> None:
    name = str(config.get("base_model_name_or_path") or "")
    if name and last_part(name) not in base.names:
        remedy = f"If that is the model in {base.path}, call that folder so, or record the weights' sha256 in its {CARD}"
        raise _unfit(folder, f"it was trained on {name}, not on the model in {base.path}. {remedy}")


def _pairs(folder: Path) -> dict[str, tuple[Shape, Shape]]:
    """The shapes of the two matrices of each layer: (rank, in) and (out, rank)."""
    sides: dict[str, dict[str, Shape]] = {}
    for name, shape in tensor_shapes(folder / WEIGHTS).items():
        match = _TENSOR.fullmatch(name)
        if match is None or len(shape) != 2:
            raise _unfit(folder, f"it holds “{name}”, which is not served; only LoRA on linear layers is")
        sides.setdefault(match["layer"], {})[match["side"]] = shape
    pairs = {layer: (found["A"], found["B"]) for layer, found in sides.items() if len(found) == 2}
    if not sides or len(pairs) < len(sides) or any(first[0] != second[1] for first, second in pairs.values()):
        raise _unfit(folder, f"{WEIGHTS} lacks matrices")
    return pairs


def _rank_by_config(config: dict[str, Any], layer: str) -> object:
    patterns = config.get("rank_pattern")
    for pattern, rank in patterns.items() if isinstance(patterns, dict) else ():
        if _is_meant(pattern, layer):
            return rank
    return config.get("r")


def _is_meant(pattern: str, layer: str) -> bool:
    """Whether a key of rank_pattern or alpha_pattern, which is the end of a layer's name, means this layer."""
    name = pattern.removeprefix("^")
    return layer == name or (not pattern.startswith("^") and layer.endswith(f".{name}"))


def _alpha_by_config(config: dict[str, Any], layer: str) -> float:
    patterns = config.get("alpha_pattern")
    for pattern, alpha in patterns.items() if isinstance(patterns, dict) else ():
        if _is_meant(pattern, layer):
            return float(alpha)
    return float(config.get("lora_alpha", 8))


def attach(network: Any, adapter: Adapter) -> None:
    """Put the adapter's matrices beside the network's own weights, which stay as they are. Raises SpecialistError
    `adapter_refused`."""
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    modules = dict(network.named_modules())
    for layer, (first, second) in adapter.shapes.items():
        has = modules.get(layer)
        has_sizes = (getattr(has, "in_features", None), getattr(has, "out_features", None))
        if has_sizes != (first[1], second[0]):
            is_there = f"is {has_sizes[0]} × {has_sizes[1]}" if all(has_sizes) else "is no linear layer"
            raise _unfit(adapter.folder, f"its layer {layer} is {first[1]} × {second[0]}; the base's {is_there}")
    config = LoraConfig(
        r=adapter.config["r"], lora_alpha=adapter.config.get("lora_alpha", 8), target_modules=list(adapter.shapes),
        use_rslora=bool(adapter.config.get("use_rslora")), inference_mode=True,
        rank_pattern={f"^{re.escape(layer)}": rank for layer, rank in adapter.ranks.items()},
        alpha_pattern={f"^{re.escape(layer)}": _alpha_by_config(adapter.config, layer) for layer in adapter.ranks},
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # that there are several adapters is meant; peft asks transformers by a name that goes away
        try:
            with memory_errors_named():
                inject_adapter_in_model(config, network, adapter.inner)
                set_peft_model_state_dict(network, load_file(adapter.folder / WEIGHTS), adapter.inner)
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            raise _unfit(adapter.folder, "it cannot be put on this base") from error
    tell_rows(network)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    network.eval()


def tell_rows(network: Any) -> None:
    """Have the layers that adapters were put on ask, at each step, which adapter is whose row's; see `choose`."""
    for layer in _adapted_layers(network):
        if not hasattr(layer, _ROWS):
            setattr(layer, _ROWS, None)
            layer.register_forward_pre_hook(_with_rows, with_kwargs=True)


def choose(network: Any, *rows: Adapter | None) -> None:
    """Have the next steps computed with this adapter and no other, or with the base alone (None); with several, each row of the
    batch with its own. Whoever computes says it anew, so nothing depends on how an answer before has ended."""
    names = [adapter.inner if adapter is not None else _BASE for adapter in rows]
    is_mixed = len(set(names)) > 1
    for layer in _adapted_layers(network):
        setattr(layer, _ROWS, names if is_mixed else None)
        is_changed = any(name in layer.lora_A for name in names)
        layer.enable_adapters(is_changed)
        if is_changed:
            layer.set_adapter(layer.active_adapters if is_mixed else names[0], inference_mode=True)


def _with_rows(layer: Any, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
    """Before each step of a layer: tells it the adapters of the rows where they differ."""
    names = getattr(layer, _ROWS, None)
    return None if names is None else (args, {**options, "adapter_names": names})


def _adapted_layers(network: Any) -> Iterable[Any]:
    from peft.tuners.lora import LoraLayer

    return [module for module in network.modules() if isinstance(module, LoraLayer)]


def _unfit(folder: Path, why: str) -> SpecialistError:
    return SpecialistError("adapter_refused", f"The adapter {folder.name} is refused: {why}.", permanent=True)
