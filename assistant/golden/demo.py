"""The demo organization's golden questions: those of its questions.json, and more that were written for this."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assistant.golden.editing import Draft, add_question, key_of
from assistant.golden.models import Expectation, GoldenQuestion, Source, Trigger
from assistant.golden.runs import queue_run
from ingestion.models import Corpus


def demo_drafts(folder: Path) -> dict[str, list[Draft]]:
    """The drafts by the corpus's slug in the demo's files. A follow-up is no golden question: it needs its conversation."""
    drafts: dict[str, list[Draft]] = defaultdict(list)
    for row in _read(folder / "questions.json"):
        slug, _, name = row["document"].partition("/") if "document" in row else (row["corpus"], "", "")
        drafts[slug].append(_draft(row["question"], [[phrase] for phrase in row.get("must_contain", [])], name, []))
    for row in _read(folder / "golden.json"):
        drafts[row["corpus"]].append(
            _draft(row["question"], row.get("must_contain", []), row.get("document", ""), row.get("tags", []))
        )
    return drafts


def load_demo_golden(folder: Path, names: Mapping[str, str]) -> None:
    """Add what is missing, and queue a first run for the worker; `names` are the corpora's by slug."""
    for slug, drafts in demo_drafts(folder).items():
        corpus = Corpus.objects.select_related("owner").get(name=names[slug])
        known = set(GoldenQuestion.objects.filter(corpus=corpus).values_list("key", flat=True))
        fresh = [draft for draft in drafts if key_of(draft.question) not in known]
        for draft in fresh:
            add_question(corpus=corpus, draft=draft, created_by=corpus.owner, source=Source.DEMO)
        if fresh and not corpus.golden_runs.exists():
            queue_run(corpus=corpus, asked_as=corpus.owner, started_by=None, trigger=Trigger.COMMAND)


def _draft(question: str, phrases: list[list[str]], document_name: str, tags: list[str]) -> Draft:
    expects = Expectation.ANSWER if phrases or document_name else Expectation.REFUSAL
    return Draft(question, expects, tuple(tuple(phrase) for phrase in phrases), document_name, tuple(tags))


def _read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows
