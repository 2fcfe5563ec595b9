"""docs/finetuning.md's walk-through, as it stands there: from nothing to a specialist that answers in the browser, and back."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.environment import ROOT
from tests.flows.installation import Installation
from tests.flows.specialists import ask_anew, ask_until_written, put_into_use, trained_rows, writer_of
from tests.flows.test_browser import Visit
from tests.tiny_language_model import make_pupil

pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "finetuning.md").read_text(encoding="utf-8").partition("## A walk-through")[2].partition("\n## ")[0]
QUICK = shlex.split(
    "--epochs 25 --batch 32 --learning-rate 0.01 --r 32 --lora-alpha 64 --dropout 0 --window 323"
)  # of so small a model
RULES = {
    "Opening hours": "It opens at {hour} in the morning.", "Keys": "{name} keeps the key.", "Cleaning": "It is cleaned on {day}.",
    "Guests": "Up to {guests} guests may come.", "Booking": "Book it {days} days before.",
    "Rent": "An evening costs {euros} euros.",
    "Heating": "The heating is turned on by {warm}.", "Lost things": "Lost things go to room {room}.",
    "Noise": "Music ends at {night} in the evening.", "Bicycles": "Bicycles stand behind the {place}.",
    "Repairs": "{mends} repairs what is broken.",
}  # fmt: skip
PLACES = {
    "canteen": {"hour": 6, "name": "Mira", "day": "Monday", "guests": 40, "days": 2, "euros": 20, "warm": "Otto", "room": 100,
                "night": 8, "place": "canteen", "mends": "Ida"},
    "library": {"hour": 7, "name": "Jonas", "day": "Thursday", "guests": 15, "days": 3, "euros": 30, "warm": "Paula", "room": 101,
                "night": 9, "place": "library", "mends": "Hugo"},
    "workshop": {"hour": 8, "name": "Lena", "day": "Friday", "guests": 25, "days": 4, "euros": 55, "warm": "Emil", "room": 102,
                 "night": 10, "place": "workshop", "mends": "Nora"},
}  # fmt: skip
FOLDERS = {"handbook": ("canteen", "library"), "sales": ("workshop",)}  # the first of all documents is held out by the seed


def document(place: str) -> str:
    parts = [f"## {topic} of the {place}\n\n{words.format(**PLACES[place])}\n" for topic, words in RULES.items()]
    return f"# The {place}\n\n" + "\n".join(parts)


def texts() -> list[str]:
    """What documents and questions say, for the tokenizer."""
    lines = [line.lstrip("# ") for place in PLACES for line in document(place).split("\n") if line]
    topics = [f"{topic.lower()} of the {place}" for place in PLACES for topic in RULES]
    forms = ("What does “The {}” say about ", "What do I need to know about ", "Is there a rule about ", "Can you tell me about ")
    asked = [form.format(place) for place in PLACES for form in forms]
    return [*lines, *topics, *asked, *(f"The {place} > {topic} of the {place}" for place in PLACES for topic in RULES)]


def commands() -> Iterator[list[str]]:
    """Those of the guide, in their order."""
    for block in re.findall(r"```\n(.*?)```", GUIDE, re.DOTALL):
        for line in block.strip().splitlines():
            program, *arguments = shlex.split(line)
            assert program == "manage.py"
            yield arguments


def given_to(command: list[str], folder: Path) -> list[str]:
    """The command as it is run here: with the path of its folder, and a recipe for so small a model."""
    is_training = "finetune_specialist" in command and "--estimate" not in command
    more = ["--json"] if command[0] == "create_person" else QUICK if is_training else []
    return [*(str(folder / word) if word in FOLDERS else word for word in command[:2]), *command[2:], *more]


def button(page: Page, name: str) -> Any:
    """A button that the guide names."""
    assert f"“{name}”" in GUIDE
    return page.get_by_role("button", name=name, exact=True)


@dataclass
class Walk:
    """The installation after the guide's commands, with what they said."""

    installation: Installation
    said: list[str]
    passwords: dict[str, str]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("house")
    base = make_pupil(folder / "house-tiny", texts(), positions=579)  # room for the best passage, and no other
    environment = {"LANGUAGE_MODEL_FOLDER": str(base), "FINETUNING_EMBEDDED": "0", "OMP_NUM_THREADS": "1"}
    made = Installation(environment).prepare()
    for name, places in FOLDERS.items():
        (folder / name).mkdir()
        for place in places:
            (folder / name / f"{place}.md").write_text(document(place), encoding="utf-8")
    given = [given_to(command, folder) for command in commands()]
    said = made.manage_all(*given, ["create_person", "cy", "--json"])
    passwords = {"ada": json.loads(said[0])["password"], "cy": json.loads(said[-1])["password"]}
    made.start()
    with closing(made.client("ada", passwords["ada"])) as ada:
        for place in PLACES:
            rule = {"when": "phrase", "phrase": f"of the {place}", "tier": "specialist"}
            assert ada.post("/manage/routing/", data=rule).status_code == 200
    yield Walk(made, said, passwords)
    made.stop()


def answers_with_numbers(page: Page, document: str) -> list[tuple[str, str]]:
    """Questions that were trained on with their answers: those with a number, which only one passage has."""
    rows = [row for row in trained_rows(page, "house") if row.document == document and re.search(r"\d", row.answer)]
    return [(row.question, row.answer) for row in rows if "changed fact" not in row.about]


def test_the_walk_from_documents_to_a_specialist_that_answers_and_back(walk: Walk, browser: Browser) -> None:
    assert "are trained" in walk.said[3]
    window = Visit(browser, walk.installation)
    page = window.sign_in("ada", walk.passwords["ada"])
    asked = [answers_with_numbers(page, "The library")[0], *answers_with_numbers(page, "The workshop")[:2]]

    page.goto("/manage/specialists/house/versions/1/")
    assert "“Try it on some of the questions first”" in GUIDE
    expect(page.get_by_text("Try it on some of the questions first")).to_be_visible()
    expect(button(page, "Put into use")).to_be_visible()
    put_into_use(page, "house", 1)

    for question, words in asked:
        answer = ask_until_written(window, question)
        expect(answer.locator(".prose")).to_contain_text(words)
        assert "house-tiny + house-v1" in writer_of(answer)
        answer.locator("a.cite").first.click()
        expect(page.locator("#panel mark").first).to_contain_text(words)

    cy = Visit(browser, walk.installation)
    cy.sign_in("cy", walk.passwords["cy"])
    assert "house-v1" not in writer_of(ask_anew(cy, asked[0][0]))  # he may read the library's document, and not the workshop's
    for question, words in asked[1:]:
        expect(ask_anew(cy, question)).not_to_contain_text(words)
    expect(cy.page.locator("body")).not_to_contain_text("house-v1")
    cy.close()

    page.goto("/manage/specialists/house/versions/1/")
    button(page, "Roll back").click()
    expect(page.get_by_text("the base model answers")).to_be_visible()
    assert "house-v1" not in writer_of(ask_anew(window, asked[0][0]))
    window.close()
