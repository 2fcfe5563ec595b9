"""What a corpus's reranking does, as a line of its page."""

from __future__ import annotations

from typing import Any

from django import template

from assistant.reranking.presentation import present_reranking
from ingestion.models import Corpus

register = template.Library()


@register.inclusion_tag("assistant/_reranking_line.html")
def reranking_line(corpus: Corpus) -> dict[str, Any]:
    return {"corpus": corpus, "shown": present_reranking(corpus)}
