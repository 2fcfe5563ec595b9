"""The product in a real browser: upload, wait, ask, open the evidence; two people, dark, phone, keyboard."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docx import Document as WordDocument
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.data.pdfs import make_pdf, paragraphs
from tests.flows.installation import Installation
from tests.people import DISCOUNTS, LEAVE

pytestmark = pytest.mark.slow

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)


def word_bytes() -> bytes:
    document = WordDocument()
    document.add_heading("Travel policy", 1)
    document.add_heading("Hotels", 2)
    document.add_paragraph("A hotel in Lisbon may cost up to 140 euros a night. Book it through the travel portal.")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    made = Installation().prepare().start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def passwords(installation: Installation) -> dict[str, str]:
    people = {"ada": ["--admin"], "ben": ["--groups", "Sales"], "cy": ["--groups", "Engineering"], "eve": []}
    return installation.create_people(people)


class Visit:
    """A browser window of one person, which remembers what a person would not notice: errors and requests elsewhere."""

    def __init__(self, browser: Browser, installation: Installation, **options: Any) -> None:
        self.installation = installation
        self.context: BrowserContext = browser.new_context(base_url=installation.url, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.elsewhere: list[str] = []
        self.problems: list[str] = []
        self.page.on("request", lambda request: self._seen(request.url))
        self.page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _seen(self, url: str) -> None:
        if not url.startswith((self.installation.url, "blob:")):
            self.elsewhere.append(url)

    def sign_in(self, username: str, password: str) -> Page:
        self.page.goto("/")
        self.page.get_by_label("User name").fill(username)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).not_to_have_url(re.compile("sign-in"))
        return self.page

    def ask(self, question: str) -> Any:
        """Type the question, send it with Enter and wait for the finished answer."""
        self.page.wait_for_load_state("load")  # no person presses Enter before the page has its scripts
        turns = self.page.locator(".turn").count()
        self.page.locator("#question").fill(question)
        self.page.keyboard.press("Enter")
        answer = self.page.locator("article.a").nth(turns if "/conversations/" in self.page.url else 0)
        expect(self.page.locator("article.a:not([aria-busy])")).to_have_count(turns + 1)
        return self.page.locator("article.a").nth(turns) if turns else answer

    def close(self) -> None:
        self.context.close()
        assert self.elsewhere == [], "the page asked another host"
        assert self.problems == [], "the browser reported errors"


@pytest.fixture
def visit(browser: Browser, installation: Installation) -> Iterator[Any]:
    visits: list[Visit] = []

    def open_window(**options: Any) -> Visit:
        visits.append(Visit(browser, installation, **options))
        return visits[-1]

    yield open_window
    for window in visits:
        window.close()


@pytest.fixture(scope="module")
def corpora(installation: Installation, passwords: dict[str, str], browser: Browser, tmp_path_factory: Any) -> None:
    """An administrator makes two corpora and uploads, in the browser, and watches until all is ready."""
    folder: Path = tmp_path_factory.mktemp("upload")
    (folder / "leave.md").write_text(LEAVE)
    (folder / "travel.docx").write_bytes(word_bytes())
    pages = ["Cover page.", "The sensor must be calibrated every 90 days with buffer solution."]
    (folder / "water.pdf").write_bytes(make_pdf([paragraphs(text) for text in pages]))
    (folder / "discounts.md").write_text(DISCOUNTS)
    (folder / "notes.md").write_bytes(b"%PDF-1.4 this is no text")
    window = Visit(browser, installation)
    page = window.sign_in("ada", passwords["ada"])
    _make_corpus(page, "Handbook", None, [folder / name for name in ("leave.md", "travel.docx", "water.pdf")])
    _make_corpus(page, "Sales rules", "Sales", [folder / "discounts.md"])
    window.close()


def _make_corpus(page: Page, name: str, group: str | None, files: list[Path]) -> None:
    page.goto("/manage/corpora/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Only these groups" if group else "Everyone in the organization").check()
    if group:
        page.get_by_label(group, exact=True).check()
    page.get_by_role("button", name=re.compile("Create|Make|Save")).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.get_by_label("Tags for them").fill("rules")
    page.locator("input[type=file]").first.set_input_files(files)
    submit = page.get_by_role("button", name="Upload")
    if submit.is_visible():
        submit.click()
    for file in files:
        row = page.locator("tr", has_text=file.name)
        expect(row.get_by_text("Ready")).to_be_visible(timeout=WAIT_MS)
        expect(row.locator(".doc-tags")).to_have_text("rules")


@pytest.mark.usefixtures("corpora")
def test_it_saves_and_deletes_on_the_pages_behind_a_documents_menu(visit: Any, passwords: dict[str, str], tmp_path: Path) -> None:
    """Opened in a tab of their own, with JavaScript and without."""
    files = [tmp_path / "first.md", tmp_path / "second.md"]
    for file in files:
        file.write_text(f"The {file.stem} draft is due in May.")
    _make_corpus(visit().sign_in("ada", passwords["ada"]), "Drafts", None, files)
    for file, is_scripted in zip(files, (True, False), strict=True):
        page = visit(java_script_enabled=is_scripted).sign_in("ada", passwords["ada"])
        page.goto("/manage/corpora/drafts/")
        row = page.locator("tr", has_text=file.name)
        row.get_by_label(re.compile("^More")).click()
        links = [row.get_by_role("link", name=name).get_attribute("href") for name in ("Who may read it…", "Tags…", "Delete…")]
        page.goto(links[0])
        page.get_by_label("Only these groups").check()
        page.get_by_label("Sales", exact=True).check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved. The document is indexed again")).to_be_visible()
        page.goto(links[1])
        page.get_by_label("Tags").fill("due")
        page.get_by_role("button", name="Save").click()
        expect(row.locator(".doc-tags")).to_have_text("due")
        page.goto(links[2])
        page.get_by_role("button", name="Delete the document").click()
        expect(page.get_by_text("The document is deleted.")).to_be_visible()
        expect(row).to_have_count(0)


INDEXING = """row => { row.querySelector(".stage").innerHTML = '<span class="tag">Indexing</span>'
    + '<progress class="meter" max="2140" value="1210"></progress><small>1,210 of 2,140 passages</small>'; }"""
LINES = """(row, words) => [...row.cells].filter(cell => cell.textContent.trim() === words).map(cell => {
    const range = document.createRange(); range.selectNodeContents(cell); return range.getClientRects().length; })"""


@pytest.mark.usefixtures("corpora")
def test_it_breaks_no_word_of_the_documents_table_while_a_row_is_indexing(visit: Any, passwords: dict[str, str]) -> None:
    window = visit(viewport={"width": 1280, "height": 800})
    page = window.sign_in("ada", passwords["ada"])
    page.goto("/manage/corpora/handbook/")
    row = page.locator("tr", has_text="travel.docx")
    row.evaluate(INDEXING)
    assert row.evaluate(LINES, "Everyone") == [1]
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.usefixtures("corpora")
def test_it_answers_and_opens_the_document_at_the_cited_words(visit: Any, passwords: dict[str, str]) -> None:
    window = visit(viewport={"width": 1440, "height": 900})
    page = window.sign_in("ben", passwords["ben"])
    answer = window.ask("How many days of annual leave do full-time employees get?")
    expect(answer).to_contain_text("27 days")
    answer.locator("a.cite").first.click()
    mark = page.locator("#panel mark").first
    expect(mark).to_contain_text("27 days of paid annual leave")
    expect(mark).to_be_in_viewport()

    answer = window.ask("How often must the sensor be calibrated?")
    expect(answer).to_contain_text("every 90 days")
    answer.locator("a.cite").first.click()
    picture = page.locator("#panel img").first
    expect(picture).to_be_visible()
    expect(page.locator("#panel blockquote")).to_be_hidden()
    expect(page.locator("#panel svg rect.evidence").first).to_be_in_viewport()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500


@pytest.mark.usefixtures("corpora")
def test_it_goes_back_from_a_source_to_the_conversation_and_no_further(visit: Any, passwords: dict[str, str]) -> None:
    window = visit(viewport={"width": 390, "height": 844})
    page = window.sign_in("ben", passwords["ben"])
    answer = window.ask("How many days of annual leave do full-time employees get?")
    conversation, mark = page.url, page.locator("#panel mark")

    def open_source(kind: str) -> None:
        with page.expect_response(re.compile("/citations/")):
            answer.locator(kind).first.click()
        expect(page).to_have_url(re.compile("/citations/"))
        expect(mark.first).to_be_in_viewport()

    def is_closed() -> None:
        expect(mark).to_have_count(0)
        expect(page).to_have_url(conversation)
        expect(answer).to_contain_text("27 days")

    open_source("a.cite")
    page.go_back()
    is_closed()
    page.go_forward()
    expect(mark.first).to_be_in_viewport()
    page.get_by_label("Close the document").click()
    is_closed()

    page.set_viewport_size({"width": 1280, "height": 800})  # where the conversation stays in sight beside a source
    open_source("a.cite")
    open_source("a.source")  # takes the place of the first
    page.go_back()
    is_closed()
    open_source("a.cite")
    held: list[Any] = []
    page.route(re.compile("/citations/"), lambda route: held.append(route))
    with page.expect_request(re.compile("/citations/")):
        answer.locator("a.source").first.click()
    page.go_back()
    is_closed()
    with page.expect_response(re.compile("/citations/")):
        held[0].continue_()
    page.unroute_all()
    is_closed()  # what comes late opens nothing

    open_source("a.source")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    is_closed()
    open_source("a.cite")
    page.reload()
    page.go_back()
    is_closed()
    page.go_back()
    expect(page).to_have_url(f"{window.installation.url}/")  # only now the page before the conversation


IN_SIGHT = """async () => {
  await document.querySelector(".pdf-picture img:has(~ svg)").decode();
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const [main, mark] = ["content", "evidence-1"].map((id) => document.getElementById(id).getBoundingClientRect());
  return (mark.top - main.top) / main.height;
}"""


@pytest.mark.usefixtures("corpora")
def test_it_opens_a_whole_document_with_what_stands_around_the_cited_words(visit: Any, passwords: dict[str, str]) -> None:
    window = visit(viewport={"width": 1280, "height": 600})
    page = window.sign_in("ben", passwords["ben"])
    window.ask("How often must the sensor be calibrated?").locator("a.cite").first.click()
    page.get_by_label("Open in full").click()
    page.wait_for_url(re.compile("#evidence-1"))
    whole = page.url
    for width, height in ((1280, 600), (390, 500)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto("/")
        page.goto(whole)
        assert 0.05 < page.evaluate(IN_SIGHT) < 0.6  # near the top of its page, the jump shows the page from there


@pytest.mark.usefixtures("corpora")
def test_it_understands_a_follow_up(visit: Any, passwords: dict[str, str]) -> None:
    window = visit()
    window.sign_in("ben", passwords["ben"])
    window.ask("How many weeks does parental leave last?")
    answer = window.ask("and at what pay?")
    expect(answer).to_contain_text("full pay")
    expect(answer).to_contain_text("How many weeks does parental leave last, at what pay?")


@pytest.mark.usefixtures("corpora")
def test_it_asks_anew_what_was_typed_into_a_conversation_deleted_in_another_tab(visit: Any, passwords: dict[str, str]) -> None:
    window = visit(viewport={"width": 390, "height": 844})
    page = window.sign_in("ben", passwords["ben"])
    window.ask("How long is parental leave?")
    deleted, typed = page.url.partition("#")[0], "How many days of paid annual leave do full-time employees receive?"
    with window.context.new_page() as other:
        other.goto(deleted)
        other.get_by_label("More about this conversation").click()
        other.get_by_role("button", name="Rename or delete").click()
        other.locator("[data-delete-form] button").click()
        expect(other.get_by_text("The conversation is deleted.")).to_be_visible()

    page.locator("#question").fill(typed)
    page.keyboard.press("Enter")

    expect(page.locator("#composer-message")).to_contain_text("This conversation was deleted.")
    expect(page.locator("#notice")).to_be_empty()
    expect(page.locator("#question")).to_have_value(typed)
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator("h2.q")).to_have_text(typed)
    expect(page.locator("article.a:not([aria-busy])")).to_be_visible()
    assert page.url.partition("#")[0] != deleted
    window.problems = [text for text in window.problems if "404" not in text]


@pytest.mark.usefixtures("corpora")
def test_it_says_so_when_the_documents_do_not_answer(visit: Any, passwords: dict[str, str]) -> None:
    window = visit()
    window.sign_in("ben", passwords["ben"])
    expect(window.ask("What is the boiling point of mercury?")).to_contain_text("No answer was found in the documents you may")


@pytest.mark.usefixtures("corpora")
def test_it_says_that_the_server_cannot_be_reached_and_goes_on(visit: Any, passwords: dict[str, str]) -> None:
    window = visit()
    page = window.sign_in("ben", passwords["ben"])
    page.wait_for_load_state("load")
    of_an_answer = re.compile(r"/answers/\d+(/stream|/)?$")
    page.route(of_an_answer, lambda route: route.abort())
    page.locator("#question").fill("How long is parental leave?")
    page.keyboard.press("Enter")
    expect(page.locator("article[aria-busy] [role=status]")).to_contain_text("The server cannot be reached")
    page.unroute(of_an_answer)
    expect(page.locator("article.a:not([aria-busy])")).to_contain_text("18 weeks")
    window.problems.clear()  # those of the network, as meant


@pytest.mark.usefixtures("corpora")
def test_it_answers_two_people_from_what_each_may_read(visit: Any, passwords: dict[str, str]) -> None:
    question = "Who approves a discount above 15 percent?"
    ben, cy = visit(), visit()
    ben.sign_in("ben", passwords["ben"])
    cy.sign_in("cy", passwords["cy"])
    expect(ben.ask(question)).to_contain_text("regional sales director")
    answer = cy.ask(question)
    expect(answer).to_contain_text("No answer was found")
    expect(cy.page.locator("body")).not_to_contain_text("regional sales director")


@pytest.mark.usefixtures("corpora")
def test_it_fits_a_phone_and_the_dark(visit: Any, passwords: dict[str, str]) -> None:
    window = visit(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True, is_mobile=True)
    page = window.sign_in("ben", passwords["ben"])
    answer = window.ask("What may a hotel in Lisbon cost?")
    expect(answer).to_contain_text("140 euros")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert max(red, green, blue) < 60, "the page is not dark"
    answer.locator("a.cite").first.click()
    expect(page.locator("#panel mark").first).to_be_in_viewport()
    expect(page.locator("#panel blockquote")).to_have_count(0)
    page.get_by_role("link", name="Close the document").click()

    window.ask("How often must the sensor be calibrated?").locator("a.cite").first.click()
    quote = page.locator("#panel blockquote")  # of a page that is wider than the phone the cited words stand above it
    expect(quote).to_have_text("The sensor must be calibrated every 90 days with buffer solution.")
    expect(quote).to_be_in_viewport()
    page.get_by_role("link", name="Close the document").click()

    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("button", name="Make a link")).to_be_focused()
    page.locator("#share-dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Make a link")).to_be_hidden()


@pytest.mark.usefixtures("corpora")
def test_it_works_with_the_keyboard(visit: Any, passwords: dict[str, str]) -> None:
    window = visit()
    page = window.sign_in("ben", passwords["ben"])
    page.locator("h1").first.click()
    page.keyboard.press("/")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("How long does parental leave last?")
    page.keyboard.press("Enter")
    expect(page.locator("article.a:not([aria-busy])")).to_contain_text("18 weeks")
    chip = page.locator("a.cite").first
    chip.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel mark").first).to_contain_text("18 weeks")
    page.keyboard.press("Escape")
    expect(page.locator("#panel mark")).to_have_count(0)


@pytest.mark.usefixtures("corpora")
def test_it_keeps_the_focus_in_a_conversations_dialogs(visit: Any, passwords: dict[str, str]) -> None:
    window = visit()
    page = window.sign_in("ben", passwords["ben"])
    window.ask("How long does parental leave last?")
    share = page.get_by_role("button", name="Share")
    share.press("Enter")
    box = page.get_by_role("dialog", name="Share this conversation")
    expect(box.get_by_role("button", name="Make a link")).to_be_focused()
    for key in ["Tab"] * 5 + ["Shift+Tab"] * 5:
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    box.get_by_role("button", name="Make a link").press("Enter")
    expect(box.get_by_role("button", name="Copy")).to_be_focused()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(share.or_(page.get_by_role("button", name="Shared"))).to_be_focused()

    more = page.get_by_label("More about this conversation")
    more.press("Enter")
    page.get_by_role("button", name="Rename or delete", exact=True).press("Enter")
    title = page.get_by_role("dialog", name="This conversation").get_by_label("Title")
    expect(title).to_be_focused()
    expect(title).to_have_value("How long does parental leave last?")
    page.keyboard.press("Escape")
    expect(title).to_be_hidden()
    expect(more).to_be_focused()
    page.get_by_role("button", name="Rename or delete How long does parental leave last?").first.press("Enter")
    page.keyboard.type("Leave of parents")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Leave of parents")


@pytest.mark.usefixtures("corpora")
def test_it_shares_and_renames_a_conversation_without_javascript(visit: Any, passwords: dict[str, str]) -> None:
    window = visit()
    window.sign_in("ben", passwords["ben"])
    window.ask("How many weeks does parental leave last?")
    page = visit(java_script_enabled=False).sign_in("ben", passwords["ben"])
    page.goto(window.page.url)
    page.get_by_label("More about this conversation").click()
    page.get_by_role("button", name="Rename or delete").click()
    page.get_by_label("Title").fill("Weeks of leave")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.locator("h1")).to_have_text("Weeks of leave")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_role("button", name="Shared")).to_be_visible()


PAGES = """search-test?q=What+may+a+hotel+cost . corpora/handbook/ corpora/handbook/golden/ limits/ routing/ slack/ specialists/
    models/ quality/ quality/routes calibration/ ../inbox/ ../tables/ ../programs/"""
BEYOND = "(({scrollHeight, scrollWidth}) => [scrollHeight - innerHeight, scrollWidth - innerWidth])(document.scrollingElement)"


@pytest.mark.usefixtures("corpora")
def test_it_scrolls_no_page_beyond_its_end(visit: Any, passwords: dict[str, str]) -> None:
    page = visit(viewport={"width": 1000, "height": 600}).sign_in("ada", passwords["ada"])
    for path in PAGES.split():
        for width in (1000, 390):
            page.set_viewport_size({"width": width, "height": 600})
            assert page.goto(f"/manage/{path}").ok, path
            beyond = page.evaluate(BEYOND)
            assert max(beyond) <= 0, (path, width, beyond)


@pytest.mark.usefixtures("corpora")
def test_it_never_shows_the_admin_area_to_an_ordinary_person(visit: Any, passwords: dict[str, str]) -> None:
    window = visit()
    page = window.sign_in("ben", passwords["ben"])
    expect(page.locator("a[href^='/manage/']")).to_have_count(0)
    assert page.request.get("/manage/").status == 404


@pytest.mark.usefixtures("corpora")
def test_it_shows_every_column_of_the_ledger_and_scrolls_them_on_a_phone(visit: Any, passwords: dict[str, str]) -> None:
    window = visit(viewport={"width": 1280, "height": 800})
    page = window.sign_in("ada", passwords["ada"])
    window.ask("How long does parental leave last?")
    page.goto("/manage/quality/routes")
    box = page.get_by_role("region", name="Figures of the routes")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0, "a column is cut"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") > 0
    box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")  # the last column comes, and the names stay
    expect(box.get_by_role("columnheader", name="Cost", exact=True)).to_be_in_viewport(ratio=0.99)
    expect(box.get_by_role("rowheader", name="All")).to_be_in_viewport(ratio=0.99)


def test_it_tells_a_person_without_documents(visit: Any, installation: Installation, passwords: dict[str, str]) -> None:
    window = visit()
    _, password = installation.create_person("newcomer")
    assert passwords
    page = window.sign_in("newcomer", password)
    expect(page.locator("main")).to_be_visible()
