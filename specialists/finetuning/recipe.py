"""How an adapter is trained: all that its weights depend on besides the base and the rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from specialists.errors import DataError
from specialists.language_models.local_folder import INSTALL, PACKAGES, missing_package

LIMITS: dict[str, tuple[float, float]] = {
    "epochs": (1, 300), "batch": (1, 512), "learning_rate": (1e-6, 1e-1), "r": (1, 256), "lora_alpha": (1, 1024),
    "dropout": (0.0, 0.5), "window": (256, 131_072), "warmup": (0.0, 0.5), "seed": (0, 2**31 - 1), "part_tokens": (256, 10**6),
    "beta": (0.0, 5.0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FinetuneRecipe:
    """LoRA (Hu et al. 2021) on all linear layers. `batch`: rows of one step, computed in parts of `part_tokens` tokens at most,
    so that it costs time and no memory; `window`: tokens of a row, passages that do not fit are left out; `quantisation` of the
    base: 4bit is QLoRA (Dettmers et al. 2023); `use_rslora`: alpha by the root of r (Kalajdzievski 2023); `beta`: how far
    rejected answers push the adapter from its base (DPO, Rafailov et al. 2023), 0 leaves them out."""

    epochs: int = 2
    batch: int = 16
    learning_rate: float = 2e-4
    warmup: float = 0.05
    r: int = 16
    lora_alpha: int = 32
    use_rslora: bool = False
    dropout: float = 0.05
    window: int = 2048
    part_tokens: int = 4096
    beta: float = 0.1
    quantisation: str = ""
    seed: int = 7

    def __post_init__(self) -> None:
        """Raises DataError."""
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise DataError(f"{name} must be from {least:g} to {most:g}, not {value:g}.")
        if self.quantisation not in PACKAGES:
            raise DataError(f"quantisation must be empty, 8bit or 4bit, not {self.quantisation}.")

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> FinetuneRecipe:
        """Of what was kept; what a later edition of the product knows besides is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def fingerprint(self, *, base_sha256: str, rows_sha256: str) -> str:
        """Two trainings with the same one give the same weights, on a processor."""
        content = json.dumps({"recipe": asdict(self), "base": base_sha256, "rows": rows_sha256}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def why_not_here(quantisation: str) -> str:
    """What speaks against a base in so many bits on this host, as a sentence; empty where nothing does."""
    missing = missing_package(quantisation)
    needs = f"A base in {quantisation[:1]} bits needs the package {missing}, which is not installed here. "
    return f"{needs}Have an administrator run {INSTALL}, or take full precision." if missing else ""
