"""What the browser tests of specialists share: the rows of a data set as its page shows them, questions that are asked until the
language model writes, and a tiny model that is trained on the demo's documents."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Page, expect

from tests.flows.installation import Installation, wait_for
from tests.tiny_language_model import make_pupil

if TYPE_CHECKING:
    from tests.flows.test_browser import Visit

RUNBOOKS, SLUG, CORPUS = "Runbooks", "runbooks", "engineering"
ADMINISTRATOR, ENGINEER = "rui.fonseca", "lien.dewaele"  # of the demo, both in the group that reads the corpus
FORMS = """What do I need to know about What does “ Is there a rule about What applies to Can you tell me about How do I say about
What is there to know about in “ say under “ ” for “ In “ ”, what stands under “"""  # of questions
TEXTS = f"""
import json
from ingestion.models import DocumentText
print(json.dumps(list(DocumentText.objects.filter(document__corpus__slug="{CORPUS}").values_list("text", flat=True))))
"""
POSITIONS = 655  # room for the best passage, and no other
QUICK = shlex.split("--epochs 30 --batch 64 --learning-rate 0.01 --r 32 --lora-alpha 64 --dropout 0 --window 399")
WRITE_S = 300


@dataclass(frozen=True, slots=True)
class TrainedRow:
    """`about`: how the row was made, in words; `gold`: the title of the passage that answers, empty where none does."""

    question: str
    answer: str
    document: str
    about: str
    gold: str


def trained_rows(page: Page, specialist: str) -> list[TrainedRow]:
    """Those of its first data set, page by page."""
    page.goto(f"/manage/specialists/{specialist}/data-sets/1/?show=kept")
    found = []
    while True:
        found += [_row(item) for item in page.locator(".rows > li").all()]
        following = page.get_by_role("link", name="Next ›")
        if not following.count():
            return found
        page.goto(page.url.partition("?")[0] + str(following.get_attribute("href")))


def _row(item: Any) -> TrainedRow:
    question, answer, document, about = (
        item.locator(part).first.inner_text() for part in (".row-head b", "p", "small a", "small")
    )
    gold = item.locator(".passage.gold b")
    return TrainedRow(question, answer, document, about, str(gold.text_content()) if gold.count() else "")


def ask_anew(window: Visit, question: str, corpus: str = "") -> Any:
    """In a conversation of its own; of one corpus, if it is named."""
    window.page.goto(f"/?corpus={corpus}" if corpus else "/")
    return window.ask(question)


def ask_until_written(window: Visit, question: str, corpus: str = "") -> Any:
    """The reader answers until the language model is loaded."""

    def written() -> Any:
        answer = ask_anew(window, question, corpus)
        return answer if "Written by a language model" in answer.inner_text() else None

    return wait_for(written, "an answer by the language model", WRITE_S)


def writer_of(answer: Any) -> str:
    answer.locator("details.steps summary").click()
    return str(answer.locator("details.steps dl").inner_text())


def put_into_use(page: Page, specialist: str, number: int, reason: str = "To see it answer.") -> None:
    """Against the verdict of the gate, if need be; nothing where it is in use."""
    page.goto(f"/manage/specialists/{specialist}/versions/{number}/")
    expect(page.get_by_role("heading", name="Judgement")).to_be_visible()
    if page.locator("h1 .tag").inner_text() == "In use":
        return
    why = page.get_by_label("Why", exact=True)
    if why.is_visible():  # so small a model may not be better beyond chance
        why.fill(reason)
    page.get_by_role("button", name="Put into use", exact=True).click()
    expect(page.get_by_text(f"Version {number} is in use.")).to_be_visible()


# --- The demo's runbooks ----------------------------------------------------------------------------------------------


def load_demo_with_specialist(folder: Path) -> tuple[Installation, dict[str, str]]:
    """An installation with the demo whose language model is in the folder, and passwords. A first version of a specialist of the
    corpus Engineering is trained and judged."""
    installation = Installation({"OMP_NUM_THREADS": "1"}).prepare()
    passwords = json.loads(installation.manage("load_demo", "--json").splitlines()[-1])["passwords"]
    texts = json.loads(installation.manage("shell", "-v", "0", "-c", TEXTS))
    words = [f" {word}" for word in re.split(r"[\s,|]+", " ".join([FORMS, *texts])) if word]
    make_pupil(folder, words * 3, positions=POSITIONS)  # to whom each of these words is a token
    installation.environment["LANGUAGE_MODEL_FOLDER"] = str(folder)
    installation.manage_all(["finetune_specialist", RUNBOOKS, "--as", ADMINISTRATOR, "--corpus", CORPUS, *QUICK])
    return installation, passwords


def begin_training(page: Page, specialist: str, values: dict[str, str]) -> None:
    """From the page of the first data set, with these values of the form by their labels. It ends on the version's page."""
    page.goto(f"/manage/specialists/{specialist}/data-sets/1/")
    page.get_by_role("link", name="Train on it").click()
    for label, value in values.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page).to_have_url(re.compile(rf"/{specialist}/versions/\d+/$"))
