from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.installation import Installation
from tests.people import DISCOUNTS, LEAVE


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation for the tests of programs: the Handbook for everyone, Sales for Ben; Cy is in Engineering."""
    made = Installation().prepare()
    made.create_person("ada", "--admin")
    folder = tmp_path_factory.mktemp("documents")
    for corpus, name, text in (("Handbook", "leave.md", LEAVE), ("Sales", "discounts.md", DISCOUNTS)):
        (folder / corpus).mkdir()
        (folder / corpus / name).write_text(text)
        groups = ["--groups", "Sales"] if corpus == "Sales" else []
        made.manage("import_folder", str(folder / corpus), "--corpus", corpus, *groups)
    made.create_person("ben", "--groups", "Sales")
    made.create_person("cy", "--groups", "Engineering")
    made.start()
    yield made
    made.stop()


def secret_for(installation: Installation, username: str, scopes: str = "ask,search,read") -> str:
    """A new token of this person."""
    return str(installation.manage_json("create_token", username, "--name", "tests", "--scopes", scopes)["token"])
