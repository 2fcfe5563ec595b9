"""Training examples for those who curate a corpus: made from feedback, reviewed, removed and exported."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header

from assistant.escalations.errors import EscalationError
from assistant.escalations.examples import (
    export_squad,
    feedback_to_use,
    make_from_feedback,
    remove_example,
    review_example,
)
from assistant.escalations.permissions import curated_corpora, curated_examples, get_curated_example_for
from assistant.models import Feedback
from assistant.views.requests import PersonRequest
from ingestion.models import Corpus
from specialists.models import TrainingExample

SHOWN = 200


def examples(request: PersonRequest) -> HttpResponse:
    own = curated_examples(request.user)
    names = dict(Corpus.objects.filter(pk__in=own.values("corpus_id")).values_list("pk", "name"))
    rows = [(example, names.get(example.corpus_id or 0, "")) for example in own.order_by("is_reviewed", "-pk")[:SHOWN]]
    context = {
        "rows": rows,
        "reviewed": own.filter(is_reviewed=True).count(),
        "waiting": own.filter(is_reviewed=False).count(),
        "feedback": feedback_to_use(request.user),
        "corpora": curated_corpora(request.user).filter(pk__in=own.filter(is_reviewed=True).values("corpus_id")),
    }
    return render(request, "assistant/examples.html", context)


def example(request: PersonRequest, example_id: int) -> HttpResponse:
    own = get_curated_example_for(request.user, example_id)
    values = {name: getattr(own, name) for name in ("question", "passage", "answer", "label")}
    error = ""
    if request.method == "POST":
        values = {name: request.POST.get(name, "") for name in values}
        try:
            review_example(example=own, **values)
        except EscalationError as refused:
            error = refused.public_message
        else:
            messages.success(request, "The example is reviewed. It is in the next export.")
            return redirect("assistant:examples")
    context = {"example": own, "values": values, "labels": TrainingExample.Label.choices, "error": error}
    return render(request, "assistant/example.html", context, status=422 if error else 200)


def remove(request: PersonRequest, example_id: int) -> HttpResponse:
    remove_example(example=get_curated_example_for(request.user, example_id))
    messages.success(request, "The example is removed.")
    return redirect("assistant:examples")


def use_feedback(request: PersonRequest, feedback_id: int) -> HttpResponse:
    """An example of what somebody said of an answer, or nothing more of it."""
    feedback = Feedback.objects.filter(pk=feedback_id).select_related("answer").first()
    if feedback is None or feedback_id not in {item.id for item in feedback_to_use(request.user)}:
        raise Http404
    made = make_from_feedback(feedback=feedback, curator=request.user)
    if request.POST.get("use") == "0":
        remove_example(example=made)
        return redirect("assistant:examples")
    return redirect("assistant:example", example_id=made.pk)


def export_examples(request: PersonRequest) -> HttpResponse:
    """The reviewed examples of the chosen corpora, as a file for `manage.py train_specialist reader`."""
    corpora = curated_corpora(request.user).filter(slug__in=request.GET.getlist("corpus"))
    try:
        content = export_squad(list(corpora), curator=request.user)
    except EscalationError as error:
        messages.error(request, error.public_message)
        return redirect("assistant:examples")
    response = JsonResponse(content, json_dumps_params={"ensure_ascii": False, "indent": 1})
    name = content_disposition_header(as_attachment=True, filename="examples.json")
    response.headers["Content-Disposition"] = name or "attachment"
    return response
