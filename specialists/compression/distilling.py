"""A student out of a smaller base: trained on what a teacher answers to the organization's questions (sequence-level
distillation, Kim and Rush 2016), and on its scores where both have the same tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from specialists.compression.compressing import heal
from specialists.compression.folders import check_free
from specialists.compression.lessons import Lessons, Teacher, make_lessons
from specialists.errors import SpecialistError
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import LEAST_TRAINING_ROWS, Row
from specialists.grounding.checker import Head
from specialists.language_models.chat import Chat
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.loading import chosen_device, load_network
from specialists.language_models.local_folder import LocalFolder

if TYPE_CHECKING:
    from specialists.compression.guiding import ScoresOfTeacher
    from specialists.finetuning.training import Told

LOOKED_AT = 32  # rows, to see whether both tokenizers make the same of them


@dataclass(frozen=True, slots=True)
class Distilled:
    """`has_scores`: it has learnt the teacher's scores, too."""

    folder: ModelFolder
    lessons: Lessons
    has_scores: bool


@dataclass(frozen=True, slots=True)
class Distillation:
    """`adapter`: the folder of the adapter that the teacher answers with; None for the base alone."""

    teacher: ModelFolder
    adapter: Path | None
    student: ModelFolder
    recipe: FinetuneRecipe
    output: Path
    device: str = "auto"

    @property
    def answers(self) -> Path:
        """Of the teacher, until the student is whole."""
        return self.output.with_name(f".{self.output.name}-answers.jsonl")


def distil(
    run: Distillation, rows: Sequence[Row], head: Head | None, *, on_row: Callable[[], bool] = lambda: True,
    report: Callable[[Told], bool] = lambda _: True,
) -> Distilled:  # fmt: skip
    """The teacher answers the rows, the student learns what is kept, and is written as a model of its own. Where `on_row` or
    `report` says so it raises SpecialistError `stopped`, and the same call goes on where it was. Others: `output_exists`,
    `too_few_rows`, and what a training raises."""
    check_free(run.output)
    name = run.adapter.name if run.adapter else ""
    model = LocalFolder(
        folder=str(run.teacher.path), adapters=str(run.adapter.parent) if run.adapter else "", device=run.device, patience_s=3600,
        window=run.recipe.window,
    )  # fmt: skip
    lessons = make_lessons(Teacher(model, run.teacher.weights_sha256(), name), rows, head, run.answers, on_row=on_row)
    del model  # its memory is the training's
    if len(lessons.rows) < LEAST_TRAINING_ROWS:
        why = "; ".join(f"{count}: {why}" for why, count in lessons.left_out.items())
        message = (
            f"Of the teacher's {len(rows)} answers {len(lessons.rows)} can be learnt from, and {LEAST_TRAINING_ROWS} are needed "
            f"({why}). Take a better teacher, or make a larger data set."
        )
        raise SpecialistError("too_few_rows", message, permanent=True)
    guide = _guide(run, lessons.rows)
    heal(run.student, lessons.rows, run.output, run.recipe, keeps_zeros=False, device=run.device, report=report, guide=guide)
    run.answers.unlink()
    return Distilled(read_model_folder(run.output), lessons, has_scores=guide is not None)


def _guide(run: Distillation, rows: Sequence[Row]) -> ScoresOfTeacher | None:
    from specialists.compression.guiding import ScoresOfTeacher, shared_tokens
    from specialists.compression.merging import merged_network

    window = min(run.recipe.window, run.student.positions or run.recipe.window)
    tokens = shared_tokens(Chat(run.teacher.path), Chat(run.student.path), rows[:LOOKED_AT], window)
    if not tokens:
        return None
    device = chosen_device(run.device)
    if run.adapter is None:
        network = load_network(run.teacher, device=device, quantisation="")
    else:
        network = merged_network(run.teacher, run.adapter, device=device)
    return ScoresOfTeacher(network, tokens, f"{run.teacher.weights_sha256()} {run.adapter.name if run.adapter else ''}")
