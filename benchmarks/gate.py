"""How often the gate promotes simulated candidates: worse ones, equal ones and better ones.

python benchmarks/gate.py [--trials 1000] [--rows 200] [--seed 11]

Of the incumbent's answers 70 % are right. A candidate puts some of the wrong ones right and breaks some of the right ones, which
is what versions of one model do; how many of both is said in the table. Citations, refusals and times are those of the incumbent
with noise, so that the other measures can bar a good candidate by chance as they would."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from specialists.finetuning.gate import decide_promotion
from specialists.finetuning.judging import Judged

RIGHT = 0.7
UNANSWERABLE = 0.25
SCENARIOS = (
    ("five points worse", 0.03, 0.08), ("one point worse", 0.04, 0.05), ("equal", 0.04, 0.04),
    ("three points better", 0.05, 0.02), ("five points better, few changes", 0.06, 0.01),
    ("five points better, more changes", 0.08, 0.03),
)  # fmt: skip


def trial(dice: np.random.Generator, rows: int, fixes: float, breaks: float) -> bool:
    old, new = [], []
    for number in range(rows):
        is_answerable = number >= rows * UNANSWERABLE
        is_right = dice.random() < RIGHT
        draw = dice.random()
        is_now = (not is_right and draw < fixes / (1 - RIGHT)) or (is_right and draw >= breaks / RIGHT)
        latency = float(dice.normal(2.0, 0.3))
        old.append(_judged(dice, is_answerable=is_answerable, is_right=is_right, latency=latency))
        new.append(_judged(dice, is_answerable=is_answerable, is_right=is_now, latency=latency + float(dice.normal(0, 0.1))))
    return decide_promotion(old, new).is_better


def _judged(dice: np.random.Generator, *, is_answerable: bool, is_right: bool, latency: float) -> Judged:
    base = Judged(float(is_right), None, None, None, None, latency, 30, "")
    if not is_answerable:
        return replace(base, refusal=float(is_right))
    cited = float(dice.random() < (0.97 if is_right else 0.6))
    return replace(base, citation_precision=cited, citation_recall=cited)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    print(f"{options.trials} trials of {options.rows} rows")
    print("| candidate | put right | broken | promoted |\n|---|---|---|---|")
    for name, fixes, breaks in SCENARIOS:
        dice = np.random.default_rng(options.seed)
        promoted = sum(trial(dice, options.rows, fixes, breaks) for _ in range(options.trials))
        print(f"| {name} | {fixes:.0%} | {breaks:.0%} | {promoted / options.trials:.1%} |", flush=True)


if __name__ == "__main__":
    main()
