"""How many of the weights are to be zero: a share of each row, or two of each four neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from specialists.errors import DataError

LEAST, MOST = 0.05, 0.9
PATTERN = "2:4"  # what the sparse kernels of GPUs since Ampere compute with (Mishra et al. 2021)
GROUP = 4


@dataclass(frozen=True, slots=True)
class Sparsity:
    """`share` of the weights of a row; `is_patterned`: of each four neighbours the same two."""

    share: float
    is_patterned: bool = False

    @classmethod
    def read(cls, text: str) -> Sparsity:
        """“0.5” or “2:4”. Raises DataError."""
        if text == PATTERN:
            return cls(0.5, is_patterned=True)
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not LEAST <= share <= MOST:
            raise DataError(f"The sparsity must be {PATTERN}, or a share from {LEAST:g} to {MOST:g}, not {text}.")
        return cls(share)

    def __str__(self) -> str:
        return PATTERN if self.is_patterned else f"{self.share:g}"
