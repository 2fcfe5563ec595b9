from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from assistant.presentation import present_answer
from assistant.slack.blocks import SECTION, answer_message, growing_message, plain
from assistant.slack.client import Message, is_slacks
from assistant.slack.people import person_with, read_account
from assistant.slack.texts import escaped, link, question_in
from assistant.wording import Wording
from ingestion.services import create_corpus
from tests.assistant.rows import make_answered, make_document
from tests.people import People

PIECES = [
    "<!channel>",
    "<@U1>",
    "<https://evil.example|here>",
    "&lt;",
    "&amp;",
    "&",
    "<",
    ">",
    "|",
    "*bold*",
    "`",
    "word",
    "é",
    "\n",
]


def texts_of(message: Message) -> Iterator[str]:
    yield message.text
    for block in message.blocks:
        parts = [block["text"]] if "text" in block else block["elements"]
        for part in parts:
            if part["type"] == "mrkdwn":
                assert part["verbatim"] is True
                yield part["text"]


def check_marks(message: Message) -> None:
    """What Slack would take for mark-up is a link of ours, and every entity is whole."""
    assert len(message.blocks) <= 50
    for text in texts_of(message):
        assert 0 < len(text) <= SECTION
        without_links = re.sub(r"<https://ask\.example\.org/[^<>|]*\|[^<>|]*>", "", text)
        assert "<" not in without_links
        assert ">" not in without_links
        assert re.sub(r"&(amp|lt|gt);", "", without_links).count("&") == 0


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.django_db
def test_no_document_writes_mark_up_and_every_cut_falls_between_words(seed: int, people: People, settings: Any) -> None:
    settings.PUBLIC_URL = "https://ask.example.org"
    chance = random.Random(seed)
    quotes = [f"{number} {' '.join(chance.choices(PIECES, k=chance.randint(1, 900)))}" for number in range(chance.randint(1, 12))]
    document = make_document(create_corpus(name="Keys", owner=people.ada), " ".join(chance.choices(PIECES, k=12)), quotes)
    row = make_answered(people.ada, "Where is it?", [(document, quote) for quote in quotes])
    item = present_answer(row, people.ada)
    for is_direct in (True, False):
        check_marks(answer_message(item, is_direct=is_direct, is_share_offered=True))
    wording = Wording()
    for quote in quotes:
        wording.add(quote, [1])
    check_marks(growing_message(wording))


@pytest.mark.django_db
def test_an_answer_that_is_too_long_says_so(people: People) -> None:
    quote = "word " * 2500 + "end"
    document = make_document(create_corpus(name="Keys", owner=people.ada), "Keys", [quote])
    item = present_answer(make_answered(people.ada, "Where is it?", [(document, quote)]), people.ada)
    assert "longer than Slack shows" in str(answer_message(item, is_direct=False).blocks)
    assert "Ask me in a direct message" not in str(answer_message(item, is_direct=True).blocks)


def test_a_long_sentence_fits_too() -> None:
    check_marks(plain("&" * 2000))
    assert "".join(block["text"]["text"] for block in plain("<b> " * 900).blocks) == "&lt;b&gt; " * 900


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("<@UBOT> How long is the leave?", "How long is the leave?"),
        ("<@UBOT|ask>  is a &lt; b &amp;&amp; c &gt; d?", "ask is a < b && c > d?"),
        ("What is said in <#C1|general> and at <https://example.org/a|the page>?", "What is said in #general and at the page?"),
        ("See <https://example.org/a>", "See https://example.org/a"),
        ("<!here> lunch?", "lunch?"),
        ("&amp;lt;", "&lt;"),
        ("<" * 50_000, "<" * 50_000),
    ],
)
def test_it_reads_what_somebody_typed(typed: str, words: str) -> None:
    assert question_in(typed) == words


def test_a_label_cannot_end_its_link() -> None:
    assert link("https://ask.example.org/a", "a|b> <@U1>") == "<https://ask.example.org/a|a∣b&gt; &lt;@U1&gt;>"
    assert escaped("&lt;") == "&amp;lt;"


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://hooks.slack.com/commands/T1/2/3", True),
        ("https://slack.com/x", True),
        ("http://hooks.slack.com/x", False),
        ("https://hooks.slack.com.evil.example/x", False),
        ("https://hooks.slack.com@evil.example/x", False),
        ("https://hooks.slack.com:8443/x", False),
        ("file:///etc/passwd", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_it_answers_at_slacks_own_addresses_only(url: str, is_good: bool) -> None:
    assert is_slacks(url) is is_good


def test_a_profile_that_is_silent_is_an_outsiders_without_an_address() -> None:
    assert read_account({}, team="T1").is_outsider
    assert read_account({"team_id": "T1"}, team="").is_outsider
    known = {"team_id": "T1", "profile": {"email": "ben@example.org"}}
    assert read_account(known, team="T1").email == ""
    assert read_account({**known, "is_email_confirmed": "yes"}, team="T1").email == ""
    assert read_account({**known, "is_email_confirmed": True}, team="T1").email == "ben@example.org"
    assert read_account({"team_id": "T2", "enterprise_user": {"teams": ["T1"]}}, team="T1").is_outsider is False
    assert read_account({"id": "USLACKBOT", "team_id": "T1"}, team="T1").reads is False


def test_letters_that_only_look_alike_are_another_person(people: People) -> None:
    people.ben.email = "kim@example.org"
    people.ben.save()
    assert person_with("KIM@Example.org") == people.ben
    assert person_with("\u212aim@example.org") is None  # the sign of kelvin, whose lower case is k
    assert person_with("k\u0131m@example.org") is None  # an i without its dot, whose upper case is I
    assert person_with("") is None
