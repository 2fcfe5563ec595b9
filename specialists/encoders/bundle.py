"""A trained specialist's folder: weights.safetensors (without the base's word embeddings) and card.json with their sha256,
written last. A folder whose files, base or layout do not match is refused."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.files import fsync_path, sha256_of, write_atomically
from specialists.encoders.base import BaseEncoder, find_base
from specialists.errors import SpecialistError

if TYPE_CHECKING:
    from torch import Tensor

LAYOUT = 1  # of the tokens of a pair and of the heads; raise it when either changes, so that old weights are refused
CARD = "card.json"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a specialist. `base` has the name and the two sums of its base; `figures` come from the evaluation."""

    layout: int
    kind: str
    base: dict[str, str]
    layers: int
    neurons: int  # of a layer's feed-forward part
    token_heads: dict[str, int]
    pair_heads: dict[str, int]
    window: int
    recipe: dict[str, Any]
    data: list[dict[str, Any]]
    licences: list[str]
    losses: list[float]
    seconds: float
    weights_sha256: str
    versions: dict[str, str]
    answer_tokens: int = 40  # the longest answer that a reader looks for
    figures: dict[str, Any] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    parents: list[dict[str, Any]] = field(default_factory=list)  # the trainings that it went on from, oldest first

    @property
    def name(self) -> str:
        return f"{self.kind}@{self.weights_sha256[:12]}"


def write_bundle(folder: Path, card: Card, tensors: Mapping[str, Tensor]) -> Card:
    """Write the weights in float16 and the card, whole or not at all. Returns the card with its sha256.

    Raises SpecialistError `disk`."""
    import torch
    from safetensors.torch import save_file

    halves = {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in sorted(tensors.items())}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as name:
            new = Path(name)
            save_file(halves, new / WEIGHTS)
            card = Card(**{**asdict(card), "weights_sha256": sha256_of(new / WEIGHTS)})
            write_card(new, card)
            for file in (WEIGHTS, CARD):
                (new / file).chmod(0o644)
                fsync_path(new / file)
            (folder / CARD).unlink(missing_ok=True)  # without a card a folder is not served: never old card, new weights
            for file in (WEIGHTS, CARD):
                shutil.move(new / file, folder / file)
            fsync_path(folder)
    except (OSError, RuntimeError) as error:
        message = f"The specialist could not be written to {folder}: {error}. Free some space and run the same command again."
        raise SpecialistError("disk", message) from error
    return card


def write_card(folder: Path, card: Card) -> None:
    write_atomically(folder / CARD, (json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n").encode())


def read_card(folder: Path, kind: str, sum_of: Callable[[Path], str] = sha256_of) -> Card:
    """The card of a sound folder, whose weights have the sha256 that it names. Raises SpecialistError `specialist_missing`,
    `specialist_corrupt` or `specialist_mismatch`."""
    try:
        card = Card(**json.loads((folder / CARD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        message = f"There is no trained {kind} in {folder}. Train one with manage.py train_specialist {kind}."
        raise SpecialistError("specialist_missing", message, permanent=True) from None
    except (ValueError, TypeError):
        raise _corrupt(folder) from None
    if card.kind != kind or card.layout != LAYOUT:
        message = f"{folder} holds a {card.kind} of layout {card.layout}; a {kind} of layout {LAYOUT} is needed. Train it again."
        raise SpecialistError("specialist_mismatch", message, permanent=True)
    if not (folder / WEIGHTS).is_file() or sum_of(folder / WEIGHTS) != card.weights_sha256:
        raise _corrupt(folder)
    return card


def base_of(card: Card, folder: Path) -> BaseEncoder:
    """The base that the card names. Raises SpecialistError `specialist_mismatch` when it is not the one trained on."""
    base = find_base(card.base["name"])
    for what, has in (("weights", base.weights_sha256), ("tokenizer", base.tokenizer_sha256)):
        if card.base[what] != has:
            message = (
                f"The {what} of {base.name} are not those that {folder} was trained with. Install that version or train again."
            )
            raise SpecialistError("specialist_mismatch", message, permanent=True)
    return base


def _corrupt(folder: Path) -> SpecialistError:
    message = f"The specialist in {folder} is damaged. Copy it again, or train it again."
    return SpecialistError("specialist_corrupt", message, permanent=True)
