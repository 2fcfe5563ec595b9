"""The router learns from outcomes: questions whose intent a person put right, kept in a JSONL file of the installation."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from retrieval.embedders import get_embedder
from retrieval.errors import RetrievalError
from retrieval.files import locked
from specialists.errors import DataError, SpecialistError
from specialists.router.evaluation import measure
from specialists.router.rows import Row, read_labelled_set, read_rows, training_files
from specialists.router.serving import INTENT, installed_folder
from specialists.router.storage import RouterCard, read_router
from specialists.router.training import SEED, train_router
from specialists.router.types import INTENTS

SHIPPED_DATA = Path(__file__).parent / "data"
MOST_LOST = 0.01  # of the accuracy on the held-out texts; a router that loses more is not taken
WEIGHT = 3  # how often each outcome counts in training: it is this installation's own language
LOCK_S = 5.0


@dataclass(frozen=True, slots=True)
class Learnt:
    """What learning came to. `before` and `after`: accuracy of the intents on the same held-out texts."""

    is_taken: bool
    outcomes: int
    before: float
    after: float
    reason: str
    card: RouterCard


def outcomes_file() -> Path:
    return Path(settings.DATA_DIR) / "router" / "outcomes.jsonl"


def learnt_folder() -> Path:
    return Path(settings.DATA_DIR) / "router" / "learnt"


def record_outcome(*, question: str, intent: str, file: Path | None = None) -> int:
    """Keep what the question's intent really was; the last word on a question counts. Returns how many are kept.

    Raises DataError."""
    path = file or outcomes_file()
    if intent not in INTENTS:
        raise DataError("Choose what the question really is.")
    if not any(char.isalnum() for char in question):
        raise DataError("Type the question.")
    busy = RetrievalError("router_busy", "Someone else is putting a route right. Try again.")
    with locked(path.with_suffix(".lock"), wait_s=LOCK_S, busy=busy), path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"text": " ".join(question.split())[:2000], "label": intent}, ensure_ascii=False) + "\n")
    return len(read_outcomes(path))


def read_outcomes(file: Path | None = None) -> list[Row]:
    """One row per question: the last. Raises DataError."""
    return list({row.key: row for row in read_rows(file or outcomes_file())}.values())


def learn_from_outcomes(
    *,
    outcomes: Path,
    output: Path,
    data: Path = SHIPPED_DATA,
    seed: int = SEED,
    report: Callable[[str], None],
) -> Learnt:
    """Train on `data` and the outcomes, compare with the installed router on the held-out texts of `data`, and put it into
    `output` unless it lost there. Raises DataError when there is nothing to learn from, SpecialistError, RetrievalError."""
    rows = read_outcomes(outcomes)
    if not rows:
        raise DataError(f"{outcomes} has no outcomes yet. Put some routes right on the page Routing first.")
    before = _accuracy(installed_folder(), data, seed)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".learning-") as scratch:
        candidate = Path(scratch) / "router"
        card = train_router(data=data, output=candidate, seed=seed, report=report, extra={INTENT: rows * WEIGHT})
        after = card.heads[INTENT].figures["accuracy"]
        is_taken = after >= before - MOST_LOST
        if is_taken:
            _swap(candidate, output, Path(scratch))
    verdict = "taken" if is_taken else "not taken; the installed router stays"
    said = f"{after:.1%} of the held-out texts are right, {before:.1%} before: {verdict}"
    return Learnt(is_taken, len(rows), before, after, said, card)


def _accuracy(folder: Path, data: Path, seed: int) -> float:
    """Of the installed router; 0 where there is none to lose."""
    embedder = get_embedder()
    try:
        _, heads = read_router(folder, embedder=embedder.name)
        head = heads[INTENT]
    except (SpecialistError, KeyError):
        return 0.0
    path = next((path for path in training_files(data) if path.name.split(".")[0] == INTENT), None)
    if path is None:
        raise DataError(f"{data} has no file {INTENT}.train.jsonl, from which the router learns the intents.")
    return measure(head, read_labelled_set(path, seed=seed), embedder.embed_queries)["accuracy"]


def _swap(candidate: Path, output: Path, scratch: Path) -> None:
    if output.exists():
        output.rename(scratch / "old")
    shutil.move(candidate, output)
