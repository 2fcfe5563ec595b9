"""The end of a trial, whoever brings it about."""

from __future__ import annotations

from django.utils import timezone

from assistant.finetuning.models import Specialist
from assistant.finetuning.trials.models import Trial, TrialAnswer, TrialAnswerState

ANOTHER_IN_USE = "Something else was put into use."
WITHDRAWN = "A document that it was trained on was deleted."
ENOUGH = "As many answers as were wanted are there."
NO_GROUP = "The group is no longer there."


def end_trials(specialist: Specialist, because: str) -> bool:
    """End the specialist's running trial, if there is one: from now on nobody is answered by its version. What waits to be
    answered unseen is left."""
    running = Trial.objects.filter(specialist=specialist, ended_at=None)
    pk = running.values_list("pk", flat=True).first()
    if pk is None or not running.filter(pk=pk).update(ended_at=timezone.now(), ended_because=because[:200]):
        return False
    TrialAnswer.objects.filter(trial=pk, state=TrialAnswerState.QUEUED).delete()
    return True
