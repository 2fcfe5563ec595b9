"""A progress bar with the loss; the time left is tqdm's own."""

from __future__ import annotations

from tqdm import tqdm


class ProgressBar:
    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __call__(self, step: int, steps: int, loss: float, seconds_left: float) -> None:
        if self._bar is None:
            self._bar = tqdm(total=steps, initial=step, unit="step", mininterval=1.0)
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix(loss=f"{loss:.3f}", left=f"{seconds_left / 60:.0f} min", refresh=True)
        if step == steps:
            self._bar.close()
            self._bar = None  # the next training has its own
