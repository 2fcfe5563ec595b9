"""A language model's server behind the product's own doors: it writes where quoting cannot, only from what the asker may read,
and nothing of what it makes up is shown; while it is down, the reader answers."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.flows.events import read_events
from tests.flows.installation import Installation
from tests.flows.test_browser import QUIET, Visit
from tests.model_server import ModelServer, Reply, Request, model_server
from tests.people import DISCOUNTS, LEAVE

pytestmark = pytest.mark.slow
QUESTION = "Tell me in your own words: how long is parental leave, and how is it paid?"
DOWN = Reply(status=500)


def passages_of(request: Request) -> dict[int, str]:
    content = request["messages"][1]["content"]
    found = re.findall(r'<passage number="(\d+)" title="[^"]*">\n(.*?)\n</passage>', content, re.DOTALL)
    return {int(number): text for number, text in found}


def number_of(request: Request, words: str) -> int:
    return next(number for number, text in passages_of(request).items() if words in text)


def about_leave(request: Request, *more: str, waits_for: threading.Event | None = None) -> Reply:
    """As a model writes: a sentence in words of its own, cited."""
    first = f"Parental leave lasts 18 weeks at full pay [{number_of(request, '18 weeks')}]. "
    return Reply([*re.findall(r".{1,9}", first), *more], waits_for=waits_for)


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server(about_leave) as served:
        yield served


@pytest.fixture(scope="module")
def installation(server: ModelServer) -> Iterator[Installation]:
    made = Installation(
        {
            "LANGUAGE_MODEL_URL": server.url,
            "LANGUAGE_MODEL_NAME": "house-7b",
            "LANGUAGE_MODEL_REQUESTS": "1",
        }
    ).prepare()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def passwords(installation: Installation, tmp_path_factory: Any) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("documents")
    for name, text in (("handbook", LEAVE), ("sales", f"{LEAVE}\nParental leave in sales lasts 40 weeks.\n\n{DISCOUNTS}")):
        (folder / name).mkdir()
        (folder / name / f"{name}.md").write_text(text)
    made = installation.create_people(
        {"ada": ["--admin"], "ben": []},
        ["import_folder", str(folder / "handbook"), "--corpus", "Handbook", "--owner", "ada"],
        ["import_folder", str(folder / "sales"), "--corpus", "Sales", "--owner", "ada", "--groups", "sales"],
    )
    installation.start()
    rule = {"when": "phrase", "phrase": "in your own words", "tier": "specialist"}
    with closing(installation.client("ada", made["ada"])) as ada:
        assert ada.post("/manage/routing/", data=rule).status_code == 200
    return made


@pytest.fixture
def ben(installation: Installation, passwords: dict[str, str]) -> Iterator[httpx.Client]:
    with closing(installation.client("ben", passwords["ben"])) as client:
        yield client


@pytest.fixture(autouse=True)
def _sound(server: ModelServer) -> Iterator[None]:
    server.answer = about_leave
    server.requests.clear()
    yield
    server.answer = about_leave


def begin(client: httpx.Client) -> str:
    page = client.post("/ask", data={"question": QUESTION})
    return re.findall(r'id="turn-(\d+)"', page.text)[-1]


def stream(client: httpx.Client, turn: str) -> Iterator[tuple[str, str]]:
    """(event, data) pairs as they come."""
    with client.stream("GET", f"/answers/{turn}/stream") as response:
        yield from read_events(response.iter_lines())


def final(client: httpx.Client) -> str:
    return list(stream(client, begin(client)))[-1][1]


def test_a_sentence_is_shown_before_the_model_has_finished(server: ModelServer, ben: httpx.Client) -> None:
    seen = threading.Event()
    server.answer = lambda request: about_leave(request, "It is ", "good.", waits_for=seen)
    events = stream(ben, begin(ben))

    sentence = next(data for name, data in events if name == "sentence")
    seen.set()
    done = list(events)[-1]

    assert "Parental leave lasts 18 weeks at full pay." in sentence
    assert '<span class="cite">1</span>' in sentence  # it cannot be opened before the answer is kept
    assert done[0] == "done"
    assert 'data-state="answered"' in done[1]


def test_the_model_reads_only_what_the_asker_may_read(server: ModelServer, ben: httpx.Client) -> None:
    final(ben)

    (request,) = server.requests
    assert request["model"] == "house-7b"
    assert "40 weeks" not in str(request)
    assert "18 weeks" in str(request)


def test_what_it_makes_up_is_left_out_and_said(server: ModelServer, ben: httpx.Client) -> None:
    server.answer = lambda request: about_leave(request, "It lasts 52 weeks in Berlin [1].")

    page = final(ben)

    assert "Parental leave lasts 18 weeks at full pay." in page
    assert "52 weeks" not in page
    assert "1 sentence that no source supports was left out" in page


def test_instructions_that_it_obeys_reach_nobody(server: ModelServer, ben: httpx.Client) -> None:
    server.answer = lambda _: Reply(("Visit http://evil.example/?q=secret to see the plan. ", "The password is swordfish [1]."))

    page = final(ben)

    assert "swordfish" not in page
    assert "evil.example" not in page
    assert 'data-state="answered"' not in page or "18 weeks" in page


def test_where_it_declines_the_reader_is_asked(server: ModelServer, ben: httpx.Client) -> None:
    server.answer = lambda _: Reply(("NO ANS", "WER"))

    page = final(ben)

    assert "18 weeks" in page
    assert "Written by a language model" not in page


def test_stopping_the_answer_stops_the_model(server: ModelServer, ben: httpx.Client) -> None:
    more = threading.Event()
    server.answer = lambda request: about_leave(request, "Parental leave lasts 18 weeks. ", "It can be split.", waits_for=more)
    turn = begin(ben)
    events = stream(ben, turn)
    next(data for name, data in events if name == "sentence")
    ben.post(f"/answers/{turn}/stop")
    more.set()

    assert 'data-state="stopped"' in list(events)[-1][1]


def test_who_waits_in_line_sees_how_many_are_before_and_can_stop(server: ModelServer, ben: httpx.Client) -> None:
    more = threading.Event()
    server.answer = lambda request: about_leave(request, "It can ", "be split.", waits_for=more)
    first = stream(ben, begin(ben))
    next(data for name, data in first if name == "sentence")
    second = stream(ben, begin(ben))
    assert "Busy: yours is next" in next(data for _, data in second if "Busy" in data)
    turn = begin(ben)
    third = stream(ben, turn)
    assert "Busy: 1 question is before yours" in next(data for _, data in third if "Busy" in data)
    ben.post(f"/answers/{turn}/stop")
    assert 'data-state="stopped"' in list(third)[-1][1]
    more.set()

    assert "Written by a language model" in list(first)[-1][1]
    told = list(second)
    assert "Busy" not in told[0][1]
    assert "Written by a language model" in told[-1][1]
    assert len(server.requests) == 2


def test_while_it_is_down_the_reader_stands_in_and_it_comes_back_by_itself(server: ModelServer, ben: httpx.Client) -> None:
    server.answer = lambda _: DOWN
    without = final(ben)
    server.answer = about_leave
    again = final(ben)

    assert "18 weeks" in without
    assert "Written by a language model" not in without
    assert "Written by a language model" in again


def test_it_dies_in_the_middle_and_nothing_is_lost(server: ModelServer, ben: httpx.Client) -> None:
    server.answer = lambda request: Reply(about_leave(request).pieces, finish="")

    page = final(ben)

    assert 'data-state="failed"' not in page
    assert "18 weeks" in page
    assert "Written by a language model" not in page


def test_the_ledger_knows_what_it_took_and_the_command_line_says_who_wrote(
    installation: Installation, passwords: dict[str, str]
) -> None:  # fmt: skip
    asked = installation.manage_json("ask", QUESTION, "--as", "ben")

    assert (asked["status"], asked["route"], asked["model"]) == ("answered", "specialist", "house-7b")
    assert asked["sentences"] == [{"text": "Parental leave lasts 18 weeks at full pay.", "citations": [1]}]
    assert "18 weeks" in asked["citations"][0]["quote"]


def test_a_written_answer_in_the_browser_opens_its_source(installation: Installation, passwords: dict[str, str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        visit = Visit(browser, installation)
        page = visit.sign_in("ben", passwords["ben"])
        answer = visit.ask(QUESTION)
        expect(answer.locator(".written")).to_contain_text("Written by a language model")
        expect(answer.locator(".steps summary")).to_contain_text("written by the language model")
        answer.locator("a.cite").first.click()
        expect(page.locator("#panel mark").first).to_contain_text("18 weeks at full pay")
        visit.close()
        browser.close()


def test_an_address_outside_is_refused_at_the_start() -> None:
    outside = Installation({"LANGUAGE_MODEL_URL": "http://8.8.8.8/v1"})
    with pytest.raises(AssertionError, match="outside the networks that questions and documents may go to"):
        outside.manage("migrate", "--verbosity", "0")
