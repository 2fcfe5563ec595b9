"""The page of limits: what people may use in a day, and what they used today."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from assistant.ledger.prices import currency
from assistant.limits.editing import LimitForm, lift_limit, listed_limits, set_limit
from assistant.limits.models import Limit
from assistant.views.requests import PersonRequest


def limits(request: PersonRequest) -> HttpResponse:
    """The list; a POST sets a limit, or puts another in its place."""
    form = LimitForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        limit = set_limit(**form.cleaned_data)
        effect = "stops every question from now on" if limit.is_closed else "holds from the next question on"
        messages.success(request, f"The limit of {limit} {effect}.")
        return redirect("assistant:limits")
    context = {"form": form, "rows": listed_limits(), "currency": currency()}
    return render(request, "assistant/limits.html", context, status=422 if form.errors else 200)


def remove_limit(request: PersonRequest, limit_id: int) -> HttpResponse:
    lift_limit(limit=get_object_or_404(Limit, pk=limit_id))
    messages.success(request, "The limit is lifted.")
    return redirect("assistant:limits")
