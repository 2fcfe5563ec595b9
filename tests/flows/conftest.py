from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.flows.installation import Installation
from tests.people import DISCOUNTS, LEAVE


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from tests.flows.test_browser import QUIET

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation for the tests of programs: the Handbook for everyone, Sales for Ben; Cy is in Engineering."""
    made = Installation().prepare()
    folder = tmp_path_factory.mktemp("documents")
    for corpus, name, text in (("Handbook", "leave.md", LEAVE), ("Sales", "discounts.md", DISCOUNTS)):
        (folder / corpus).mkdir()
        (folder / corpus / name).write_text(text)
    made.create_people(
        {"ada": ["--admin"], "ben": ["--groups", "Sales"], "cy": ["--groups", "Engineering"]},
        ["import_folder", str(folder / "Handbook"), "--corpus", "Handbook"],
        ["import_folder", str(folder / "Sales"), "--corpus", "Sales", "--groups", "Sales"],
    )
    made.start()
    yield made
    made.stop()


def secret_for(installation: Installation, username: str, scopes: str = "ask,search,read") -> str:
    """A new token of this person."""
    return str(installation.manage_json("create_token", username, "--name", "tests", "--scopes", scopes)["token"])
