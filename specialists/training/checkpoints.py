"""The state of an unfinished training: one safetensors file, there wholly or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retrieval.files import fsync_path
from specialists.errors import SpecialistError

NAME = "checkpoint.safetensors"


@dataclass(slots=True)
class Progress:
    """`step` steps are done; `losses` are means over REPORT_STEPS steps; `seconds` of work, those before a resumption too."""

    fingerprint: str
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


def save_checkpoint(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Raises SpecialistError `disk` when it cannot be written; the previous checkpoint then stays."""
    from safetensors.torch import save_file

    tensors = {f"weight.{name}": value.detach().contiguous() for name, value in _trained(network).items()}
    for name, parameter in _trained(network).items():
        for key, value in optimizer.state[parameter].items():
            tensors[f"{key}.{name}"] = value
    temporary = folder / f".{NAME}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata={"progress": json.dumps(asdict(progress))})
        fsync_path(temporary)
        temporary.replace(folder / NAME)
        fsync_path(folder)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        message = f"The checkpoint could not be written to {folder}: {error}. Free some space and run the same command again."
        raise SpecialistError("disk", message) from error


def load_checkpoint(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str) -> Progress:
    """Put a checkpoint's state into the network and the optimizer. A folder without one is a fresh start.

    Raises SpecialistError `other_training` when it is of other data or another recipe."""
    from safetensors import safe_open

    path = folder / NAME
    if not path.is_file():
        return Progress(fingerprint)
    with safe_open(path, framework="pt") as file:
        progress = Progress(**json.loads(file.metadata()["progress"]))
        if progress.fingerprint != fingerprint:
            message = f"{folder} holds an unfinished training on other data or with other settings. Give another --output, or delete it."  # noqa: E501
            raise SpecialistError("other_training", message, permanent=True)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is not a dict
    _restore(network, optimizer, tensors)
    return progress


def _restore(network: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    states: dict[str, dict[str, Any]] = {}
    for name, value in tensors.items():
        key, _, parameter = name.partition(".")
        states.setdefault(parameter, {})[key] = value
    with torch.no_grad():
        for name, parameter in _trained(network).items():
            state = states[name]
            parameter.copy_(state.pop("weight"))
            moved = {key: value.to(parameter.device) if key != "step" else value for key, value in state.items()}
            optimizer.state[parameter] = moved


def _trained(network: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def remove_checkpoint(folder: Path) -> None:
    (folder / NAME).unlink(missing_ok=True)
