"""Specialists of the organization: the list, one of them, and its data sets. Their versions are in versions.py."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from assistant.finetuning import editing
from assistant.finetuning.errors import FinetuningError
from assistant.finetuning.forms import SpecialistForm
from assistant.finetuning.inventory import every_model
from assistant.finetuning.models import DataSetRow, VersionChange
from assistant.finetuning.permissions import (
    get_data_set_for,
    get_specialist_for,
    managed_specialists,
    specialist_corpora,
    visible_rows,
)
from assistant.finetuning.presentation import figures_of, figures_of_all, show_specialists, show_versions
from assistant.views.requests import PersonRequest
from specialists.finetuning.presets import GENERAL, PRESETS

PAGE_SIZE = 25
CHANGES_SHOWN = 20


def specialists(request: PersonRequest) -> HttpResponse:
    """The list, and the form for a new one."""
    corpora = specialist_corpora(request.user)
    form = SpecialistForm(request.POST or None, corpora=corpora)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            made = editing.create_specialist(
                name=data["name"], description=data["description"], corpora=list(data["corpora"]), created_by=request.user
            )
        except FinetuningError as error:
            form.add_error("name", error.public_message)
        else:
            return redirect("assistant:specialist", slug=made.slug)
    rows = managed_specialists(request.user).prefetch_related("corpora", "versions")
    context = {
        "specialists": show_specialists(list(rows)),
        "form": form,
        "has_corpora": corpora.exists(),
        "has_base": bool(settings.FINETUNING_BASE),
    }
    return render(request, "assistant/specialists/list.html", context, status=422 if form.errors else 200)


def specialist(request: PersonRequest, slug: str) -> HttpResponse:
    row = get_specialist_for(request.user, slug)
    versions = show_versions(list(row.versions.select_related("specialist", "data_set", "created_by")))
    data_sets = list(row.data_sets.select_related("made_as"))
    figures = figures_of_all(data_sets)
    context = {
        "specialist": row,
        "versions": versions,
        "data_sets": [(item, figures[item.pk], PRESETS.get(item.recipe, GENERAL)) for item in data_sets],
        "is_busy": any(item.row.is_open for item in versions) or any(data_set.is_open for data_set in data_sets),
        "changes": VersionChange.objects.filter(version__specialist=row).select_related("changed_by", "version")[:CHANGES_SHOWN],
        "has_model": bool(settings.LANGUAGE_MODEL["BACKEND"]),
        "recipes": PRESETS.values(),
    }
    return render(request, "assistant/specialists/specialist.html", context)


def models(request: PersonRequest) -> HttpResponse:
    """Every model of the installation, from the base to the router."""
    return render(request, "assistant/specialists/models.html", {"models": every_model(request.user)})


def make_data_set(request: PersonRequest, slug: str) -> HttpResponse:
    row = get_specialist_for(request.user, slug)
    try:
        made = editing.queue_data_set(
            specialist=row, made_as=request.user, has_written=request.POST.get("written") == "on",
            recipe=request.POST.get("recipe", GENERAL.name),
        )  # fmt: skip
    except FinetuningError as error:
        messages.error(request, error.public_message)
        return redirect("assistant:specialist", slug=slug)
    return redirect("assistant:data_set", slug=slug, number=made.number)


def data_set(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    """Its rows, of which people see those whose documents they may read. While it is made the page asks for itself again."""
    row = get_data_set_for(request.user, slug, number)
    figures = figures_of(row)
    shown = request.GET.get("show", "")
    rows = visible_rows(request.user, row)
    filters: dict[str, dict[str, Any]] = {
        "kept": {"is_dropped": False, "split": "train"}, "held_out": {"is_dropped": False, "split": "held_out"},
        "dropped": {"is_dropped": True}, "flagged": {"is_dropped": False},
    }  # fmt: skip
    shown = shown if shown in filters else "kept"  # the nearest page, as of numbers beyond the last
    chosen = rows.filter(**filters[shown])
    chosen = chosen.exclude(findings=[]) if shown == "flagged" else chosen
    page = Paginator(chosen.prefetch_related("passages", "document"), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "specialist": row.specialist,
        "data_set": row,
        "figures": figures,
        "hidden": figures.training + figures.held_out + figures.dropped - rows.count(),
        "page": page,
        "show": shown,
        "left_out": row.left_out.items(),
        "recipe": PRESETS.get(row.recipe, GENERAL),
    }
    return render(request, "assistant/specialists/data_set.html", context)


def stop_data_set(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    if editing.stop_data_set(data_set=get_data_set_for(request.user, slug, number)):
        messages.success(request, "The data set is stopped.")
    return redirect("assistant:specialist", slug=slug)


def drop_row(request: PersonRequest, slug: str, number: int, row_id: int) -> HttpResponse:
    """Leave a row out; with keep=1 take it in again."""
    owner = get_data_set_for(request.user, slug, number)
    row = visible_rows(request.user, owner).filter(pk=row_id).first()
    if row is None:
        raise Http404
    try:
        editing.drop_row(row=DataSetRow.objects.get(pk=row.pk), is_dropped=request.POST.get("keep") != "1")
    except FinetuningError as error:
        messages.error(request, error.public_message)
    return redirect(_back(request, slug, number))


def drop_found(request: PersonRequest, slug: str, number: int) -> HttpResponse:
    try:
        count = editing.drop_found(data_set=get_data_set_for(request.user, slug, number))
    except FinetuningError as error:
        messages.error(request, error.public_message)
    else:
        messages.success(request, f"{count} rows are left out.")
    return redirect("assistant:data_set", slug=slug, number=number)


def _back(request: PersonRequest, slug: str, number: int) -> str:
    query = {name: request.POST[name] for name in ("show", "page") if request.POST.get(name)}
    return f"{reverse('assistant:data_set', args=[slug, number])}?{urlencode(query)}"
