"""A smaller model for a specialist's questions, and the report on it: what is asked for in the terminal, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from assistant.finetuning.models import DataSet, Specialist, Split
from assistant.finetuning.registry import in_use
from assistant.finetuning.rows import rows_of, to_judge
from ingestion.connections import lend_connection
from specialists.compression.compressing import compress
from specialists.compression.distilling import Distillation, distil
from specialists.compression.folders import check_free, zero_share
from specialists.compression.merging import merge_adapter
from specialists.compression.reporting import CompressionReport, Side, judge_side, report_on
from specialists.compression.sparsity import Sparsity
from specialists.finetuning.judging import plant
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.grounding.serving import get_head
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.local_folder import LocalFolder

NOTHING = (
    "Say what to do: how many layers to leave out (--layers N), how many weights (--sparsity 0.5 or 2:4), which version to merge "
    "(--merge VERSION), or which smaller model is to learn from this one (--student FOLDER)."
)
SEVERAL = "Give one of --merge, --student, and --layers or --sparsity: the result of one can be the base of the next."


@dataclass(frozen=True, slots=True)
class Wish:
    """`training`: None where nothing is to be trained; `teacher_is_base`: though a version is in use."""

    output: Path
    layers: int = 0
    sparsity: Sparsity | None = None
    merge: int | None = None
    student: Path | None = None
    teacher_is_base: bool = False
    training: FinetuneRecipe | None = None

    @property
    def is_cut(self) -> bool:
        return self.layers > 0 or self.sparsity is not None

    @property
    def problem(self) -> str:
        """Empty where it can be tried."""
        ways = sum((self.is_cut, self.merge is not None, self.student is not None))
        return NOTHING if not ways else SEVERAL if ways > 1 else ""


@dataclass(frozen=True, slots=True)
class Making:
    """What it is made of, and whom to tell: `say` gets sentences, `should_stop` says whether somebody wants it to end."""

    specialist: Specialist
    data_set: DataSet
    base: ModelFolder
    say: Callable[[str], None]
    should_stop: Callable[[], bool] = lambda: False

    def goes_on(self, *_: object) -> bool:
        lend_connection()
        return not self.should_stop()


def make_smaller(making: Making, wish: Wish) -> CompressionReport:
    """Make the model and judge it beside the one that it comes from. Raises SpecialistError."""
    check_free(wish.output)
    made, adapter = _made(making, wish)
    rows = plant(list(to_judge(making.data_set).values()), seed=making.data_set.seed)
    lend_connection()
    sides: list[Side] = []
    for folder, used in ((making.base, adapter), (made, "")):
        model = LocalFolder(
            folder=str(folder.path), adapters=str(settings.ADAPTERS_DIR), device=settings.FINETUNING_DEVICE, patience_s=3600
        )  # fmt: skip
        name = f"{folder.path.name} + {used}" if used else folder.path.name
        side = judge_side(
            name, model, rows, stored_bytes=folder.stored_bytes, parameters=folder.parameters, adapter=used,
            on_row=making.goes_on,
        )  # fmt: skip
        zeros = zero_share(folder) if wish.sparsity else None
        sides.append(replace(side, memory_bytes=model.weights_bytes(), zeros=zeros))
    return report_on(*sides)


def _made(making: Making, wish: Wish) -> tuple[ModelFolder, str]:
    """The new model, and the adapter with which its base is judged."""
    if wish.merge is not None:
        adapter = f"{making.specialist.slug}-v{wish.merge}"
        merge_adapter(making.base, Path(settings.ADAPTERS_DIR) / adapter, wish.output)
        return read_model_folder(wish.output), adapter
    return _taught(making, wish, wish.student) if wish.student else (_cut(making, wish), "")


def _cut(making: Making, wish: Wish) -> ModelFolder:
    made = compress(
        making.base, rows_of(making.data_set, Split.TRAIN), wish.output, layers=wish.layers, sparsity=wish.sparsity,
        healing=wish.training, device=settings.FINETUNING_DEVICE, report=making.goes_on,
    )  # fmt: skip
    if made.dropped:
        making.say(f"Left out: layers {', '.join(map(str, made.dropped))} of {len(made.changes)}.")
    if wish.sparsity:
        making.say(f"Taken out ({wish.sparsity}): {100 * made.zeros:.1f} % of the layers' weights are zero.")
    return made.folder


def _taught(making: Making, wish: Wish, student: Path) -> tuple[ModelFolder, str]:
    used = None if wish.teacher_is_base else in_use(making.specialist)
    if used is not None and used.base_sha256 != making.base.weights_sha256():
        used = None  # of another base: it cannot be asked
    adapter = used.adapter_name if used else ""
    run = Distillation(
        making.base, Path(settings.ADAPTERS_DIR) / adapter if adapter else None, read_model_folder(student),
        wish.training or FinetuneRecipe(), wish.output, settings.FINETUNING_DEVICE,
    )  # fmt: skip
    rows = rows_of(making.data_set, Split.TRAIN)
    lend_connection()
    made = distil(run, rows, get_head(), on_row=making.goes_on, report=making.goes_on)
    name, learnt = adapter or making.base.path.name, len(made.lessons.rows)
    making.say(f"The teacher, {name}, answered {len(rows)} questions; {learnt} of its answers were learnt from.")
    for why, count in made.lessons.left_out.items():
        making.say(f"  {count} were not: {why}.")
    what = "the teacher's words and its scores" if made.has_scores else "the teacher's words; its tokens are others, so no scores"
    making.say(f"Learnt: {what}.")
    return made.folder, adapter
