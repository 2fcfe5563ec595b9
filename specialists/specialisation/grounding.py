"""The groundedness check before and after training on part of a domain's texts, on false sentences made from its other texts."""

from __future__ import annotations

import random
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from specialists.encoders.bundle import CARD
from specialists.encoders.export import prepare_specialist
from specialists.errors import DataError
from specialists.grounding.checker import Head
from specialists.grounding.corruptions import load_grounding_rows
from specialists.grounding.evaluation import Measures, judge_rows, measure
from specialists.grounding.rows import Row, write_rows
from specialists.grounding.serving import KIND, GroundingHead
from specialists.grounding.training import train_grounding
from specialists.specialisation.comparison import Comparison
from specialists.specialisation.plan import Plan
from specialists.training.recipe import DataFile, Recipe, Run


def compare_grounding(texts: Path, plan: Plan) -> list[Comparison]:
    """Recall, precision and AUROC of calling a sentence unsupported. Before: the general head with the rules, or the rules alone
    where none is installed. Trains in plan.output/grounding. Raises SpecialistError."""
    start, trained = plan.start(KIND), plan.output / KIND
    test = _parts(texts, plan)
    if not (trained / CARD).is_file():
        has_start = (start / CARD).is_file()
        recipe = Recipe(start=str(start) if has_start else "", epochs=1, learning_rate=plan.learning_rate, seed=plan.seed)
        train_grounding(Run([DataFile(plan.output / "claims.jsonl")], trained, recipe, report=plan.report, say=plan.say))
    before, after = (_measured(folder, test) for folder in (start, trained))
    held_out = f"{len(test)} claims on {texts.name}"
    rows = [
        Comparison("groundedness check", held_out, name, str(getattr(before, field)), str(getattr(after, field)))
        for name, field in (("Recall of unsupported claims", "recall"), ("Precision", "precision"))
    ]
    return [*rows, Comparison("groundedness check", held_out, "AUROC", f"{100 * before.auroc:.1f}", f"{100 * after.auroc:.1f}")]


def _parts(texts: Path, plan: Plan) -> list[Row]:
    """Write claims.jsonl, with the claims of as many seeds as there are epochs; return the held-out rows, by document."""
    made = [row for epoch in range(plan.epochs) for row in load_grounding_rows(texts, seed=plan.seed + epoch)]
    own = [row for row in made if not _is_tested(row, plan)]
    test = [row for row in load_grounding_rows(texts, seed=plan.seed) if _is_tested(row, plan)]
    if not own or not test:
        raise DataError(f"{texts} has too few documents to hold some out. Give at least a dozen.")
    plan.output.mkdir(parents=True, exist_ok=True)
    write_rows(own, plan.output / "claims.jsonl")
    return random.Random(plan.seed).sample(test, plan.limit) if 0 < plan.limit < len(test) else test


def _is_tested(row: Row, plan: Plan) -> bool:
    return zlib.crc32(f"{plan.seed} {row.document or row.passage}".encode()) % 1000 < 1000 * plan.test_share


def _measured(source: Path, test: Sequence[Row]) -> Measures:
    head: Head | None = None
    with tempfile.TemporaryDirectory() as name:
        if (source / CARD).is_file():
            prepare_specialist(source, KIND, Path(name) / KIND)
            head = GroundingHead(source, Path(name) / KIND)
        judged = judge_rows(test, head)
    return measure(judged, head.threshold if head else None)
