"""Trains an embedder: rows → the loop that all small specialists share → a sentence-transformers folder in safetensors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from retrieval.embedders.sources import ModelSource, find_source
from retrieval.files import fsync_path, write_atomically
from specialists.embedder.rows import read_rows
from specialists.encoders.base import find_base
from specialists.errors import DataError
from specialists.training.recipe import Run

LEAST_ROWS = 50
COPIED = (
    "config.json", "config_sentence_transformers.json", "modules.json", "sentence_bert_config.json", "special_tokens_map.json",
    "tokenizer.json", "tokenizer_config.json", "vocab.txt", "1_Pooling/config.json",
)  # fmt: skip
WEIGHTS = "model.safetensors"
CARD = "adapted.json"


def train_embedder(run: Run, *, share: float) -> Path:
    """Write the folder `run.output / "model"`. An interrupted run goes on from its checkpoint.

    `share`: how far to go from the base's weights to the trained ones; between them lies what learns the organization's words
    and forgets little of the rest (Wortsman et al. 2022, robust fine-tuning). Raises DataError, SpecialistError."""
    rows = read_rows(run.data[0].path)
    if len(rows) < LEAST_ROWS:
        raise DataError(f"{len(rows)} pairs are too few to adapt an embedder. It takes at least {LEAST_ROWS}.")
    from specialists.embedder.task import EmbedderNetwork, EmbedderTask
    from specialists.encoders.network import merge_adapter
    from specialists.training.checkpoints import remove_checkpoint
    from specialists.training.loop import train

    source, base = find_source(run.recipe.base), find_base(run.recipe.base)
    network = EmbedderNetwork(base, source)
    progress = train(network, EmbedderTask(source, rows), run)
    merge_adapter(network)
    folder = run.output / "model"
    _write(folder, source, network.encoder.state_dict(), share)
    card = {
        "base": {"name": base.name, "weights": source.weights_sha256},
        "recipe": {"method": run.recipe.method, "epochs": run.recipe.epochs, "batch": run.recipe.batch,
                   "learning_rate": run.recipe.learning_rate, "seed": run.recipe.seed, "share": share},
        "pairs": len(rows), "losses": progress.losses, "seconds": round(progress.seconds, 1),
    }  # fmt: skip
    write_atomically(folder / CARD, (json.dumps(card, indent=1) + "\n").encode())
    remove_checkpoint(run.output)
    return folder


def _write(folder: Path, source: ModelSource, trained: dict[str, object], share: float) -> None:
    """The base's files with the new weights under their old names; those that were not trained stay, bit for bit."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(source.folder / WEIGHTS)
    for name, value in trained.items():
        key = name if name in tensors else f"bert.{name}"
        if key in tensors:  # what is only in the network is no weight
            old = tensors[key]
            new = value.detach().to("cpu")  # type: ignore[attr-defined]
            if old.is_floating_point():
                tensors[key] = (old.float() + share * (new.float() - old.float())).to(old.dtype).contiguous()
    for name in COPIED:
        if (source.folder / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.folder / name, folder / name)
    temporary = folder / f".{WEIGHTS}.tmp"
    save_file(tensors, temporary, metadata={"format": "pt"})
    fsync_path(temporary)
    temporary.replace(folder / WEIGHTS)
