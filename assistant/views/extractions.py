"""Fields of documents as a table: choosing, the table while it is read and afterwards, CSV, stop and delete."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header

from assistant.errors import QuestionError
from assistant.jobs import extractions as jobs
from assistant.jobs.fields import left_out, read_fields
from assistant.jobs.models import Extraction
from assistant.jobs.tables import as_csv, present_extraction
from assistant.services import plain_text
from assistant.views.requests import PersonRequest, number_in
from ingestion.models import Corpus
from ingestion.permissions import readable_corpora, readable_documents

DOCUMENTS_SHOWN = 200
TABLES_SHOWN = 30
GONE = "A chosen document is no longer there for you. Reload the page and choose again."


def extractions(request: PersonRequest) -> HttpResponse:
    """One's tables, and a form for a new one: of a corpus (`?corpus=<slug>`) or of one document (`?document=<number>`)."""
    if request.method != "POST":
        return _page(request, chosen=_chosen(request.GET.getlist("document")))
    chosen = _chosen(request.POST.getlist("documents"))
    try:
        documents = list(readable_documents(request.user).filter(pk__in=chosen).order_by("source_name"))
        if len(documents) != len(chosen) or len({document.corpus_id for document in documents}) > 1:
            raise QuestionError("document_gone", GONE)
        fields = read_fields(request.POST.get("fields", ""), request.POST.get("preset", ""))
        made = jobs.start_extraction(user=request.user, documents=documents, fields=fields)
    except QuestionError as error:
        return _page(request, chosen=chosen, error=error.public_message)
    if sentence := left_out(request.POST.get("fields", "")):
        messages.warning(request, sentence)
    return redirect("assistant:extraction", extraction_id=made.pk)


def extraction(request: PersonRequest, extraction_id: int) -> HttpResponse:
    own = jobs.get_extraction_for(request.user, extraction_id)
    context = {"extraction": own, "table": present_extraction(own, request.user)}
    return render(request, "assistant/_extraction.html" if request.htmx else "assistant/extraction.html", context)


def download_extraction(request: PersonRequest, extraction_id: int) -> HttpResponse:
    own = jobs.get_extraction_for(request.user, extraction_id)
    response = HttpResponse(as_csv(present_extraction(own, request.user)), content_type="text/csv; charset=utf-8")
    name = content_disposition_header(as_attachment=True, filename=f"table-{own.pk}.csv")
    response.headers["Content-Disposition"] = name or "attachment"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def stop_extraction(request: PersonRequest, extraction_id: int) -> HttpResponse:
    own = jobs.get_extraction_for(request.user, extraction_id)
    jobs.stop_extraction(extraction=own)
    return redirect("assistant:extraction", extraction_id=own.pk)


def delete_extraction(request: PersonRequest, extraction_id: int) -> HttpResponse:
    jobs.delete_extraction(extraction=jobs.get_extraction_for(request.user, extraction_id))
    messages.success(request, "The table is deleted.")
    return redirect("assistant:extractions")


def _chosen(numbers: list[str]) -> set[int]:
    return {number_in(text) for text in numbers}


def _page(request: PersonRequest, *, chosen: set[int], error: str = "") -> HttpResponse:
    corpus = _corpus(request, chosen)
    documents = jobs.extractable_documents(request.user, corpus).order_by("title", "source_name") if corpus else ()
    shown = [document for document in documents if document.pk in chosen]
    shown += [document for document in documents[:DOCUMENTS_SHOWN] if document.pk not in chosen]
    context = {
        "corpora": readable_corpora(request.user).distinct(),
        "corpus": corpus,
        "documents": shown,
        "chosen": chosen,
        "typed": request.POST.get("fields", ""),
        "preset": request.POST.get("preset", ""),
        "most_documents": jobs.MOST_DOCUMENTS,
        "tables": [_listed(item) for item in jobs.extractions_of(request.user).select_related("corpus")[:TABLES_SHOWN]],
        "error": error,
    }
    return render(request, "assistant/extractions.html", context, status=422 if error else 200)


def _corpus(request: PersonRequest, chosen: set[int]) -> Corpus | None:
    """That of the first chosen document, else the one that is named."""
    readable = readable_corpora(request.user).distinct()
    if chosen:
        first = readable_documents(request.user).filter(pk__in=chosen).first()
        if first is None and request.method != "POST":
            raise Http404
        return first.corpus if first else None
    return readable.filter(slug=plain_text(request.GET.get("corpus", "") or request.POST.get("corpus", ""))).first()


def _listed(item: Extraction) -> dict[str, object]:
    return {"item": item, "total": item.rows.count(), "done": item.rows.filter(is_done=True).count()}
