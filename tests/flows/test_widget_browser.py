"""The widget in a real browser, on pages of another origin: of the same site, where the session comes along, and of another site,
where the page's server vouches for the person."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.flows.installation import Installation
from tests.flows.test_browser import WAIT_MS
from tests.people import DISCOUNTS, LEAVE

pytestmark = pytest.mark.slow

LEAVE_QUESTION = "How many days of annual leave do full-time employees get?"
DISCOUNT_QUESTION = "Who approves a discount above 15 percent?"
CANARY = "regional sales director"


@dataclass
class Intranet:
    """Somebody else's pages, with a strict policy of their own, and the server that vouches for who sees them."""

    port: int
    product: str = ""
    secret: str = ""
    who: str = "ben"
    attributes: str = ""
    vouched: int = 0

    def origin(self, host: str) -> str:
        return f"http://{host}:{self.port}"

    def page(self) -> str:
        script = f'<script src="{self.product}/widget.js" defer {self.attributes}></script>'
        head = f'<meta name="viewport" content="width=device-width"><title>Intranet</title>{script}'
        return f'<!doctype html><html lang="en">{head}<h1>Our intranet</h1><p>News of the day.</p></html>'

    def vouch(self, origin: str) -> bytes:
        self.vouched += 1
        headers = {"Authorization": f"Bearer {self.secret}"}
        body = {"username": self.who, "origin": origin}
        return httpx.post(f"{self.product}/api/widget-tokens", json=body, headers=headers).content


@contextmanager
def serving() -> Iterator[Intranet]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_token = self.path == "/token"
            body = intranet.vouch(f"http://{self.headers['Host']}") if is_token else intranet.page().encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if is_token else "text/html; charset=utf-8")
            policy = f"default-src 'none'; script-src {intranet.product}; frame-src {intranet.product}; connect-src 'self'"
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    intranet = Intranet(server.server_port)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield intranet
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def intranet() -> Iterator[Intranet]:
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def installation(intranet: Intranet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    origins = f"{intranet.origin('127.0.0.1')},{intranet.origin('localhost')}"
    made = Installation({"WIDGET_ORIGINS": origins}).prepare()
    folder = tmp_path_factory.mktemp("documents")
    for corpus, name, text in (("Handbook", "leave.md", LEAVE), ("Sales", "discounts.md", DISCOUNTS)):
        (folder / corpus).mkdir()
        (folder / corpus / name).write_text(text)
    made.create_people(
        {"ada": ["--admin"], "cy": [], "intranet": []},
        ["import_folder", str(folder / "Handbook"), "--corpus", "Handbook"],
        ["import_folder", str(folder / "Sales"), "--corpus", "Sales", "--groups", "Sales"],
    )
    intranet.secret = made.manage_json("create_token", "intranet", "--name", "Intranet", "--scopes", "widget")["token"]
    made.start()
    intranet.product = made.url
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ben(installation: Installation) -> str:
    return installation.create_person("ben", "--groups", "Sales")[1]


@pytest.fixture
def window(browser: Browser, intranet: Intranet) -> Iterator[Any]:
    intranet.attributes, intranet.who = "", "ben"
    contexts = []

    def opened(**options: Any) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: urls.append(request.url))
        return page

    problems: list[str] = []
    urls: list[str] = []
    yield opened
    for context in contexts:
        context.close()
    assert problems == []
    assert not [url for url in urls if "token=" in url or "eyJ" in url], "a token stood in an address"


def sign_in(page: Page, product: str, password: str) -> None:
    page.goto(f"{product}/sign-in/")
    page.get_by_label("User name").fill("ben")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).not_to_have_url(re.compile("sign-in"))


def open_widget(page: Page, label: str = "Ask the documents") -> FrameLocator:
    page.get_by_role("button", name=label).click()
    return page.frame_locator("intramural-widget iframe")


def ask(chat: FrameLocator, question: str) -> Any:
    turns = chat.locator("article.a").count()
    chat.get_by_label("Your question").fill(question)
    chat.get_by_label("Your question").press("Enter")
    expect(chat.locator("article.a:not([aria-busy])")).to_have_count(turns + 1)
    return chat.locator("article.a").last


def test_a_person_asks_on_a_page_of_the_same_site_with_their_session(
    window: Any, intranet: Intranet, installation: Installation, ben: str
) -> None:
    page = window(viewport={"width": 1280, "height": 860})
    sign_in(page, installation.url, ben)
    intranet.attributes = 'data-label="Ask us" data-corpora="handbook,sales"'
    page.goto(intranet.origin("127.0.0.1"))
    chat = open_widget(page, "Ask us")
    expect(chat.get_by_label("Your question")).to_be_focused()
    answer = ask(chat, DISCOUNT_QUESTION)
    expect(answer).to_contain_text(CANARY)
    answer.locator("a.cite").first.focus()
    expect(chat.locator(".card:popover-open")).to_contain_text("discount above 15 percent")
    with page.context.expect_page() as beside:
        answer.locator("a.source").first.click()
    expect(beside.value.locator("mark").first).to_contain_text(CANARY)
    beside.value.close()
    chat.get_by_role("button", name="Not helpful").click()
    chat.get_by_role("button", name="The source is outdated").click()
    expect(chat.get_by_text("Thank you")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Ask us")).to_be_focused()
    page.reload()
    expect(open_widget(page, "Ask us").locator(".turn")).to_have_count(1)  # it goes on where it was


def test_a_page_of_another_site_gets_no_session_and_says_what_to_do(
    window: Any, intranet: Intranet, installation: Installation, ben: str
) -> None:
    page = window()
    sign_in(page, installation.url, ben)
    page.goto(intranet.origin("localhost"))
    chat = open_widget(page)
    expect(chat.get_by_role("heading", name="Sign in to ask")).to_be_visible()
    chat.get_by_role("button", name="Try again").click()
    expect(chat.get_by_text("your browser does not send that")).to_be_visible()


def test_a_page_of_another_site_vouches_for_who_sees_it(window: Any, intranet: Intranet, installation: Installation) -> None:
    assert installation
    intranet.attributes = 'data-token-url="/token"'
    page = window()
    page.goto(intranet.origin("localhost"))
    assert intranet.vouched == 0  # nobody asked yet
    chat = open_widget(page)
    expect(ask(chat, DISCOUNT_QUESTION)).to_contain_text(CANARY)
    assert intranet.vouched == 1
    intranet.who = "cy"
    other = window()
    other.goto(intranet.origin("localhost"))
    chat = open_widget(other)
    expect(ask(chat, DISCOUNT_QUESTION)).to_contain_text("No answer was found")
    expect(ask(chat, LEAVE_QUESTION)).to_contain_text("27 days")


def test_a_token_that_ended_is_renewed_without_a_word(window: Any, intranet: Intranet, installation: Installation) -> None:
    assert installation
    page = window()
    before = intranet.vouched
    intranet.attributes = 'data-token-url="/token"'
    page.goto(intranet.origin("localhost"))
    page.route("**/widget/ask", lambda route: route.fulfill(status=401), times=1)
    expect(ask(open_widget(page), LEAVE_QUESTION)).to_contain_text("27 days")
    assert intranet.vouched == before + 2


def test_a_page_that_is_not_named_cannot_frame_it_or_speak_with_it(
    window: Any, browser: Browser, intranet: Intranet, installation: Installation, ben: str
) -> None:
    with serving() as evil:
        evil.product, evil.attributes = installation.url, ""
        page = window()
        sign_in(page, installation.url, ben)
        page.goto(evil.origin("127.0.0.1"))
        chat = open_widget(page)
        page.wait_for_function("document.querySelector('intramural-widget').shadowRoot.querySelector('iframe')")
        expect(chat.get_by_label("Your question")).to_have_count(0)
        framed = [frame for frame in page.frames if frame != page.main_frame]
        assert not [frame for frame in framed if "widget" in frame.url and frame.locator("#chat").count()]


def test_a_page_around_cannot_answer_for_another_origin(window: Any, intranet: Intranet, installation: Installation) -> None:
    """A message from elsewhere than the page around it, such as from a window that the frame's page opened, is no greeting."""
    page = window()
    page.goto(f"{installation.url}/widget/")
    page.evaluate(
        "new Promise(done => { window.postMessage({type: 'intramural', label: 'EVIL', hasTokens: true}, '*'); setTimeout(done) })"
    )
    expect(page.locator("#title")).to_have_text("Ask the documents")


def test_it_fits_a_phone_and_the_dark_and_the_keyboard(window: Any, intranet: Intranet, installation: Installation) -> None:
    assert installation
    intranet.attributes = 'data-token-url="/token"'
    page = window(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True, is_mobile=True)
    page.goto(intranet.origin("localhost"))
    page.get_by_role("button", name="Ask the documents").focus()
    page.keyboard.press("Enter")
    chat = page.frame_locator("intramural-widget iframe")
    expect(ask(chat, LEAVE_QUESTION)).to_contain_text("27 days")
    frame = page.frames[-1]
    assert frame.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [390, 390]
    red, green, blue = frame.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert max(red, green, blue) < 60, "the frame is not dark"
    chat.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Ask the documents")).to_be_focused()
    assert json.loads(intranet.vouch(intranet.origin("localhost")))["expires_at"]
