"""The calibration page: how cautious answers from a corpus are, what that means, and the curves behind it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from assistant.calibration.presentation import present_calibration
from assistant.calibration.services import LEAST_RISK, MOST_RISK, is_readable, learn, reader_trouble, set_risk
from assistant.views.requests import PersonRequest
from ingestion.models import Corpus
from ingestion.permissions import get_managed_corpus_for, managed_corpora
from specialists.refusal.calibrator import is_installed


def calibration(request: PersonRequest) -> HttpResponse:
    """One of the corpora that the person manages; the first when none is named."""
    corpora = list(managed_corpora(request.user))
    slug = request.GET.get("corpus", "")
    chosen = get_managed_corpus_for(request.user, slug) if slug else next(iter(corpora), None)
    trouble = reader_trouble() if is_installed() else ""
    page = present_calibration(chosen) if chosen and is_installed() and is_readable() else None
    limits = {"least": round(LEAST_RISK * 100), "most": round(MOST_RISK * 100)}
    return render(
        request, "assistant/calibration.html", {"corpora": corpora, "corpus": chosen, "page": page, "trouble": trouble, **limits}
    )


def change_calibration(request: PersonRequest, slug: str) -> HttpResponse:
    """A new risk for the corpus, or, with “learn”, its own calibration from its judged answers."""
    corpus = get_managed_corpus_for(request.user, slug)
    if not is_installed() or not is_readable():
        messages.error(request, "No calibrated reader is installed here, so there is nothing to set.")
    elif "learn" in request.POST:
        learnt = learn(corpus=corpus)
        said = (
            f"Learnt from {learnt.judged} judged answers."
            if learnt
            else "Too few answers have been judged to learn from. The shipped calibration counts."
        )
        (messages.success if learnt else messages.error)(request, said)
    else:
        _change_risk(request, corpus, request.POST.get("risk", "").strip())
    return redirect(f"{reverse('assistant:calibration')}?corpus={corpus.slug}")


def _change_risk(request: PersonRequest, corpus: Corpus, percent: str) -> None:
    try:
        row = set_risk(corpus=corpus, risk=int(percent) / 100)
    except ValueError:
        messages.error(request, f"Type a whole number from {LEAST_RISK:.0%} to {MOST_RISK:.0%}. Nothing was changed.")
    else:
        messages.success(request, f"From now on at most {row.risk:.0%} of the answers from “{corpus}” may be wrong.")
