"""A smaller model for a specialist's questions, and the report on it: what is asked for in the terminal, step by step."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from django.conf import settings

from assistant.finetuning.models import DataSet, SmallerModel, Specialist, Split
from assistant.finetuning.registry import in_use
from assistant.finetuning.rows import rows_of, to_judge
from ingestion.connections import lend_connection
from specialists.compression.calibrated import check_calibrated, write_calibrated
from specialists.compression.compressing import compress
from specialists.compression.distilling import Distillation, distil
from specialists.compression.fewer_bits import check_bits, write_bits
from specialists.compression.folders import check_free, zero_share
from specialists.compression.gguf import Tools, check_gguf, served, write_gguf
from specialists.compression.merging import merge_adapter
from specialists.compression.reporting import CompressionReport, Side, judge_side, report_on
from specialists.compression.sparsity import Sparsity
from specialists.errors import SpecialistError
from specialists.finetuning.judging import plant
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row
from specialists.grounding.serving import get_head
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.loading import chosen_device
from specialists.language_models.local_folder import LocalFolder

NOTHING = (
    "Say what to do: how many layers to leave out (--layers N), how many weights (--sparsity 0.5 or 2:4), which version to merge "
    "(--merge VERSION), which smaller model is to learn from this one (--student FOLDER), or in which form it is to be stored "
    "(--bits 8, --bits 4 --method gptq, --gguf q8_0)."
)
SEVERAL = "Give one of --merge, --student, and --layers or --sparsity: the result of one can be the base of the next."

NO_BITS = "Say in how many bits --method is to store it: --bits 4, or --bits 8."
ZEROS = "Give one of --sparsity and --method: what rounds by the rows does not look after zeros."

WINDOW = 8192  # tokens, as when people ask


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
    bits: int | None = None
    method: str = ""
    gguf: str = ""

    @property
    def is_cut(self) -> bool:
        return self.layers > 0 or self.sparsity is not None

    @property
    def problem(self) -> str:
        """Empty where it can be tried."""
        ways = sum((self.is_cut, self.merge is not None, self.student is not None))
        if ways > 1:
            return SEVERAL
        if self.method and (not self.bits or self.sparsity):
            return ZEROS if self.bits else NO_BITS
        return "" if ways or self.is_stored_anew else NOTHING

    @property
    def steps(self) -> list[str]:
        """What is done, in words."""
        said = (
            (self.merge is not None, f"version {self.merge} merged into its base"),
            (self.student is not None, f"{self.student.name if self.student else ''} taught"),
            (self.layers > 0, f"{self.layers} layers left out"),
            (self.sparsity is not None, f"weights taken out, {self.sparsity}"),
            (self.is_cut and self.training is not None, "healed"),
            (bool(self.bits), f"{self.bits} bits{f', {self.method.upper()}' if self.method else ''}"),
            (bool(self.gguf), f"GGUF {self.gguf}"),
        )
        return [words for is_done, words in said if is_done]

    @property
    def is_stored_anew(self) -> bool:
        """The whole model is only on the way to another form of it."""
        return bool(self.bits or self.gguf)

    @property
    def whole(self) -> Path:
        return self.output.with_name(f"{self.output.stem}-whole") if self.is_stored_anew else self.output


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
    _check(wish)
    whole, adapter = _made(making, wish)
    made = _stored(making, wish, whole)
    rows = plant(list(to_judge(making.data_set).values()), seed=making.data_set.seed)
    lend_connection()
    try:
        before = _judged(making, making.base, rows, adapter, has_zeros=wish.sparsity is not None)
        if wish.gguf:
            after = _judged_served(making, whole, rows, wish.output)
        else:
            after = _judged(making, made, rows, "", has_zeros=wish.sparsity is not None)
    except SpecialistError as error:
        message = f"The model is in {wish.output}, and was not judged to the end: {error.public_message}"
        raise SpecialistError("not_judged", message) from error
    if wish.is_stored_anew and whole.path != making.base.path:
        shutil.rmtree(whole.path)
    report = report_on(before, after)
    _keep(making, wish, report)
    return report


def _stored(making: Making, wish: Wish, whole: ModelFolder) -> ModelFolder:
    """In the form that is wanted. What was made before it, perhaps in hours, is not lost with it."""
    try:
        if wish.bits and wish.method:
            return _calibrated(making, wish, whole, wish.bits)
        if wish.bits:
            return write_bits(whole, wish.bits, wish.output, device=chosen_device(settings.FINETUNING_DEVICE))
        if wish.gguf:
            write_gguf(whole, wish.gguf, wish.output, Tools(settings.LLAMA_CPP_DIR))
    except SpecialistError as error:
        if whole.path == making.base.path:
            raise
        message = (
            f"{error.public_message} The whole model is in {whole.path}: set FINETUNING_BASE to it and give the last option "
            "alone, or delete it."
        )
        raise SpecialistError("not_stored", message) from error
    return whole


def _calibrated(making: Making, wish: Wish, whole: ModelFolder, bits: int) -> ModelFolder:
    rows = rows_of(making.data_set, Split.TRAIN)
    lend_connection()
    made = write_calibrated(
        whole, rows, wish.output, method=wish.method, bits=bits, python=settings.QUANTISER_PYTHON,
        device=chosen_device(settings.FINETUNING_DEVICE), on_wait=making.goes_on,
    )  # fmt: skip
    shared = f"{made.group} weights share a scale" if made.group else "the weights of an output share a scale"
    making.say(f"Rounded to {bits} bits by {wish.method.upper()} on {made.rows} of the rows; {shared}.")
    making.say("The product's own process makes the numbers whole again when it loads them; for vLLM they stay packed.")
    return made.folder


def _keep(making: Making, wish: Wish, report: CompressionReport) -> None:
    """Whatever was at this path before is this model now."""
    before, after = report.before, report.after
    path = str(wish.output.resolve())
    SmallerModel.objects.filter(path=path).delete()
    SmallerModel.objects.create(
        specialist=making.specialist, data_set=making.data_set, path=path, parent=before.name, made_by=wish.steps,
        figures={
            "bytes": [before.stored_bytes, after.stored_bytes], "numbers": [before.parameters, after.parameters],
            "tokens_per_second": [round(before.tokens_per_second, 1), round(after.tokens_per_second, 1)],
            "comparisons": [asdict(item) for item in report.comparisons],
        },
        is_kept=report.is_kept, verdict=report.sentence[:500],
    )  # fmt: skip


def _check(wish: Wish) -> None:
    """What can be seen before anything is made. Raises SpecialistError."""
    check_free(wish.output)
    if wish.method:
        check_calibrated(settings.QUANTISER_PYTHON)
    elif wish.bits:
        check_bits(wish.bits)
    if wish.gguf:
        check_gguf(wish.gguf, wish.output, Tools(settings.LLAMA_CPP_DIR))


def _judged(
    making: Making, folder: ModelFolder, rows: Sequence[tuple[Row, bool]], adapter: str, *, has_zeros: bool
) -> Side:  # fmt: skip
    model = LocalFolder(
        folder=str(folder.path), adapters=str(settings.ADAPTERS_DIR), device=settings.FINETUNING_DEVICE, patience_s=3600
    )  # fmt: skip
    name = f"{folder.path.name} + {adapter}" if adapter else folder.path.name
    side = judge_side(
        name, model, rows, stored_bytes=folder.stored_bytes, parameters=folder.parameters, adapter=adapter, on_row=making.goes_on
    )  # fmt: skip
    return replace(side, memory_bytes=model.weights_bytes(), zeros=zero_share(folder) if has_zeros else None)


def _judged_served(making: Making, whole: ModelFolder, rows: Sequence[tuple[Row, bool]], file: Path) -> Side:
    window = min(WINDOW, whole.positions or WINDOW)
    with served(file, Tools(settings.LLAMA_CPP_DIR), tokenizer=whole.path / "tokenizer.json", window=window) as server:
        side = judge_side(
            file.name, server.model, rows, stored_bytes=file.stat().st_size, parameters=whole.parameters, on_row=making.goes_on
        )  # fmt: skip
        return replace(side, memory_bytes=server.memory_bytes())


def _made(making: Making, wish: Wish) -> tuple[ModelFolder, str]:
    """The whole model, and the adapter with which its base is judged."""
    if wish.merge is not None:
        adapter = f"{making.specialist.slug}-v{wish.merge}"
        merge_adapter(making.base, Path(settings.ADAPTERS_DIR) / adapter, wish.whole)
        return read_model_folder(wish.whole), adapter
    if wish.student:
        return _taught(making, wish, wish.student)
    return (_cut(making, wish) if wish.is_cut else making.base), ""


def _cut(making: Making, wish: Wish) -> ModelFolder:
    made = compress(
        making.base, rows_of(making.data_set, Split.TRAIN), wish.whole, layers=wish.layers, sparsity=wish.sparsity,
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
        wish.training or FinetuneRecipe(), wish.whole, settings.FINETUNING_DEVICE,
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
