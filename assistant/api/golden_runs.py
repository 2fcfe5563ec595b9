"""/api/corpora/…/golden-runs: runs of a corpus's golden questions, started and watched from a build server."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from assistant.api.errors import ApiError
from assistant.api.gate import ApiRequest
from assistant.golden.errors import GoldenError
from assistant.golden.models import GoldenRun
from assistant.golden.permissions import get_golden_corpus_for, get_golden_run_for
from assistant.golden.runs import queue_run

router = Router(tags=["Golden questions"])
SHOWN = 100


class RunOut(Schema):
    id: int
    state: str = Field(description="queued, running, done, stopped or failed")
    total: int
    done: int
    correct: int
    broken: int | None = Field(description="right in the run before, wrong now; null: nothing to compare with")
    fixed: int | None
    passed: bool | None
    verdict: str
    error: str
    created_at: datetime
    finished_at: datetime | None


class RunsOut(Schema):
    runs: list[RunOut]


@router.get("/corpora/{slug:slug}/golden-runs", url_name="golden_runs", response=RunsOut, summary="Its runs, newest first")
def list_runs(request: HttpRequest, slug: str) -> dict[str, Any]:
    corpus = get_golden_corpus_for(cast(ApiRequest, request).token.user, slug)
    return {"runs": [_run(run) for run in GoldenRun.objects.filter(corpus=corpus)[:SHOWN]]}


@router.post(
    "/corpora/{slug:slug}/golden-runs", url_name="golden_runs", response={202: RunOut}, summary="Run its golden questions"
)
def start_run(request: HttpRequest, slug: str) -> Any:
    """They are asked with the rights of the token's person."""
    person = cast(ApiRequest, request).token.user
    corpus = get_golden_corpus_for(person, slug)
    try:
        run = queue_run(corpus=corpus, asked_as=person, started_by=person)
    except GoldenError as error:
        raise ApiError(409, error.code, error.public_message) from None
    return Status(202, _run(run))


@router.get("/corpora/{slug:slug}/golden-runs/{int:run_id}", url_name="golden_run", response=RunOut, summary="One run")
def get_run(request: HttpRequest, slug: str, run_id: int) -> dict[str, Any]:
    return _run(get_golden_run_for(cast(ApiRequest, request).token.user, slug, run_id))


def _run(run: GoldenRun) -> dict[str, Any]:
    return {
        "id": run.pk, "state": run.state, "total": run.total, "done": run.done, "correct": run.correct, "broken": run.broken,
        "fixed": run.fixed, "passed": run.passed, "verdict": run.verdict, "error": run.error_message,
        "created_at": run.created_at, "finished_at": run.finished_at,
    }  # fmt: skip
