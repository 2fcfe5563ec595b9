"""Runs of golden questions: starting, watching and stopping one, and two side by side."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from assistant.golden.comparing import compare
from assistant.golden.errors import GoldenError
from assistant.golden.models import GoldenRun, RunState
from assistant.golden.permissions import Sight, get_golden_corpus_for, get_golden_run_for
from assistant.golden.presentation import show_pairs, show_results
from assistant.golden.runs import queue_run, stop_run
from assistant.views.requests import PersonRequest, number_in
from ingestion.models import Corpus

OFFERED = 50
PAGE_SIZE = 100


def run_golden(request: PersonRequest, slug: str) -> HttpResponse:
    """Queue a run with the rights of whoever presses the button."""
    corpus = get_golden_corpus_for(request.user, slug)
    try:
        run = queue_run(corpus=corpus, asked_as=request.user, started_by=request.user)
    except GoldenError as error:
        messages.error(request, error.public_message)
        return redirect("assistant:golden", slug=slug)
    return redirect("assistant:golden_run", slug=slug, run_id=run.pk)


def golden_run(request: PersonRequest, slug: str, run_id: int) -> HttpResponse:
    """One run. While it is under way the page asks for itself again."""
    run = get_golden_run_for(request.user, slug, run_id)
    results = run.results.all()
    only_wrong = request.GET.get("show") == "wrong"
    if only_wrong:
        results = results.filter(is_correct=False)
    page = Paginator(results, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "corpus": run.corpus,
        "run": run,
        "page": page,
        "results": show_results(page.object_list, Sight(request.user, run.corpus)),
        "only_wrong": only_wrong,
        "wrong": run.done - run.correct,
    }
    return render(request, "assistant/golden/run.html", context)


def stop_golden(request: PersonRequest, slug: str, run_id: int) -> HttpResponse:
    run = get_golden_run_for(request.user, slug, run_id)
    if stop_run(run=run):
        messages.success(request, "The run is stopped. What was asked is kept.")
    return redirect("assistant:golden_run", slug=slug, run_id=run_id)


def compare_golden(request: PersonRequest, slug: str) -> HttpResponse:
    """Two runs of the corpus, the last two finished ones when none are chosen."""
    corpus = get_golden_corpus_for(request.user, slug)
    runs = list(GoldenRun.objects.filter(corpus=corpus, state=RunState.FINISHED).select_related("asked_as")[:OFFERED])
    chosen = [_chosen(request, corpus, name) for name in ("before", "after")]
    after = chosen[1] or (runs[0] if runs else None)
    others = [run for run in runs if after and run.pk != after.pk]
    before = chosen[0] or next((run for run in others if after and run.pk < after.pk), others[0] if others else None)
    context: dict[str, object] = {"corpus": corpus, "runs": runs, "before": before, "after": after}
    if before and after:
        change = request.GET.get("change", "")
        comparison = compare(before, after)
        pairs = show_pairs(comparison, Sight(request.user, corpus), change)
        context |= {"comparison": comparison, "pairs": pairs, "change": change}
    return render(request, "assistant/golden/compare.html", context)


def _chosen(request: PersonRequest, corpus: Corpus, name: str) -> GoldenRun | None:
    number = request.GET.get(name, "")
    if not number:
        return None
    run = GoldenRun.objects.filter(corpus=corpus, pk=number_in(number)).select_related("asked_as").first()
    if run is None:
        raise Http404
    return run
