"""A trained router on disk: one safetensors file per head, and card.json with their sha256, written last."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from retrieval.files import fsync_path, sha256_of, write_atomically
from retrieval.passages import FloatMatrix
from specialists.errors import SpecialistError
from specialists.router.classifier import Classifier, Outsider
from specialists.router.features import Sketch

LAYOUT = 1  # of the sketch and the head; raise it when either changes, so that old heads are refused
CARD = "card.json"


@dataclass(frozen=True, slots=True)
class HeadCard:
    """One head. `rows`: how many texts by part; `figures` are those of the test rows, which nothing was chosen on."""

    labels: list[str]
    columns: int
    sketch_weight: float
    temperature: float
    intercept: float
    threshold: float
    strength: float
    rows: dict[str, int]
    data_sha256: str
    figures: dict[str, float] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class RouterCard:
    """`embedder` is the name of the one whose vectors it was trained on: model, revision and precision."""

    layout: int
    kind: str
    embedder: str
    dimension: int
    seed: int
    heads: dict[str, HeadCard]
    data: str = ""
    licences: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


def write_router(folder: Path, card: RouterCard, heads: Mapping[str, Classifier]) -> RouterCard:
    """Write all heads in float16 and the card, whole or not at all. Raises SpecialistError `disk`."""
    from safetensors.numpy import save_file

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            new = Path(scratch)
            sums = {}
            for name, classifier in heads.items():
                path = new / f"{name}.safetensors"
                save_file(_tensors(classifier), path)
                path.chmod(0o644)
                fsync_path(path)
                sums[name] = sha256_of(path)
            card = replace(card, heads={name: replace(head, sha256=sums[name]) for name, head in card.heads.items()})
            (folder / CARD).unlink(missing_ok=True)  # without a card nothing is served: never an old card with new heads
            for name in heads:
                shutil.move(new / f"{name}.safetensors", folder / f"{name}.safetensors")
        write_card(folder, card)
    except OSError as error:
        message = f"The router could not be written to {folder}: {error}. Free some space and run the same command again."
        raise SpecialistError("disk", message) from error
    return card


def write_card(folder: Path, card: RouterCard) -> None:
    write_atomically(folder / CARD, (json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n").encode())


def read_router_card(folder: Path) -> RouterCard:
    """Raises SpecialistError `specialist_missing`, `specialist_corrupt` or `specialist_mismatch`."""
    try:
        content = json.loads((folder / CARD).read_text(encoding="utf-8"))
        heads = {name: HeadCard(**head) for name, head in content.pop("heads").items()}
        card = RouterCard(heads=heads, **content)
    except FileNotFoundError:
        message = f"There is no trained router in {folder}. Train one with manage.py train_specialist router."
        raise SpecialistError("specialist_missing", message, permanent=True) from None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise _corrupt(folder) from None
    if card.kind != "router" or card.layout != LAYOUT:
        message = f"{folder} holds a {card.kind} of layout {card.layout}; a router of layout {LAYOUT} is needed. Train it again."
        raise SpecialistError("specialist_mismatch", message, permanent=True)
    return card


def read_router(folder: Path, *, embedder: str) -> tuple[RouterCard, dict[str, Classifier]]:
    """The heads of a sound folder that was trained on this embedder's model; its precision may differ.

    Raises SpecialistError `specialist_missing`, `specialist_corrupt` or `specialist_mismatch`."""
    card = read_router_card(folder)
    if card.embedder.partition(":")[0] != embedder.partition(":")[0]:
        message = f"The router in {folder} was trained on the embeddings of {card.embedder}, not of {embedder}. Train it again."
        raise SpecialistError("specialist_mismatch", message, permanent=True)
    return card, {name: _read_head(folder, name, head) for name, head in card.heads.items()}


def _tensors(classifier: Classifier) -> dict[str, FloatMatrix]:
    outsider = classifier.outsider
    halves = {
        "weights": classifier.weights,
        "idf": classifier.sketch.idf,
        "centroids": outsider.centroids,
    }
    singles = {"mean": outsider.mean, "spread": outsider.spread, "slopes": outsider.slopes}
    stored: dict[str, FloatMatrix] = {name: np.ascontiguousarray(array, np.float16) for name, array in halves.items()}
    return stored | {name: np.ascontiguousarray(array, np.float32) for name, array in singles.items()}


def _read_head(folder: Path, name: str, card: HeadCard) -> Classifier:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / f"{name}.safetensors"
    if not path.is_file() or sha256_of(path) != card.sha256:
        raise _corrupt(folder)
    try:
        tensors = {key: array.astype(np.float32) for key, array in load_file(path).items()}
        sketch = Sketch(tensors["idf"], card.columns, card.sketch_weight)
        outsider = Outsider(
            centroids=tensors["centroids"],
            mean=tensors["mean"],
            spread=tensors["spread"],
            slopes=tensors["slopes"],
            intercept=card.intercept,
            threshold=card.threshold,
        )
        return Classifier(tuple(card.labels), sketch, tensors["weights"], card.temperature, outsider)
    except (SafetensorError, KeyError) as error:
        raise _corrupt(folder) from error


def _corrupt(folder: Path) -> SpecialistError:
    message = f"The router in {folder} is damaged. Copy it again, or train it again with manage.py train_specialist router."
    return SpecialistError("specialist_corrupt", message, permanent=True)
