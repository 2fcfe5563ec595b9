"""Two builds on the same questions, through the search itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assistant.embedders.questions import AskedIn
from retrieval.builds import Build
from retrieval.comparing import Change, change
from retrieval.metrics import ndcg_at_k


def compare_builds(
    asked: Sequence[AskedIn], *, old: Build, new: Build, progress: Callable[[], object]
) -> Change | None:  # fmt: skip
    """nDCG@10 of the fused list by the old build and by the new one; None where nothing is asked. Both answer in each of the
    partitions; the old one goes on serving. Raises RetrievalError."""
    if not asked:
        return None
    before, after = [], []
    for item in asked:
        before.append(_ndcg(item, old))
        after.append(_ndcg(item, new))
        progress()
    return change(before, after)


def _ndcg(item: AskedIn, build: Build) -> float:
    from retrieval.search import search

    hits = search(item.question, scope=item.scope, top_k=10, build=build).hits
    run = {str(hit.id): float(-rank) for rank, hit in enumerate(hits)}
    return ndcg_at_k({"q": run}, {"q": {str(key): grade for key, grade in item.grades.items()}}, 10)
