"""A specialist of the demo's own documents in the browser: a tiny model is trained on a data set of its corpus Engineering and
answers what it was trained on; a training that is watched and stopped; a candidate that the gate refuses, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.flows.installation import Installation, wait_for
from tests.flows.specialists import (
    ADMINISTRATOR,
    CORPUS,
    ENGINEER,
    SLUG,
    TrainedRow,
    ask_until_written,
    begin_training,
    load_demo_with_specialist,
    put_into_use,
    trained_rows,
    writer_of,
)
from tests.flows.test_browser import Visit

pytestmark = pytest.mark.slow

ASKED = 12
PATIENT_MS = 300_000
LONG = {"Epochs": "99", "Rows in a step": "64"}  # 99 steps, a second or more each, after each of which it is told
HARDLY = {"Epochs": "4", "Learning rate": "0.000001"}  # one that changes next to nothing
REASON = "The people on call have read its answers, and want it for the week in which the first version is looked at."


@dataclass
class House:
    """The demo with a first version of a specialist, which is judged and not in use yet."""

    installation: Installation
    passwords: dict[str, str]

    def trainers(self) -> list[int]:
        """The trainer's processes that this installation's worker has started."""
        lines = {pid: Path(f"/proc/{pid}/cmdline") for pid in self.installation.descendants()}
        return [pid for pid, line in lines.items() if line.exists() and b"run_trainer" in line.read_bytes()]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made, passwords = load_demo_with_specialist(tmp_path_factory.mktemp("demo") / "house-tiny")
    made.start()
    yield House(made, passwords)
    made.stop()


@pytest.fixture
def administrator(house: House, browser: Browser) -> Iterator[Visit]:
    window = Visit(browser, house.installation)
    window.sign_in(ADMINISTRATOR, house.passwords[ADMINISTRATOR])
    yield window
    window.close()


def version_url(page: Page) -> str:
    return page.url.partition("?")[0]


def number_of(url: str) -> int:
    return int(url.rstrip("/").rpartition("/")[2])


def row_of(page: Page, number: int) -> Locator:
    """Of a version, in the table of its specialist."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=f"Version {number}", exact=True))


# --- What it was trained on -------------------------------------------------------------------------------------------


def send_the_corpus_to_the_specialist(page: Page) -> None:
    page.goto("/manage/routing/")
    page.locator("#new-rule [name=when]").select_option(label="Engineering")
    page.locator("#new-rule [name=tier]").select_option("specialist")
    page.get_by_role("button", name="Add the rule").click()
    expect(page.locator("table.rules")).to_contain_text("Engineering")


def found_at_once(house: House, rows: list[TrainedRow]) -> list[TrainedRow]:
    """Those whose own passage comes first in a search, as the model's small window shows no other. Of a table it shows the first
    lines alone, and a row with a changed fact says what no document does."""
    asked = [row for row in rows if row.gold and "|" not in row.answer and "changed fact" not in row.about]
    options = ["--as", ENGINEER, "--corpus", CORPUS, "--top-k", "1", "--json"]
    found = map(json.loads, house.installation.manage_all(*(["search", row.question, *options] for row in asked)))
    return [row for row, (best,) in zip(asked, found, strict=True) if row.gold.endswith(best["heading_path"][-1])]


def test_a_model_trained_on_the_demo_answers_its_training_questions_from_their_own_passages(
    house: House, administrator: Visit, browser: Browser
) -> None:
    page = administrator.page
    send_the_corpus_to_the_specialist(page)
    asked = found_at_once(house, trained_rows(page, SLUG))[:ASKED]
    assert len(asked) == ASKED
    put_into_use(page, SLUG, 1)

    engineer = Visit(browser, house.installation, viewport={"width": 1440, "height": 900})
    engineer.sign_in(ENGINEER, house.passwords[ENGINEER])
    for row in asked:
        answer = ask_until_written(engineer, row.question, CORPUS)
        words = re.sub(r"^\d+\. ", "", row.answer)  # the page numbers the items of a list itself
        assert " ".join(answer.locator(".prose .s").all_inner_texts()) == words
        assert f"house-tiny + {SLUG}-v1" in writer_of(answer)
        assert set(answer.locator(".prose a.cite").all_inner_texts()) == {"1"}
        answer.locator(".prose a.cite").first.click()
        expect(engineer.page.locator("#document-title")).to_have_text(row.document)
        expect(engineer.page.locator("#panel mark").first).to_contain_text(words)
    engineer.close()


# --- A training in progress -------------------------------------------------------------------------------------------


def test_a_training_is_watched_and_cancelled(house: House, administrator: Visit) -> None:
    page = administrator.page
    begin_training(page, SLUG, LONG)
    url = version_url(page)
    page.evaluate("document.body.dataset.same = 'page'")
    said, bar, curve = page.locator(".progress p"), page.locator("progress.meter"), page.locator(".losses polyline.training")
    expect(said).to_have_text(re.compile(r"^Step \d+ of 99, about .+ left; \d+ tokens a second\.$"), timeout=PATIENT_MS)
    expect(curve).to_have_count(1)
    expect(page.locator(".losses figcaption")).to_have_text(re.compile(r"rows trained on, \d+\.\d\d\b"))
    stop = page.get_by_role("button", name="Stop", exact=True)
    stop.focus()
    was = said.inner_text(), bar.get_attribute("value"), curve.get_attribute("points")
    expect(said).not_to_have_text(was[0])
    expect(bar).not_to_have_attribute("value", str(was[1]))
    expect(curve).not_to_have_attribute("points", str(was[2]))
    assert page.evaluate("document.body.dataset.same") == "page", "it was loaded anew"
    expect(stop).to_be_focused()

    watch_beside_a_choice(page, number_of(url))

    assert house.trainers()
    page.goto(url)
    stop.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The training is stopped. It can be started again where it was.")).to_be_visible()
    expect(page.locator("h1 .tag")).to_have_text("Stopped")
    expect(page.get_by_role("button", name="Start again where it was")).to_be_visible()
    expect(bar).to_have_count(0)
    wait_for(lambda: not house.trainers(), "the trainer's end")
    page.reload()
    expect(page.locator("h1 .tag")).to_have_text("Stopped")


def watch_beside_a_choice(page: Page, number: int) -> None:
    """The specialist's page shows how far it is, and leaves what one is about to choose below."""
    page.goto(f"/manage/specialists/{SLUG}/")
    far = row_of(page, number).locator("small").first
    expect(far).to_have_text(re.compile(r"^\d+ of \d+, about .+ left$"))
    page.get_by_label("Recipe").select_option(label="Policies")
    page.get_by_text("What the recipes are for").click()
    expect(far).not_to_have_text(far.inner_text())
    expect(page.get_by_label("Recipe")).to_have_value("policies")
    expect(page.locator("details.recipes dl")).to_be_visible()


# --- A candidate that the gate refuses --------------------------------------------------------------------------------


def test_a_refused_candidate_is_read_overruled_with_a_reason_and_rolled_back(house: House, administrator: Visit) -> None:
    page = administrator.page
    put_into_use(page, SLUG, 1)
    begin_training(page, SLUG, HARDLY)
    url = version_url(page)
    number = number_of(url)

    expect(page.get_by_role("heading", name="Judgement")).to_be_visible(timeout=PATIENT_MS)
    expect(page.locator("h1 .tag")).to_have_text("Candidate")
    verdict = page.locator("section[aria-labelledby=judged-title] .note.bad")
    expect(verdict).to_have_text(re.compile(r"^Its answers are not better beyond chance: .+ points \(.+ to .+\) on \d+ rows\.$"))
    expect(page.get_by_role("columnheader", name="Version 1")).to_be_visible()
    expect(page.locator(".losses polyline.training")).to_have_count(1)
    expect(page.locator(".losses polyline.held-out")).to_have_count(1)
    expect(page.get_by_role("button", name="Put into use", exact=True)).to_have_count(1)  # below what speaks against it

    read_side_by_side(page, number)

    page.goto(url)
    page.get_by_role("button", name="Put into use", exact=True).click()
    expect(page.get_by_label("Why", exact=True)).to_be_focused()  # the browser asks for the reason
    expect(page.locator("h1 .tag")).to_have_text("Candidate")
    page.get_by_label("Why", exact=True).fill(REASON)
    page.get_by_role("button", name="Put into use", exact=True).click()
    expect(page.locator("h1 .tag")).to_have_text("In use")
    done = page.locator("ul.changes li").first
    expect(done).to_contain_text(f"Put into use against the verdict by Rui Fonseca – “{REASON}”")

    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("Version 1 is in use again.")).to_be_visible()
    expect(row_of(page, 1)).to_contain_text("In use")
    expect(row_of(page, number)).to_contain_text("Retired")
    changes = page.locator("ul.changes li")
    expect(changes.nth(0)).to_contain_text("Version 1: rolled back to by Rui Fonseca")
    expect(changes.filter(has_text=REASON)).to_have_count(1)


def read_side_by_side(page: Page, number: int) -> None:
    page.get_by_role("link", name="Read the answers side by side").click()
    pairs = page.locator(".pair")
    all_of_them: Any = page.locator("nav.stages a", has_text="All").locator("b").inner_text()
    expect(pairs).to_have_count(min(int(all_of_them), 20))
    first = pairs.first
    expect(first.locator("> div")).to_have_count(2)
    expect(first.locator("> div b")).to_have_text(
        [re.compile(r"^Version 1 · \d+ %$"), re.compile(rf"^Version {number} · \d+ %$")]
    )
    expect(first.locator(".right")).to_contain_text("Right answer")
    page.get_by_role("link", name=re.compile("^Worse")).click()
    expect(page.locator("nav.stages a[aria-current]")).to_contain_text("Worse")
