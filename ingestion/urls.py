"""The routes of documents: reading them, and managing the corpora they are in. Declared in config/access.py."""

from __future__ import annotations

from django.urls import path

from ingestion.views import corpora, documents, reading

app_name = "ingestion"

_DOCUMENT = "documents/<int:document_id>"
_CORPUS = "manage/corpora/<slug:slug>"
_ROW = "manage/documents/<int:document_id>"

urlpatterns = [
    path(f"{_DOCUMENT}/", reading.document, name="document"),
    path(f"{_DOCUMENT}/pages/<int:number>.png", reading.page_image, name="page_image"),
    path(f"{_DOCUMENT}/download", reading.download, name="download"),
    path("manage/", corpora.corpora, name="corpora"),
    path("manage/corpora/new", corpora.new_corpus, name="new_corpus"),
    path(f"{_CORPUS}/", corpora.corpus, name="corpus"),
    path(f"{_CORPUS}/rows", corpora.corpus_rows, name="corpus_rows"),
    path(f"{_CORPUS}/settings", corpora.corpus_settings, name="corpus_settings"),
    path(f"{_CORPUS}/delete", corpora.delete_corpus, name="delete_corpus"),
    path(f"{_CORPUS}/upload", documents.upload, name="upload"),
    path(f"{_CORPUS}/retry-failed", documents.retry_failed, name="retry_failed"),
    path(f"{_ROW}/retry", documents.retry_document, name="retry_document"),
    path(f"{_ROW}/delete", documents.delete_document, name="delete_document"),
    path(f"{_ROW}/tags", documents.document_tags, name="document_tags"),
    path(f"{_ROW}/audience", documents.document_audience, name="document_audience"),
]
