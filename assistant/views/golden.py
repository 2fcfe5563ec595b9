"""The golden questions of a corpus: the list, writing, importing and exporting them, and making one from an answer."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header

from assistant.golden import editing, importing
from assistant.golden.chart import draw_history
from assistant.golden.errors import GoldenError
from assistant.golden.forms import FromAnswerForm, GoldenForm, ImportForm
from assistant.golden.models import GoldenQuestion, GoldenResult, GoldenRun, Source
from assistant.golden.permissions import Sight, get_golden_corpus_for, get_golden_question_for, golden_corpora
from assistant.golden.presentation import show_questions
from assistant.golden.runs import gate
from assistant.golden.suggesting import Reported, reported_in
from assistant.models import Answer, AnswerState
from assistant.permissions import get_answer_for
from assistant.views.requests import PersonRequest, number_in
from ingestion.models import Corpus
from ingestion.views.deleting import remember_deletion, sent_twice

PAGE_SIZE = 50
RUNS_SHOWN = 12


def golden(request: PersonRequest, slug: str) -> HttpResponse:
    corpus = get_golden_corpus_for(request.user, slug)
    sight = Sight(request.user, corpus)
    questions = GoldenQuestion.objects.filter(corpus=corpus)
    page = Paginator(questions, PAGE_SIZE).get_page(request.GET.get("page"))
    runs = list(GoldenRun.objects.filter(corpus=corpus).select_related("asked_as", "started_by")[:40])
    last = next((run for run in runs if run.done), None)
    names = set(corpus.documents.values_list("source_name", flat=True))
    results = GoldenResult.objects.filter(run=last, key__in=[row.key for row in page.object_list]) if last else []
    context = {
        "corpus": corpus,
        "page": page,
        "questions": show_questions(page.object_list, sight, names, list(results)),
        "runs": runs[:RUNS_SHOWN],
        "open_run": next((run for run in runs if run.is_open), None),
        "chart": draw_history(runs, gate().minimum_correct),
        "gate": gate(),
        "reported": reported_in(corpus, request.user),
    }
    return render(request, "assistant/golden/golden.html", context)


def new_golden(request: PersonRequest, slug: str) -> HttpResponse:
    """A new question; `?reported=<id>` fills in one that someone reported."""
    corpus = get_golden_corpus_for(request.user, slug)
    reported = _reported(request, corpus)
    initial = {"question": reported.question} if reported else {}
    form = GoldenForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            source = Source.FEEDBACK if reported else Source.TYPED
            editing.add_question(corpus=corpus, draft=form.draft(), created_by=request.user, source=source)
        except GoldenError as error:
            form.add_error(None, error.public_message)
        else:
            messages.success(request, "The golden question is added. It is asked with the next run.")
            return redirect("assistant:golden", slug=slug)
    return _form_page(request, corpus, form, reported=reported)


def change_golden(request: PersonRequest, slug: str, question_id: int) -> HttpResponse:
    question = get_golden_question_for(request.user, slug, question_id)
    form = GoldenForm(request.POST or None, initial=GoldenForm.initial_of(question))
    if request.method == "POST" and form.is_valid():
        try:
            editing.change_question(question=question, draft=form.draft())
        except GoldenError as error:
            form.add_error(None, error.public_message)
        else:
            messages.success(request, "Saved.")
            return redirect("assistant:golden", slug=slug)
    return _form_page(request, question.corpus, form, question=question)


@sent_twice
def delete_golden(request: PersonRequest, slug: str, question_id: int) -> HttpResponse:
    question = get_golden_question_for(request.user, slug, question_id)
    remember_deletion(request, reverse("assistant:golden", args=[slug]))
    editing.delete_question(question=question)
    messages.success(request, "The golden question is deleted. Earlier runs keep what came of it.")
    return redirect("assistant:golden", slug=slug)


def import_golden(request: PersonRequest, slug: str) -> HttpResponse:
    corpus = get_golden_corpus_for(request.user, slug)
    form = ImportForm(request.POST or None, request.FILES or None)
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        content = file.read(importing.MAX_BYTES + 1)
        try:
            added, known = importing.import_questions(corpus=corpus, content=content, name=file.name, created_by=request.user)
        except importing.ImportRefusedError as error:
            problems = error.problems
        except GoldenError as error:
            problems = [error.public_message]
        else:
            messages.success(request, f"{added} added, {known} were there already.")
            return redirect("assistant:golden", slug=slug)
    context = {"corpus": corpus, "form": form, "problems": problems}
    return render(request, "assistant/golden/import.html", context, status=422 if problems else 200)


def export_golden(request: PersonRequest, slug: str) -> HttpResponse:
    """The questions as JSON lines, in the form that the import reads; those with a hidden expectation are left out."""
    corpus = get_golden_corpus_for(request.user, slug)
    sight = Sight(request.user, corpus)
    rows = [row for row in GoldenQuestion.objects.filter(corpus=corpus) if sight.sees_expectation(row.document_name)]
    lines = "".join(json.dumps(_exported(row), ensure_ascii=False) + "\n" for row in rows)
    response = HttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")
    name = content_disposition_header(as_attachment=True, filename=f"golden-{slug}.jsonl")
    response.headers["Content-Disposition"] = name or "attachment"
    return response


def golden_from_answer(request: PersonRequest, answer_id: int) -> HttpResponse:
    """One of one's own answers as a golden question of a corpus that one manages and may read."""
    own = get_answer_for(request.user, answer_id)
    corpora = golden_corpora(request.user)
    if not corpora.exists():
        raise Http404
    form = FromAnswerForm(request.POST or None, corpora=corpora, initial=_initial_from(own, corpora))
    if request.method == "POST" and form.is_valid():
        corpus = form.cleaned_data["corpus"]
        try:
            editing.add_question(corpus=corpus, draft=form.draft(), created_by=request.user, source=Source.FEEDBACK)
        except GoldenError as error:
            form.add_error(None, error.public_message)
        else:
            messages.success(request, "The golden question is added. It is asked with the next run.")
            return redirect("assistant:golden", slug=corpus.slug)
    names = sorted({name for corpus in corpora for name in Sight(request.user, corpus).document_names})
    context = {"form": form, "documents": names, "answer": own}
    return render(request, "assistant/golden/from_answer.html", context, status=422 if form.errors else 200)


def _form_page(request: PersonRequest, corpus: Corpus, form: GoldenForm, **context: Any) -> HttpResponse:
    documents = Sight(request.user, corpus).document_names
    context = {"corpus": corpus, "form": form, "documents": documents, **context}
    return render(request, "assistant/golden/form.html", context, status=422 if form.errors else 200)


def _reported(request: PersonRequest, corpus: Corpus) -> Reported | None:
    number = request.GET.get("reported", "")
    if not number:
        return None
    found = {item.feedback_id: item for item in reported_in(corpus, request.user)}
    return found.get(number_in(number))


def _initial_from(own: Answer, corpora: Any) -> dict[str, Any]:
    """What the form holds first: the answer's own first sentence and its document, where the corpus is one of these."""
    question = own.standalone_question or own.question
    cited = own.citations.filter(document__corpus__in=corpora).select_related("document__corpus").first()
    if own.state == AnswerState.ABSTAINED or cited is None or cited.document is None:
        return {"question": question, "expects": "refusal" if own.state == AnswerState.ABSTAINED else "answer"}
    return {
        "question": question,
        "corpus": cited.document.corpus,
        "must_contain": cited.quote[: editing.MAX_PHRASE_CHARACTERS].replace("|", " ").replace("\n", " "),
        "document": cited.document.source_name,
    }


def _exported(row: GoldenQuestion) -> dict[str, Any]:
    exported = {"question": row.question, "expects": row.expects, "must_contain": row.must_contain}
    return {**exported, "document": row.document_name, "tags": row.tags}
