"""The page Routing: the administrator's rules, and a box that shows where a question would go and why."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from assistant.routing import MAX_QUESTION, Typed, present_rules, tier_choices, try_question, when_choices
from assistant.views.requests import PersonRequest
from retrieval.errors import RetrievalError
from specialists.errors import DataError
from specialists.models import RoutingRule
from specialists.router.learning import record_outcome
from specialists.router.rules import RuleError, add_rule, move_rule_up, remove_rule
from specialists.router.types import INTENTS


def routing(request: PersonRequest) -> HttpResponse:
    """The rules and the box; POST adds a rule."""
    typed, error = Typed.of(request.POST), ""
    if request.method == "POST":
        try:
            add_rule(condition=typed.condition, value=typed.value, tier=typed.tier, created_by=request.user)
        except RuleError as refused:
            error = refused.public_message
        else:
            messages.success(request, "The rule is added, after the others.")
            return redirect("assistant:routing")
    question = request.GET.get("q", "").strip()[:MAX_QUESTION]
    context = {
        "rules": present_rules(),
        "when": when_choices(),
        "tiers": tier_choices(),
        "typed": typed,
        "error": error,
        "question": question,
        "tried": try_question(question) if question else None,
        "intents": INTENTS,
    }
    return render(request, "assistant/routing.html", context, status=422 if error else 200)


def change_routing_rule(request: PersonRequest, rule_id: int) -> HttpResponse:
    """Up by one place, or away."""
    rule = get_object_or_404(RoutingRule, pk=rule_id)
    if "up" in request.POST:
        move_rule_up(rule=rule)
    elif "remove" in request.POST:
        remove_rule(rule=rule)
        messages.success(request, "The rule is removed.")
    else:
        raise Http404
    return redirect("assistant:routing")


def teach_routing(request: PersonRequest) -> HttpResponse:
    """What a tried question really is, kept for the next training."""
    question = request.POST.get("q", "").strip()[:MAX_QUESTION]
    try:
        kept = record_outcome(question=question, intent=request.POST.get("intent", ""))
    except (DataError, RetrievalError) as refused:
        messages.error(request, refused.public_message)
    else:
        noun = "correction is" if kept == 1 else "corrections are"
        messages.success(request, f"Kept. {kept} {noun} waiting; manage.py learn_routes trains on them.")
    return redirect(f"{reverse('assistant:routing')}?{urlencode({'q': question})}")
