"""Golden questions as people use them: typed in and run in a browser, two runs compared; and a run that kill -9 cannot lose."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.flows.installation import Installation, wait_for
from tests.people import LEAVE

pytestmark = pytest.mark.slow

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
WAIT_MS = 90_000
expect.set_options(timeout=WAIT_MS)
LEAVE_QUESTION = "How many days of annual leave do employees get?"
PARENTAL_QUESTION = "How many weeks does parental leave last?"
QUESTIONS = 40


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(environment={"GOLDEN_AUTOMATIC": "0"}).prepare()
    made.environment["ADA"] = made.create_people({"ada": ["--admin"]}, importing(tmp_path, LEAVE))["ada"]
    made.start()
    yield made
    made.stop()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield launched
        launched.close()


def importing(folder: Path, text: str) -> list[str]:
    """The command that brings the Handbook's leave to this text."""
    documents = folder / "documents"
    documents.mkdir(exist_ok=True)
    (documents / "leave.md").write_text(text)
    return ["import_folder", str(documents), "--corpus", "Handbook"]


def sign_in(browser: Browser, installation: Installation, **options: object) -> Page:
    page = browser.new_context(base_url=installation.url, **options).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(WAIT_MS)
    page.goto("/")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password", exact=True).fill(installation.environment["ADA"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).not_to_have_url(re.compile("sign-in"))
    return page


def type_in(page: Page, question: str, must_contain: str = "") -> None:
    page.get_by_role("link", name="Add a question").first.click()
    page.get_by_label("Question", exact=True).fill(question)
    if must_contain:
        page.get_by_label("The answer must contain").fill(must_contain)
    else:
        page.get_by_label("A refusal: the documents do not say").check()
    page.get_by_role("button", name="Add the question").click()
    expect(page.locator("td.question").filter(has_text=question)).to_be_visible()


def run_now(page: Page) -> None:
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#run .tiles")).to_be_visible(timeout=WAIT_MS)  # the page asks for itself until the run has ended


def test_it_is_typed_in_run_and_compared_in_a_browser(installation: Installation, browser: Browser, tmp_path: Path) -> None:
    page = sign_in(browser, installation, java_script_enabled=True)
    page.goto("/manage/corpora/handbook/")
    page.get_by_role("link", name="Golden questions").click()
    type_in(page, LEAVE_QUESTION, "27 days")
    type_in(page, PARENTAL_QUESTION, "20 weeks")
    type_in(page, "What is the boiling point of mercury?")
    run_now(page)
    expect(page.locator("#run")).to_contain_text("2 of 3 right (67%)")
    expect(page.get_by_role("row").filter(has_text=PARENTAL_QUESTION)).to_contain_text("Wrong")

    installation.manage(*importing(tmp_path, LEAVE.replace("27 days", "30 days").replace("18 weeks", "20 weeks")))
    page.goto("/manage/corpora/handbook/golden/")
    run_now(page)
    page.get_by_role("link", name="Compare with the run before").click()
    expect(page.get_by_role("row").filter(has_text=LEAVE_QUESTION)).to_contain_text("Newly wrong")
    expect(page.get_by_role("row").filter(has_text=PARENTAL_QUESTION)).to_contain_text("Newly right")
    page.get_by_role("link", name="Newly wrong").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("does not say “27 days”")

    page.goto("/manage/corpora/handbook/golden/")
    expect(page.locator(".history circle")).to_have_count(2)
    page.goto("/manage/quality/")
    expect(page.get_by_role("row").filter(has_text="Handbook")).to_contain_text("Not passed")
    page.context.close()


def test_it_goes_on_with_a_run_after_kill_9(installation: Installation, tmp_path: Path) -> None:
    lines = [
        {"question": f"How many days of annual leave in year {year}?", "must_contain": ["27 days"]} for year in range(QUESTIONS)
    ]
    content = "\n".join(json.dumps(line) for line in lines)
    base = "/manage/corpora/handbook/golden/"
    with closing(installation.client("ada", installation.environment["ADA"])) as client:
        assert client.post(base + "import", files={"file": ("golden.jsonl", content)}).status_code == 200
        assert client.post(base + "run").status_code == 200
    wait_for(lambda: _done(installation) >= 3, "some questions to be asked", 120)
    installation.kill()
    asked = _done(installation)
    assert asked < QUESTIONS, "the kill came too late to prove anything"

    installation.start()
    wait_for(lambda: _row(installation, "SELECT state FROM assistant_goldenrun")[0] == "finished", "the run to end", 180)
    assert _row(installation, "SELECT done, total FROM assistant_goldenrun") == (QUESTIONS, QUESTIONS)
    assert _row(installation, "SELECT COUNT(*), SUM(outcome <> '') FROM assistant_goldenresult") == (QUESTIONS, QUESTIONS)
    right = _row(installation, "SELECT SUM(is_correct) FROM assistant_goldenresult")[0]
    assert _row(installation, "SELECT correct FROM assistant_goldenrun")[0] == right


def _row(installation: Installation, sql: str) -> tuple[object, ...]:
    with sqlite3.connect(f"file:{installation.data}/intramural.sqlite3?mode=ro", uri=True, timeout=20) as connection:
        row: tuple[object, ...] = connection.execute(sql).fetchone()
        return row


def _done(installation: Installation) -> int:
    return int(str(_row(installation, "SELECT done FROM assistant_goldenrun")[0]))
