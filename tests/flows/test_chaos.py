"""kill -9 in the middle of an ingestion: afterwards every document is ready or failed, none twice, none lost."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.installation import Installation, wait_for

DOCUMENTS = 60
KILLS = 4


@pytest.fixture
def installation() -> Iterator[Installation]:
    made = Installation().prepare()
    yield made
    made.stop()


def _rows(installation: Installation, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{installation.data}/intramural.sqlite3?mode=ro", uri=True, timeout=20) as connection:
        return connection.execute(sql).fetchall()


def _write_documents(folder: Path) -> None:
    folder.mkdir()
    for number in range(DOCUMENTS):
        sections = "\n\n".join(
            f"## Section {part}\n\n" + f"Rule {number}.{part} allows {number + part} visits to site {number}. " * 12
            for part in range(6)
        )
        (folder / f"rules-{number:03}.md").write_text(f"# Rules {number}\n\n{sections}\n")
    (folder / "broken.docx").write_bytes(b"PK\x03\x04 not a document")
    (folder / "empty.txt").write_bytes(b"")


@pytest.mark.slow
def test_it_loses_and_doubles_nothing_when_it_is_killed(installation: Installation, tmp_path: Path) -> None:
    _write_documents(tmp_path / "documents")
    importing = ["import_folder", str(tmp_path / "documents"), "--corpus", "Rules", "--queue-only"]
    installation.create_people({"ada": ["--admin"]}, importing)
    open_count = "SELECT COUNT(*) FROM ingestion_document WHERE state NOT IN ('ready', 'failed')"
    random_ = random.Random(4)
    killed_in_the_middle = 0
    for _ in range(KILLS):
        installation.start()
        before = int(str(_rows(installation, open_count)[0][0]))
        if before:
            target = max(0, before - random_.randint(1, 14))
            wait_for(lambda: int(str(_rows(installation, open_count)[0][0])) <= target, "some progress", 120)  # noqa: B023
        installation.kill()
        killed_in_the_middle += int(str(_rows(installation, open_count)[0][0])) > 0
    assert killed_in_the_middle >= 2, "the kills came too late to prove anything"

    installation.start()
    wait_for(lambda: _rows(installation, open_count)[0][0] == 0, "every document to end", 180)
    states = Counter(row[0] for row in _rows(installation, "SELECT state FROM ingestion_document"))
    assert states == {"ready": DOCUMENTS, "failed": 2}
    doubled = "SELECT document_id, position, COUNT(*) FROM ingestion_chunk GROUP BY 1, 2 HAVING COUNT(*) > 1"
    assert _rows(installation, doubled) == []
    installation.stop()
    assert installation.manage_json("verify_index", "--repair")["left"] == []
    hits = installation.manage_json("search", "visits to site 17", "--as", "ada", "--top-k", "5")
    assert hits
    assert hits[0]["document"] == "rules-017.md"
