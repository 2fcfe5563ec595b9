"""Trains and judges a version: its rows are frozen, its adapter is trained in its folder, and it answers the held-out rows beside
what is in use. At the end it is a candidate, whatever the verdict: people put it into use, or do not."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

from django.conf import settings

from assistant.errors import UNEXPECTED
from assistant.finetuning.claims import KILLED, MAX_ATTEMPTS, STOPPED, Claim
from assistant.finetuning.folders import adapter_folder, find_base
from assistant.finetuning.judging import judge_version
from assistant.finetuning.models import SpecialistVersion, VersionState
from assistant.finetuning.permissions import is_withdrawn
from assistant.finetuning.rows import freeze
from ingestion.connections import lend_connection
from ingestion.renewing import renewing
from specialists.errors import SpecialistError
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.language_models.adapters import WEIGHTS

if TYPE_CHECKING:
    from specialists.finetuning.training import Told

logger = logging.getLogger(__name__)

GONE = "A document that it is trained on was deleted meanwhile. Start it again: it is then trained without."
TRAINED = "trained_parameters"  # among the figures of a training that has come to its end


def train_version(claim: Claim) -> None:
    """Bring a claimed version to its end, from its last checkpoint where there is one."""
    assert isinstance(claim.work, SpecialistVersion)
    version = claim.work
    if version.attempts > MAX_ATTEMPTS:
        claim.end(state=VersionState.FAILED, error_message=KILLED)
        return
    try:
        with renewing(claim.renew):
            _train(claim, version)
            judge_version(claim, version)
    except SpecialistError as error:
        if error.code == STOPPED and claim.should_stop():
            claim.release()
            return
        if error.code == STOPPED:
            message = GONE if is_withdrawn(version) else ""
            claim.end(state=VersionState.FAILED if message else VersionState.STOPPED, error_message=message)
            return
        claim.end(state=VersionState.FAILED, error_message=error.public_message[:500])
    except Exception:  # a bug must end as a failed version, not as one that trains for ever
        logger.exception("Version %s failed", version.pk)
        claim.end(state=VersionState.FAILED, error_message=UNEXPECTED)


def _train(claim: Claim, version: SpecialistVersion) -> None:
    from specialists.finetuning.training import Finetuning, finetune

    if version.state == VersionState.JUDGING:  # the trainer died after the training
        return
    if _is_trained(version):
        _go_on_to_judge(claim, version, version.figures)
        return
    base, recipe = find_base(), FinetuneRecipe.read(version.recipe)
    training, held_out = freeze(version)
    claim.change(base_name=base.path.name, base_sha256=base.weights_sha256())
    lend_connection()
    run = Finetuning(
        base=base, recipe=recipe, training=training, held_out=held_out, output=adapter_folder(version),
        report=lambda told: _report(claim, version, told), device=settings.FINETUNING_DEVICE,
        devices=settings.FINETUNING_DEVICES,
        card={
            "specialist": version.specialist.slug, "version": version.number, "data_set": version.data_set.number,
            "data_set_recipe": version.data_set.recipe,
        },
    )  # fmt: skip
    try:
        figures = finetune(run)
    except SpecialistError as error:
        if error.code != "other_training":
            raise
        shutil.rmtree(run.work_folder, ignore_errors=True)  # of other rows: a document was deleted since
        figures = finetune(run)
    _go_on_to_judge(claim, version, figures)


def _go_on_to_judge(claim: Claim, version: SpecialistVersion, figures: dict[str, Any]) -> None:
    claim.furthest = 0
    if not claim.progress(state=VersionState.JUDGING, figures=figures, seconds_left=None, done=0, total=0, attempts=1):
        raise SpecialistError(STOPPED, "The training was stopped.")
    version.refresh_from_db()


def _is_trained(version: SpecialistVersion) -> bool:
    """It was stopped or failed after its training, and may still be used."""
    is_there = (adapter_folder(version) / WEIGHTS).is_file()
    return TRAINED in version.figures and is_there and not is_withdrawn(version)


def _report(claim: Claim, version: SpecialistVersion, told: Told) -> bool:
    """Keep how far it is. False when it was stopped, or one of its documents was deleted."""
    version.refresh_from_db(fields=["losses", "held_out_losses"])
    losses = [*(item for item in version.losses if item[0] < told.step), [told.step, told.loss]]
    looks = [item for item in version.held_out_losses if item[0] < told.step]
    if told.held_out is not None:
        looks.append([told.step, told.held_out])
    try:
        is_held = claim.progress(
            done=told.step, total=told.steps, losses=losses, held_out_losses=looks, seconds_left=told.seconds_left,
            figures={"tokens_per_second": round(told.tokens_per_second, 1)},
        )  # fmt: skip
        return is_held and not is_withdrawn(version)
    finally:
        lend_connection()
