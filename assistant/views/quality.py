"""Is it good? The figures for administrators, and those of the routes."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from assistant.ledger.presentation import COLUMNS, quality_words, saving_words, words_of
from assistant.ledger.report import report_routes
from assistant.quality import quality_for
from assistant.views.requests import PersonRequest

PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "all": "Always"}
DEFAULT_PERIOD = "30"


def quality(request: PersonRequest) -> HttpResponse:
    period, since = _period(request)
    context = {"quality": quality_for(request.user, since), "periods": PERIODS, "period": period}
    return render(request, "assistant/quality.html", context)


def routes(request: PersonRequest) -> HttpResponse:
    period, since = _period(request)
    report = report_routes(since=since)
    context = {
        "columns": COLUMNS,
        "rows": [words_of(figures) for figures in report.routes],
        "total": words_of(report.total),
        "report": report,
        "saving": saving_words(report),
        "quality_lost": quality_words(report),
        "periods": PERIODS,
        "period": period,
    }
    return render(request, "assistant/routes.html", context)


def _period(request: HttpRequest) -> tuple[str, datetime | None]:
    period = request.GET.get("period", DEFAULT_PERIOD)
    if period not in PERIODS:
        period = DEFAULT_PERIOD
    return period, None if period == "all" else timezone.now() - timedelta(days=int(period))
