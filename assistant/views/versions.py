"""Versions of a specialist: training one, watching it, its judgement, putting it into use and rolling it back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from assistant.finetuning import registry
from assistant.finetuning.editing import queue_version, retry_version
from assistant.finetuning.errors import FinetuningError
from assistant.finetuning.estimating import estimate_for
from assistant.finetuning.forms import RecipeForm, TrialForm
from assistant.finetuning.models import SpecialistVersion
from assistant.finetuning.permissions import get_data_set_for, get_version_for
from assistant.finetuning.presentation import draw_losses, figures_of, in_words, show_version
from assistant.finetuning.side_by_side import ALL, WHICH, judged_answers_for
from assistant.finetuning.trials import editing as trials
from assistant.finetuning.trials.models import Trial
from assistant.finetuning.trials.presentation import show_trials
from assistant.views.requests import PersonRequest
from specialists.finetuning.presets import GENERAL, PRESETS

ANSWERS_SHOWN = 20


def new_version(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    """The recipe of a training on a data set. “Estimate” says what it would take; “Train” queues it."""
    data_set = get_data_set_for(request.user, slug, number)
    preset = PRESETS.get(data_set.recipe, GENERAL)
    form = RecipeForm(request.POST or None, initial=asdict(preset.training))
    context: dict[str, Any] = {
        "specialist": data_set.specialist, "data_set": data_set, "figures": figures_of(data_set), "form": form,
        "has_base": bool(settings.FINETUNING_BASE), "recipe": preset,
    }  # fmt: skip
    if request.method == "POST" and form.is_valid():
        if "estimate" in request.POST:
            context["estimate"], context["problem"] = estimate_for(data_set, form.cleaned_data)
            found = context["estimate"]
            context["time"] = in_words(found.seconds) if found else ""
        else:
            try:
                version = queue_version(data_set=data_set, created_by=request.user, recipe=form.cleaned_data)
            except FinetuningError as error:
                form.add_error(None, error.public_message)
            else:
                return redirect("assistant:version", slug=slug, number=version.number)
    return render(request, "assistant/specialists/new_version.html", context, status=422 if form.errors else 200)


def version(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    """One version. While it is trained or judged the page asks for itself again."""
    row = get_version_for(request.user, slug, number)
    return _render_version(request, row, TrialForm())


def _render_version(request: PersonRequest, row: SpecialistVersion, form: TrialForm) -> HttpResponse:
    shown = show_trials(row, request.user)
    context = {
        "specialist": row.specialist, "version": show_version(row), "row": row, "chart": draw_losses(row), "form": form,
        "changes": row.changes.select_related("changed_by"), "trials": shown,
        "has_answers": row.judged_answers.exists(),
        "is_tried": any(trial.row.is_running for trial in shown),
        "other_tried": Trial.objects.filter(specialist=row.specialist, ended_at=None).exclude(version=row).first(),
    }  # fmt: skip
    return render(request, "assistant/specialists/version.html", context, status=422 if form.errors else 200)


def judged_answers(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    """What both wrote to the held-out rows, of those that this person may read."""
    row = get_version_for(request.user, slug, number)
    which = request.GET.get("show", ALL)
    if which not in WHICH:
        raise Http404
    found = judged_answers_for(request.user, row)
    context = {
        "specialist": row.specialist, "row": row, "show": which, "found": found,
        "counts": [(name, label, count) for (name, label), count in zip(WHICH.items(), found.counts, strict=True)],
        "page": Paginator(found.of(which), ANSWERS_SHOWN).get_page(request.GET.get("page")),
    }  # fmt: skip
    return render(request, "assistant/specialists/judged_answers.html", context)


def stop_version(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    if registry.stop_version(version=get_version_for(request.user, slug, number)):
        messages.success(request, "The training is stopped. It can be started again where it was.")
    return redirect("assistant:version", slug=slug, number=number)


def retry_training(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    try:
        retry_version(version=get_version_for(request.user, slug, number))
    except FinetuningError as error:
        messages.error(request, error.public_message)
    return redirect("assistant:version", slug=slug, number=number)


def promote_version(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    row = get_version_for(request.user, slug, number)
    try:
        registry.promote_version(version=row, by=request.user, reason=request.POST.get("reason", ""))
    except FinetuningError as error:
        messages.error(request, error.public_message)
    else:
        messages.success(request, f"Version {number} is in use.")
    return redirect("assistant:version", slug=slug, number=number)


def roll_back_version(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    row = get_version_for(request.user, slug, number)
    try:
        before = registry.roll_back(version=row, by=request.user)
    except FinetuningError as error:
        messages.error(request, error.public_message)
    else:
        said = f"Version {before.number} is in use again." if before else "No version is in use; the base model answers."
        messages.success(request, said)
    return redirect("assistant:specialist", slug=slug)


def start_trial(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    row = get_version_for(request.user, slug, number)
    form = TrialForm(request.POST)
    if not form.is_valid():
        return _render_version(request, row, form)
    data = form.cleaned_data
    try:
        trials.start_trial(
            version=row, kind=data["kind"], by=request.user, share=data["share"] or 100, group=data["group"],
            most_answers=data["most_answers"], reason=data["reason"],
        )  # fmt: skip
    except FinetuningError as error:
        messages.error(request, error.public_message)
    else:
        messages.success(request, f"Version {number} is being tried.")
    return redirect("assistant:version", slug=slug, number=number)


def stop_trial(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    if trials.stop_trial(version=get_version_for(request.user, slug, number), by=request.user):
        messages.success(request, "The trial is stopped. What it has found stays here.")
    return redirect("assistant:version", slug=slug, number=number)
