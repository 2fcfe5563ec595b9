"""How a specialist is trained: everything besides the data that its weights depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from retrieval.files import sha256_of
from specialists.encoders.base import DEFAULT_BASE, find_base
from specialists.encoders.bundle import WEIGHTS
from specialists.errors import DataError


@dataclass(frozen=True, slots=True)
class Recipe:
    """`layers` drops layers, `neurons` the feed-forward neurons of those left; `start` is the folder of a specialist to go on
    from, instead of the base; `teachers` those of the ones to distil; `negatives` the share of a reader's questions that get
    wrong passages too, from 1 to `wrong`; `altered` that of its answerable questions that are asked about something else."""

    base: str = DEFAULT_BASE
    start: str = ""
    method: str = "full"
    epochs: int = 2
    batch: int = 16
    learning_rate: float = 1.5e-4
    warmup: float = 0.06
    dropout: float = 0.1
    weight_decay: float = 0.01
    seed: int = 7
    layers: int | None = None
    neurons: int | None = None
    teachers: tuple[str, ...] = ()
    negatives: float = 0.15
    wrong: int = 1
    altered: float = 0.15

    def __post_init__(self) -> None:
        """Raises DataError."""
        for name, share in (("negatives", self.negatives), ("altered", self.altered)):
            if not 0 <= share <= 1:
                raise DataError(f"--{name} {share:g} is not a share. Give a number from 0 to 1.")
        if self.wrong < 1:
            raise DataError(f"--wrong {self.wrong} is no number of passages. Give 1 or more, or --negatives 0 for none.")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows; of them, a different `share` is used in each epoch."""

    path: Path
    share: float = 1.0

    @classmethod
    def parse(cls, text: str) -> DataFile:
        """`rows.json` or `rows.json=0.5`. Raises DataError."""
        name, separator, share = text.rpartition("=")
        if not separator:
            return cls(Path(text))
        try:
            value = float(share)
        except ValueError:
            value = 0.0
        if not 0 < value <= 1:
            raise DataError(f"The share in {text} is not a number above 0 and up to 1. Write FILE=0.5 for half of them.")
        return cls(Path(name), value)


def fingerprint(recipe: Recipe, data: Sequence[DataFile]) -> str:
    """Of the recipe, the data and the weights that it starts from: two trainings with the same one give the same weights."""
    used = [(checksum(file.path), file.share) for file in data]
    starts = [checksum(Path(folder) / WEIGHTS) for folder in (recipe.start, *recipe.teachers) if folder]
    settings = {**asdict(recipe), "start": "", "teachers": [], "base": find_base(recipe.base).weights_sha256}
    content = json.dumps({"recipe": settings, "data": used, "starts": starts}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def checksum(path: Path) -> str:
    """Of a file, of a folder's files, or of the files whose names begin with the path's and a dot."""
    if path.is_file():
        return sha256_of(path)
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}.*")
    digest = hashlib.sha256()
    for file in sorted(item for item in files if item.is_file()):
        digest.update(f"{file.relative_to(path.parent)}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Run:
    """One training: what on, how, where to, and whom to tell. `report` gets the steps done, all steps, the loss and the
    seconds left; `say` gets sentences. `checkpoint_s`: seconds of work that a kill may cost."""

    data: Sequence[DataFile]
    output: Path
    recipe: Recipe
    report: Callable[[int, int, float, float], None]
    say: Callable[[str], None]
    licences: Sequence[str] = ()
    checkpoint_s: float = 120.0
