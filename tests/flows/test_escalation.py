"""The whole loop in a real browser: a refusal, a person's reply, and the same question answered from the new document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.flows.installation import Installation
from tests.flows.test_browser import Visit
from tests.people import LEAVE

pytestmark = pytest.mark.slow

QUESTION = "Which gym may employees in Lisbon use?"
REPLY = "Employees in Lisbon may use the Atlas gym in Rua Augusta free of charge."


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    made = Installation().prepare()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def passwords(installation: Installation, tmp_path_factory: Any) -> dict[str, str]:
    """Ada owns the Handbook, which says nothing of gyms; Ben reads it."""
    folder: Path = tmp_path_factory.mktemp("handbook")
    (folder / "leave.md").write_text(LEAVE)
    made = installation.create_people(
        {"ada": ["--admin"], "ben": []}, ["import_folder", str(folder), "--corpus", "Handbook", "--owner", "ada"]
    )
    installation.start()
    return made


def test_it_sends_a_refused_question_to_its_owner_and_learns_the_answer(
    installation: Installation, passwords: dict[str, str], browser: Browser
) -> None:  # fmt: skip
    asker = Visit(browser, installation, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    ben = asker.sign_in("ben", passwords["ben"])
    refusal = asker.ask(QUESTION)
    expect(refusal).to_contain_text("No answer was found")
    refusal.get_by_role("link", name="Ask a person").click()
    expect(ben.get_by_label("What should they know?")).to_be_focused()
    ben.keyboard.type("I start there on Monday.")
    ben.get_by_role("button", name="Send").click()
    expect(refusal).to_contain_text("You asked ada (Handbook)")
    expect(refusal.get_by_role("link", name="Ask a person")).to_have_count(0)
    assert ben.evaluate("document.documentElement.scrollWidth") <= 390

    owner = Visit(browser, installation, color_scheme="dark")
    ada = owner.sign_in("ada", passwords["ada"])
    ada.get_by_role("link", name=re.compile("^Inbox")).click()
    ada.get_by_role("link", name=re.compile(QUESTION.rstrip("?"))).click()
    expect(ada.locator("main")).to_contain_text("I start there on Monday.")
    ada.get_by_label("Your reply to ben").fill(REPLY)
    ada.get_by_role("button", name="Reply", exact=True).click()
    ada.get_by_text("Make it a document", exact=True).click()
    ada.get_by_role("button", name="Make the document").click()
    expect(ada.locator("main")).to_contain_text("It is searched as soon as it is indexed")
    ada.goto("/manage/corpora/handbook/")
    expect(ada.locator("tr", has_text=QUESTION).get_by_text("Ready")).to_be_visible()
    owner.close()

    ben.goto("/")
    ben.get_by_role("link", name="Open the menu").click()
    expect(ben.get_by_label("New reply")).to_be_visible()
    ben.get_by_role("link", name=re.compile(QUESTION.rstrip("?"))).first.click()
    expect(ben.locator(".said.reply")).to_contain_text(REPLY)
    ben.get_by_role("button", name="This helped").click()
    expect(ben.locator(".asked")).to_contain_text("You said that this helped.")
    again = asker.ask(QUESTION)
    expect(again).to_contain_text("Atlas gym")
    again.locator("a.cite").first.click()
    expect(ben.locator("#panel mark").first).to_contain_text("Atlas gym")
    asker.close()
