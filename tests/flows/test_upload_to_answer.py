"""The ingestion and answer flows on both set-ups: SQLite with the embedded worker, and PostgreSQL with Redis and Celery."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flows.events import read_events
from tests.flows.installation import Installation, wait_for
from tests.flows.services import compose_command, postgresql, redis
from tests.people import LEAVE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["sqlite", "postgresql-redis"])
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    if request.param == "sqlite":
        made = Installation().prepare().start()
        yield made
        made.stop()
        return
    with postgresql() as database, redis() as broker:
        environment = {"DATABASE_URL": database, "CELERY_BROKER_URL": broker}
        made = Installation(environment=environment, extra_commands=[["-m", *compose_command("worker")]])
        assert compose_command("prepare")[:2] == ["python", "manage.py"]
        made.manage(*compose_command("prepare")[2:])
        made.start()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def ada(installation: Installation) -> Iterator[httpx.Client]:
    client = installation.client(*installation.create_person("ada", "--admin"))
    yield client
    client.close()


@pytest.fixture(scope="module")
def ben(installation: Installation) -> Iterator[httpx.Client]:
    client = installation.client(*installation.create_person("ben", "--groups", "Sales"))
    yield client
    client.close()


def upload(client: httpx.Client, corpus: str, name: str, content: bytes) -> Any:
    response = client.post(
        f"/manage/corpora/{corpus}/upload", files={"files": (name, content)}, headers={"Accept": "application/json"}
    )
    assert response.status_code == 200, response.text[:500]
    return response.json()["files"][0]


def states(client: httpx.Client, corpus: str) -> str:
    return client.get(f"/manage/corpora/{corpus}/").text


def ask(client: httpx.Client, question: str) -> list[tuple[str, str]]:
    """Ask as the page does, and read the stream to its end: (event, data) pairs."""
    page = client.post("/ask", data={"question": question}, headers={"HX-Request": "true"})
    assert page.status_code == 200, page.text[:500]
    turns = re.findall(r'id="turn-(\d+)"', page.text)
    assert turns, page.text[:3000]
    with client.stream("GET", f"/answers/{turns[-1]}/stream", headers={"Accept": "text/event-stream"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(read_events(response.iter_lines()))


def test_it_turns_an_upload_into_a_cited_answer(installation: Installation, ada: httpx.Client, ben: httpx.Client) -> None:
    response = ada.post("/manage/corpora/new", data={"name": "Handbook", "audience": "everyone", "owner": "1"})
    assert response.url.path == "/manage/corpora/handbook/", response.text[:3000]
    assert upload(ada, "handbook", "leave.md", LEAVE.encode())["outcome"] == "added"
    assert upload(ada, "handbook", "broken.pdf", b"%PDF-1.7 not really")["outcome"] == "added"
    wait_for(lambda: "The PDF is damaged" in states(ada, "handbook"), "the broken document's sentence")
    wait_for(lambda: "27 days" in ask(ben, "How many days of annual leave do full-time employees get?")[-1][1], "the answer")

    events = ask(ben, "How many days of annual leave do full-time employees get?")
    assert events[-1][0] == "done"
    assert "27 days" in events[-1][1]
    assert "/citations/1/" in events[-1][1]

    assert upload(ada, "handbook", "leave.md", LEAVE.encode())["outcome"] == "unchanged"
    assert upload(ada, "handbook", "leave.md", LEAVE.replace("27 days", "31 days").encode())["outcome"] == "changed"
    wait_for(lambda: "31 days" in ask(ben, "How many days of annual leave do full-time employees get?")[-1][1], "the new version")
    assert "27 days" not in ask(ben, "How many days of annual leave do full-time employees get?")[-1][1]
    assert installation.manage_json("verify_index") == {"findings": [], "left": []}


def test_it_says_when_the_documents_do_not_answer(ada: httpx.Client, ben: httpx.Client) -> None:
    done = ask(ben, "What is the boiling point of mercury?")[-1][1]
    assert "No answer was found" in done


def test_it_never_answers_from_a_deleted_document(installation: Installation, ada: httpx.Client, ben: httpx.Client) -> None:
    secret = b"# Canteen\n\nThe canteen opens at 11:45 and closes at 14:10 on weekdays."
    assert upload(ada, "handbook", "canteen.md", secret)["outcome"] == "added"
    wait_for(lambda: "11:45" in ask(ben, "When does the canteen open?")[-1][1], "the canteen's document")
    row = re.search(r"/manage/documents/(\d+)/delete", states(ada, "handbook")[states(ada, "handbook").index("canteen.md") :])
    assert row
    ada.post(f"/manage/documents/{row[1]}/delete")
    assert "11:45" not in ask(ben, "When does the canteen open?")[-1][1]
    wait_for(lambda: installation.manage_json("verify_index")["left"] == [], "the index to follow", 20)


def test_it_keeps_its_files_to_itself(installation: Installation) -> None:
    """Everything is written under the data folder, readable by its owner alone."""
    assert Path(installation.data / "uploads").stat().st_mode & 0o077 == 0
    for path in (installation.data / "uploads").rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
