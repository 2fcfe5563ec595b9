"""Has a trained version and what is in use answer the same held-out rows, and keeps what the gate says of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from assistant.finetuning.claims import STOPPED, Claim
from assistant.finetuning.folders import adapter_folder, find_base, without_folders
from assistant.finetuning.models import DataSetRow, JudgedAnswer, SpecialistVersion, VersionState
from assistant.finetuning.permissions import is_withdrawn
from assistant.finetuning.registry import in_use
from assistant.finetuning.rows import to_judge
from ingestion.connections import lend_connection
from specialists.errors import SpecialistError
from specialists.finetuning.rows import Row
from specialists.language_models.adapters import WEIGHTS
from specialists.language_models.memory import peak_memory
from specialists.language_models.selecting import get_judge_model
from specialists.language_models.types import LanguageModel

if TYPE_CHECKING:
    from specialists.finetuning.judging import Judged

logger = logging.getLogger(__name__)

MISSING = "It was judged beside the base model, since the files of version {}, which is in use, are missing."


def judge_version(claim: Claim, version: SpecialistVersion) -> None:
    """Ends the claim: the version is a candidate, whatever the verdict. Raises SpecialistError, `stopped` too."""
    from specialists.finetuning.gate import decide_promotion
    from specialists.finetuning.judging import judge_rows, plant

    incumbent, why_not = _incumbent_of(version)
    known = to_judge(version.data_set)
    rows = plant(list(known.values()), seed=version.data_set.seed)
    judge, problem = _judge_model()
    claim.progress(total=(4 if judge else 2) * len(rows), done=0, incumbent=incumbent)
    model, on_row = _model_to_judge(version), _counted(claim, version)
    lend_connection()
    names = (incumbent.adapter_name if incumbent else "", version.adapter_name)
    model.warm_up()  # so that loading counts neither as time nor as memory of the first
    judged, peaks = [], []
    for adapter in names:
        with peak_memory(getattr(model, "loaded_on", "")) as peak:
            judged.append(judge_rows(model, adapter, rows, on_row=on_row))
        peaks.append(peak.bytes)
    if judge is not None:
        judged, problem = _graded(judge, [row for row, _ in rows], judged, on_row)
    verdict = decide_promotion(*judged)
    _keep_answers(version, list(known), [is_planted for _, is_planted in rows], judged)
    claim.end(
        state=VersionState.CANDIDATE,
        is_better=verdict.is_better,
        verdict=" ".join(filter(None, (why_not, verdict.sentence)))[:500],
        judgement={
            **verdict.as_json(), "rows": len(rows), "incumbent": names[0], "judge": judge.name if judge else "",
            "problem": problem, "peak_bytes": peaks,
        },
        seconds_left=None,
    )  # fmt: skip


def _incumbent_of(version: SpecialistVersion) -> tuple[SpecialistVersion | None, str]:
    """What is in use and can be asked beside the version; and, where it cannot, why not, as a sentence."""
    used = in_use(version.specialist)
    if used is None or used.base_sha256 != version.base_sha256:
        return None, ""  # of another base: it cannot be asked beside this one
    if not (adapter_folder(used) / WEIGHTS).is_file():
        return None, MISSING.format(used.number)
    return used, ""


@transaction.atomic
def _keep_answers(
    version: SpecialistVersion, ids: Sequence[int], planted: Sequence[bool], judged: Sequence[Sequence[Judged]]
) -> None:
    there = set(DataSetRow.objects.select_for_update().filter(pk__in=ids).values_list("pk", flat=True))
    version.judged_answers.all().delete()
    JudgedAnswer.objects.bulk_create(
        JudgedAnswer(
            version=version, row_id=pk, is_planted=is_planted, incumbent_text=old.text, candidate_text=new.text,
            incumbent_score=old.score, candidate_score=new.score,
        )
        for pk, is_planted, old, new in zip(ids, planted, *judged, strict=True)
        if pk in there
    )  # fmt: skip


def _model_to_judge(version: SpecialistVersion) -> LanguageModel:
    from specialists.language_models.local_folder import LocalFolder

    return LocalFolder(
        folder=str(find_base().path), adapters=str(settings.ADAPTERS_DIR), device=settings.FINETUNING_DEVICE, patience_s=3600,
        quantisation=str(version.recipe.get("quantisation", "")),
    )  # fmt: skip


def _counted(claim: Claim, version: SpecialistVersion) -> Callable[[], bool]:
    """Counts a row as done; False when the work was stopped, or a document was deleted."""
    done = 0

    def on_row() -> bool:
        nonlocal done
        done += 1
        try:
            return claim.progress(done=done) and not is_withdrawn(version)
        finally:
            lend_connection()

    return on_row


def _judge_model() -> tuple[LanguageModel | None, str]:
    try:
        return get_judge_model(), ""
    except SpecialistError as error:
        return None, f"The judge model was not asked. {without_folders(error.public_message)}"


def _graded(
    judge: LanguageModel, rows: Sequence[Row], judged: list[list[Judged]], on_row: Callable[[], bool]
) -> tuple[list[list[Judged]], str]:
    """With the judge's opinion of every answer, or as they were and why: half of its opinions would compare nothing."""
    from specialists.finetuning.grading import grade_rows

    try:
        return [grade_rows(judge, rows, items, on_row=on_row) for items in judged], ""
    except SpecialistError as error:
        if error.code == STOPPED:
            raise
        logger.warning("The judge model failed: %s", error.code)
        return judged, f"The judge model was not heard to the end. {without_folders(error.public_message)}"
