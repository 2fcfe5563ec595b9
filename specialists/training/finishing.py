"""The end of a training: the weights and their card, the graph for this host, and the checkpoint's removal."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from specialists.encoders.base import BaseEncoder
from specialists.encoders.bundle import LAYOUT, Card, write_bundle
from specialists.encoders.network import SpecialistNetwork, merge_adapter, own_weights
from specialists.training.cards import write_model_card
from specialists.training.checkpoints import Progress, remove_checkpoint
from specialists.training.lineage import name_of, parents_of
from specialists.training.recipe import Run, checksum

LIBRARIES = ("torch", "transformers", "tokenizers")


def _name(path: Path) -> str:
    """Of a file its name; of several files, which their folder tells apart (fairytales/train), the folder's too."""
    return path.name if path.is_file() else f"{path.parent.name}/{path.name}"


def finish(
    kind: str, network: SpecialistNetwork, base: BaseEncoder, run: Run, progress: Progress, *, window: int = 256,
    answer_tokens: int = 0,
) -> Card:  # fmt: skip
    """Write the specialist's folder. Raises SpecialistError `disk`; the checkpoint then stays, to go on from."""
    merge_adapter(network)
    card = Card(
        layout=LAYOUT,
        kind=kind,
        base={"name": base.name, "weights": base.weights_sha256, "tokenizer": base.tokenizer_sha256},
        layers=len(network.encoder.encoder.layer),
        neurons=network.encoder.config.intermediate_size,
        token_heads={name: head.out_features for name, head in network.token_heads.items()},
        pair_heads={name: head.out_features for name, head in network.pair_heads.items()},
        window=window,
        recipe={
            **asdict(run.recipe),
            "start": name_of(run.recipe.start),
            "teachers": [name_of(folder) for folder in run.recipe.teachers],
        },
        data=[{"name": _name(file.path), "sha256": checksum(file.path), "share": file.share} for file in run.data],
        licences=list(run.licences),
        losses=progress.losses,
        seconds=round(progress.seconds, 1),
        weights_sha256="",
        answer_tokens=answer_tokens,
        versions={name: version(name) for name in LIBRARIES},
        parents=parents_of(run.recipe.start),
    )
    card = write_bundle(run.output, card, own_weights(network))
    write_model_card(run.output, card)
    remove_checkpoint(run.output)
    run.say(f"{card.name} is in {run.output}: {progress.step} steps, {progress.seconds / 60:.0f} minutes of work.")
    return card
