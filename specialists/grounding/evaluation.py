"""How well the groundedness check finds sentences that their passage does not support: by kind, rules alone and with the head."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specialists.errors import DataError
from specialists.grounding.checker import Head
from specialists.grounding.corruptions import load_grounding_rows
from specialists.grounding.rows import Row
from specialists.grounding.rules import Ruling, judge
from specialists.measures import auroc, wilson

BATCH = 64
STATEMENT_KINDS = frozenset({"answer", "wrong_answer", "unanswerable"})  # made from questions, in other words than the passage's
SETS = {"accurate_context": "dolly", "noisy_context": "msmarco", "zero_context": "nq"}  # of RefChecker's benchmark


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with what the rules say, and the head's probability that it is supported (None without a head)."""

    row: Row
    ruling: Ruling
    probability: float | None

    @property
    def support(self) -> float:
        """One number for ranking: nothing for a fault, everything for a quotation, else the head or the words."""
        if self.ruling.standing(has_head=self.probability is not None):
            return 0.0
        if self.ruling.is_verbatim:
            return 1.0
        return self.ruling.containment if self.probability is None else self.probability


@dataclass(frozen=True, slots=True)
class Share:
    """hits of all, with Wilson's 95 % interval, in percent."""

    hits: int
    all: int

    def __str__(self) -> str:
        if not self.all:
            return "–"
        low, high = self.interval
        return f"{100 * self.hits / self.all:.1f} ({low:.1f}–{high:.1f}, {self.hits} of {self.all})"

    @property
    def value(self) -> float:
        return self.hits / self.all if self.all else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        low, high = wilson(self.hits, self.all)
        return 100 * low, 100 * high


@dataclass(frozen=True, slots=True)
class Measures:
    """`precision` and `recall` of calling a row unsupported; `kinds`: how many of a false kind were found, and how many of a
    true kind were called unsupported wrongly."""

    precision: Share
    recall: Share
    false_kinds: Mapping[str, Share]
    true_kinds: Mapping[str, Share]
    auroc: float


def judge_rows(rows: Sequence[Row], head: Head | None) -> list[Judged]:
    rulings = [judge(row.claim, [row.passage]) for row in rows]
    if head is None:
        return [Judged(row, ruling, None) for row, ruling in zip(rows, rulings, strict=True)]
    found: list[float] = []
    for start in range(0, len(rows), BATCH):
        found += head.probabilities([(row.claim, row.passage) for row in rows[start : start + BATCH]])
    return [Judged(row, ruling, value) for row, ruling, value in zip(rows, rulings, found, strict=True)]


def is_flagged(item: Judged, threshold: float | None) -> bool:
    """Called unsupported: by the rules alone (None), or by the rules or the head."""
    if item.ruling.standing(has_head=threshold is not None):
        return True
    if threshold is None or item.probability is None or item.ruling.is_verbatim:
        return False
    return item.probability < threshold


def measure(judged: Sequence[Judged], threshold: float | None) -> Measures:
    flagged = [is_flagged(item, threshold) for item in judged]
    false = [flag for item, flag in zip(judged, flagged, strict=True) if not item.row.label]
    kinds: dict[tuple[int, str], list[bool]] = {}
    for item, flag in zip(judged, flagged, strict=True):
        kinds.setdefault((item.row.label, item.row.kind), []).append(flag)
    shares = {key: Share(sum(flags), len(flags)) for key, flags in sorted(kinds.items())}
    return Measures(
        precision=Share(sum(false), sum(flagged)),
        recall=Share(sum(false), len(false)),
        false_kinds={kind: share for (label, kind), share in shares.items() if not label},
        true_kinds={kind: share for (label, kind), share in shares.items() if label},
        auroc=auroc([item.support for item in judged], [item.row.label for item in judged]),
    )


def choose_threshold(judged: Sequence[Judged], *, precision: float) -> float:
    """The highest threshold at which so many of the flagged rows are unsupported; 0 when the head never reaches it."""
    flagged = [item for item in judged if item.ruling.standing(has_head=True)]
    wrong, false = sum(item.row.label for item in flagged), sum(not item.row.label for item in flagged)
    open_ones = [item for item in judged if not item.ruling.standing(has_head=True) and not item.ruling.is_verbatim]
    best = 0.0
    for item in sorted(open_ones, key=lambda item: item.probability or 0.0):
        wrong, false = wrong + item.row.label, false + (not item.row.label)
        if false >= precision * (false + wrong):
            best = (item.probability or 0.0) + 1e-6
    return round(best, 6)


def evaluate(rows: Sequence[Row], head: Head | None) -> dict[str, Any]:
    """Measures of the rules, of both together at the head's own threshold, and the milliseconds per sentence."""
    started = time.perf_counter()
    judged = judge_rows(rows, head)
    spent = (time.perf_counter() - started) * 1000 / max(1, len(rows))
    found: dict[str, Any] = {"rows": len(rows), "ms_per_sentence": round(spent, 1)}
    groups = {"": judged, ", changed sentences only": [item for item in judged if item.row.kind not in STATEMENT_KINDS]}
    if not groups[", changed sentences only"] or len(groups[", changed sentences only"]) == len(judged):
        groups = {"": judged}
    for name, part in groups.items():
        found[f"rules{name}"] = measure(part, None)
        if head is not None:
            found[f"rules and head{name}"] = measure(part, head.threshold)
    return found if head is None else {**found, "threshold": head.threshold}


def evaluate_data(paths: Sequence[Path], head: Head | None, *, seed: int = 0, limit: int = 0) -> dict[str, Any]:
    """Evaluate on files and folders as train_specialist takes them, or on a RefChecker folder. Raises DataError."""
    rows: list[Row] = []
    for path in paths:
        is_refchecker = (path / "benchmark" / "human_annotations_v1").is_dir()
        rows += load_refchecker(path) if is_refchecker else load_grounding_rows(path, seed=seed)
    if limit and len(rows) > limit:
        rows = random.Random(seed).sample(rows, limit)
    return evaluate(rows, head)


def describe(found: Mapping[str, Any]) -> list[str]:
    """The evaluation as lines for a terminal."""
    lines = [f"{found['rows']} rows, {found['ms_per_sentence']} ms a sentence"]
    for name, value in found.items():
        if not isinstance(value, Measures):
            continue
        lines += ["", name, f"  precision  {value.precision}", f"  recall     {value.recall}", f"  AUROC      {value.auroc:.3f}"]
        lines += [f"  found      {kind:<18} {share}" for kind, share in value.false_kinds.items()]
        lines += [f"  false alarm {kind:<17} {share}" for kind, share in value.true_kinds.items()]
    return lines


def load_refchecker(folder: Path) -> list[Row]:
    """The human labels of RefChecker's benchmark, as rows: a triplet is a claim, and "Entailment" is supported.

    The texts that the labels refer to are not part of its repository; its own script puts them beside the labels, as
    benchmark/data/SET/NAME.json. Raises DataError when none of them is there."""
    rows: list[Row] = []
    for setting, name in SETS.items():
        texts = folder / "benchmark" / "data" / setting / f"{name}.json"
        if not texts.is_file():
            continue
        contexts = {str(item["id"]): "\n".join(item["context"]) for item in json.loads(texts.read_text(encoding="utf-8"))}
        for file in sorted((folder / "benchmark" / "human_annotations_v1" / setting).glob("*_answers.json")):
            for answer in json.loads(file.read_text(encoding="utf-8")):
                rows += _triplets(answer, contexts.get(str(answer["id"]), ""), setting)
    if not rows:
        scripts = "download_data.sh and gather_benchmark_data.py in its benchmark/data"
        message = f"{folder} has labels and not the texts that they are about. Run {scripts} there."
        raise DataError(message)
    return rows


def _triplets(answer: Mapping[str, Any], context: str, setting: str) -> list[Row]:
    found = [item for item in answer.get("claude2_response_kg", []) if item.get("human_label") and context]
    return [
        Row(
            " ".join(str(part) for part in item["triplet"]),
            context,
            int(item["human_label"] == "Entailment"),
            setting,
            str(answer["id"]),
        )
        for item in found
    ]
