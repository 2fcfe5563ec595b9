"""Takes the README's screenshots: the demo organization on a server of its own, in headless Chromium.

python docs/screenshots/take.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

import tests.environment  # noqa: E402, F401 - makes a data folder of its own
from tests.flows.installation import Installation  # noqa: E402

FOLDER = Path(__file__).parent
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
EMPLOYEE, OWNER = "maud.peeters", "ines.carvalho"


def main() -> None:
    installation = Installation().prepare()
    passwords = json.loads(installation.manage("load_demo", "--json").splitlines()[-1])["passwords"]
    installation.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
            take(browser, installation.url, passwords)
            browser.close()
    finally:
        installation.stop()


def take(browser: Browser, url: str, passwords: dict[str, str]) -> None:
    for suffix, options in {"": DESKTOP, "-dark": {**DESKTOP, "color_scheme": "dark"}, "-phone": PHONE}.items():
        page = sign_in(browser, url, EMPLOYEE, passwords[EMPLOYEE], options)
        shoot(page, f"home{suffix}")
        ask(page, "What may I spend on a hotel night in Leeds?")
        ask(page, "Which gym does the company pay for?")
        shoot(page, f"chat{suffix}")
        page.locator("a.cite").first.click()
        page.locator("#panel img, #panel mark").first.wait_for()
        page.wait_for_load_state("networkidle")
        shoot(page, f"evidence{suffix}")
        page.context.close()
        page = sign_in(browser, url, OWNER, passwords[OWNER], options)
        page.goto(f"{url}/manage/")
        shoot(page, f"corpora{suffix}")
        page.goto(f"{url}/manage/corpora/company-and-finance/")
        shoot(page, f"documents{suffix}")
        page.goto(f"{url}/manage/search-test?q=hotel+in+Leeds")
        shoot(page, f"search-test{suffix}")
        page.context.close()


def sign_in(browser: Browser, url: str, username: str, password: str, options: dict) -> Page:
    page = browser.new_context(base_url=url, **options).new_page()
    page.goto("/")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#question").wait_for()
    return page


def ask(page: Page, question: str) -> None:
    page.wait_for_load_state("load")
    turns = page.locator("article.a").count()
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")
    page.locator("article.a:not([aria-busy])").nth(turns).wait_for()


def shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(400)
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
