"""Makes a trained specialist ready for this host: float16 weights and the base's embeddings → ONNX → fused → int8."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

from retrieval.errors import RetrievalError
from retrieval.files import fsync_path, locked, sha256_of
from retrieval.onnx_export import fuse, quantise, quiet_export
from specialists.encoders.base import BaseEncoder, load_tokenizer
from specialists.encoders.bundle import Card, base_of, read_card
from specialists.encoders.pairs import PairEncoder, stack
from specialists.errors import SpecialistError

MODEL = "model.onnx"
MANIFEST = "manifest.json"
EXPORT = 3  # raise it when the exported graph changes, so that prepared folders are made anew
WAIT_S = 900
FLOAT_OUTPUT = "/encoder/encoder/layer.{}/output/dense/MatMul"
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
SAMPLE = (
    "Who pays for the return?",
    "The sender pays for the return, unless the goods were damaged when they arrived.",
    "Returns",
)
# Layers whose feed-forward output stays in float32: in the first ones, what goes into it has outliers, which stretch the scale
# of all activations. It takes a quarter of the int8 error off a reader's scores (docs/specialists.md).
FLOAT_OUTPUTS = {"reader": (0, 1)}
Precision = Literal["int8", "fp32"]


def prepare_specialist(source: Path, kind: str, target: Path, precision: Precision = "int8") -> Card:
    """Write the graph of the specialist in `source` to the folder `target`; do nothing when it is there and sound.

    Raises SpecialistError; `specialist_busy` when another process is at it."""
    card = read_card(source, kind)
    base = base_of(card, source)
    busy = RetrievalError("busy", f"Another process is preparing the {kind}.")
    try:
        with locked(target.parent / f"{target.name}.lock", wait_s=WAIT_S, busy=busy):
            if not is_prepared(target, card, precision):
                _prepare(source, card, base, target, precision)
    except RetrievalError as error:
        raise SpecialistError("specialist_busy", f"{error.public_message} Try again when it has finished.") from error
    return card


def is_prepared(target: Path, card: Card, precision: Precision = "int8") -> bool:
    """Whether the folder has this specialist's graph, undamaged."""
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    wanted = _manifest(card, precision)
    sound = (target / MODEL).is_file() and sha256_of(target / MODEL) == manifest.get("sha256")
    return sound and {name: manifest.get(name) for name in wanted} == wanted


def _manifest(card: Card, precision: Precision) -> dict[str, Any]:
    return {"export": EXPORT, "weights_sha256": card.weights_sha256, "base_sha256": card.base["weights"], "precision": precision}


def _prepare(source: Path, card: Card, base: BaseEncoder, target: Path, precision: Precision) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as name, quiet_export():
        scratch = Path(name)
        export_graph(load_network(source, card, base), card, base, scratch / "raw.onnx")
        graph = fuse(scratch / "raw.onnx", scratch / "fused.onnx", config=base.folder / "config.json")
        if precision == "int8":
            kept = tuple(FLOAT_OUTPUT.format(layer) for layer in FLOAT_OUTPUTS.get(card.kind, ()))
            graph = quantise(graph, scratch / "int8.onnx", keep_float=kept)
        folder = scratch / "new"
        folder.mkdir()
        shutil.move(graph, folder / MODEL)
        manifest = {**_manifest(card, precision), "sha256": sha256_of(folder / MODEL)}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        for path in (*folder.iterdir(), folder):
            fsync_path(path)
        if target.exists():
            target.rename(scratch / "old")
        folder.rename(target)
        fsync_path(target.parent)


def load_network(source: Path, card: Card, base: BaseEncoder, *, dropout: float = 0.0) -> Any:
    """The specialist as a torch network (SpecialistNetwork), in float32. `dropout` counts when it is trained on."""
    import torch
    from safetensors.torch import load_file

    from specialists.encoders.bundle import WEIGHTS
    from specialists.encoders.network import SpecialistNetwork, own_weights

    network = SpecialistNetwork(
        base, token_heads=card.token_heads, pair_heads=card.pair_heads, layers=card.layers, neurons=card.neurons,
        dropout=dropout,
    )  # fmt: skip
    weights = {name: value.to(torch.float32) for name, value in load_file(source / WEIGHTS).items()}
    if set(weights) != set(own_weights(network)):
        message = f"The weights in {source} do not fit the network of its card. Train the specialist again."
        raise SpecialistError("specialist_mismatch", message, permanent=True)
    network.load_state_dict(weights, strict=False)
    return network.eval()


def export_graph(network: Any, card: Card, base: BaseEncoder, path: Path) -> None:
    """Write the network as ONNX; outputs are named after its heads."""
    import torch

    network.encoder.config._attn_implementation = "eager"  # the pattern that the fusion knows
    pairs = PairEncoder(load_tokenizer(base), window=card.window)
    row = pairs.windows(*SAMPLE)
    example = tuple(torch.from_numpy(array) for array in stack([row[0], row[0]]))
    axes = {0: "rows", 1: "tokens"}
    names = [*card.token_heads, *card.pair_heads]
    dynamic = dict.fromkeys((*INPUTS, *card.token_heads), axes) | {name: {0: "rows"} for name in card.pair_heads}
    with torch.no_grad():
        torch.onnx.export(
            network, example, str(path), dynamo=False, opset_version=17, input_names=INPUTS, output_names=names,
            dynamic_axes=dynamic,
        )  # fmt: skip
