"""What the router changes for people, on a real server with the router that is shipped: small talk, a wish for a person, and a
message that is not a matter for documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.flows.installation import Installation
from tests.flows.test_browser import Visit
from tests.people import LEAVE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    made = Installation().prepare()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def passwords(installation: Installation, tmp_path_factory: Any) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("handbook")
    (folder / "leave.md").write_text(LEAVE)
    made = installation.create_people(
        {"ada": ["--admin"], "ben": []}, ["import_folder", str(folder), "--corpus", "Handbook", "--owner", "ada"]
    )
    installation.start()
    return made


def test_it_answers_small_talk_shortly_and_the_question_after_it_from_the_documents(
    installation: Installation, passwords: dict[str, str], browser: Browser
) -> None:  # fmt: skip
    visit = Visit(browser, installation)
    visit.sign_in("ben", passwords["ben"])
    hello = visit.ask("Hello!")
    expect(hello).to_contain_text("Ask a question")
    expect(hello.locator("a.cite")).to_have_count(0)
    expect(hello.locator(".steps")).to_have_count(0)
    expect(hello.locator(".unsup")).to_have_count(0)
    asked = visit.ask("How many days of annual leave do employees get?")
    expect(asked.locator("a.cite").first).to_be_visible()
    asked.locator(".steps summary").click()
    expect(asked.locator(".steps")).to_contain_text("Why this way")
    visit.close()


def test_it_hands_on_who_says_what_a_person_is_wanted_for_and_only_offers_it_to_others(
    installation: Installation, passwords: dict[str, str], browser: Browser
) -> None:  # fmt: skip
    visit = Visit(browser, installation)
    ben = visit.sign_in("ben", passwords["ben"])
    wanted = visit.ask("I want to talk to a person, please.")
    expect(wanted).to_contain_text("Nobody has been told yet.")
    wanted.get_by_label("What is it about?").fill("My badge opens no door.")
    wanted.get_by_role("button", name="Send", exact=True).click()
    expect(wanted).to_contain_text("A person will answer this.")
    expect(wanted).to_contain_text("You asked")

    delicate = visit.ask("My manager touches me and I do not know what to do.")
    expect(delicate).to_contain_text("nobody has been told")
    expect(delicate.get_by_role("link", name="Ask a person")).to_be_visible()
    delicate.get_by_role("button", name="Search the documents anyway").click()
    expect(ben.locator("article.a:not([aria-busy])")).to_have_count(3)
    expect(ben.locator("article.a").nth(2).locator(".steps")).to_contain_text("Searched 1 corpus")
    visit.close()

    owner = Visit(browser, installation)
    ada = owner.sign_in("ada", passwords["ada"])
    ada.goto(f"{installation.url}/inbox/")
    ada.get_by_role("link", name="My badge opens no door.").click()
    expect(ada.locator(".letter-columns")).to_contain_text("The asker wished for a person.")
    expect(ada.locator(".letter-context")).to_contain_text("Nothing was searched: the question went to a person at once.")
    owner.close()
