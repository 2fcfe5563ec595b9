"""Conversations through the pages: finding, renaming, deleting, sharing, exporting."""

from __future__ import annotations

import pytest
from django.urls import reverse
from markdown_it import MarkdownIt

from assistant.models import AnswerState, Conversation
from tests.assistant.pages import HTMX, client_of, text_of
from tests.assistant.rows import make_answer, make_answered, make_document
from tests.assistant.test_pages_answers import make_chunk
from tests.assistant.test_pages_asking import LEAVE
from tests.people import People, make_corpora

REBATE = "Rebates are paid in February."


def url_of(name: str, conversation: Conversation) -> str:
    return reverse(f"assistant:{name}", args=[conversation.pk])


def shared_url(people: People) -> str:
    """A conversation of Ben's that quotes the handbook and the Sales corpus, shared by link."""
    handbook, sales = make_corpora(people)
    leave, rebate = make_document(handbook, "Leave", [LEAVE]), make_document(sales, "Rebates", [REBATE])
    row = make_answered(people.ben, "Both?", [(leave, LEAVE), (rebate, REBATE)])
    client_of(people.ben).post(url_of("share_conversation", row.conversation), {"shared": "1"})
    row.conversation.refresh_from_db()
    return reverse("assistant:shared_conversation", args=[row.conversation.share_token])


@pytest.mark.parametrize("name", ["rename_conversation", "delete_conversation", "share_conversation"])
def test_it_lets_nobody_else_change_a_conversation(people: People, name: str) -> None:
    own = make_answer(people.ben, "How many days?").conversation
    for stranger in (people.cy, people.ada):
        form = {"title": "Mine", "shared": "1"}
        assert client_of(stranger).post(url_of(name, own), form).status_code == 404
    own.refresh_from_db()
    assert (own.title, own.share_token) == ("How many days?", None)


@pytest.mark.parametrize("name", ["conversation", "export_conversation"])
def test_it_shows_a_conversation_to_nobody_else(people: People, name: str) -> None:
    own = make_answer(people.ben, "How many days?").conversation
    assert "How many days?" in text_of(client_of(people.ben), url_of(name, own))
    for stranger in (people.cy, people.ada):
        response = client_of(stranger).get(url_of(name, own))
        assert response.status_code == 404
        assert "How many days?" not in response.content.decode()


def test_it_renames_and_deletes(people: People) -> None:
    own = make_answer(people.ben, "How many days?").conversation
    client = client_of(people.ben)
    client.post(url_of("rename_conversation", own), {"title": "  Leave \n days "})
    own.refresh_from_db()
    assert own.title == "Leave days"
    response = client.post(url_of("delete_conversation", own), follow=True)
    assert "The conversation is deleted." in response.content.decode()
    assert not Conversation.objects.exists()


def test_it_finds_ones_own_conversations_by_title_and_question(people: People) -> None:
    leave = make_answer(people.ben, "How many days of leave?").conversation
    make_answer(people.ben, "and for contractors?", conversation=leave, state=AnswerState.ABSTAINED)
    make_answer(people.ben, "Which hotel?")
    make_answer(people.cy, "Are contractors paid?")
    client = client_of(people.ben)
    search = reverse("assistant:search_conversations")
    found = client.get(search, {"q": "contractors"}, headers=HTMX).content.decode()
    assert url_of("conversation", leave) in found
    assert "hotel" not in found
    assert "Are contractors paid?" not in found
    assert "Which hotel?" in client.get(search, {"q": " "}, headers=HTMX).content.decode()
    assert "No conversation has “zebra”." in client.get(search, {"q": "zebra"}, headers=HTMX).content.decode()
    assert "<html" in client.get(search, {"q": "hotel"}).content.decode()


def test_it_shows_a_shared_conversation_as_far_as_its_reader_may_read(people: People) -> None:
    url = shared_url(people)
    everything = text_of(client_of(people.olga), url)
    assert LEAVE in everything
    assert REBATE in everything
    part = text_of(client_of(people.cy), url)
    assert LEAVE in part
    assert REBATE not in part
    assert "A sentence is hidden from you here, because you cannot open its source." in part


LEAVES = [f"Leave number {number} is in June." for number in (1, 2, 3)]


@pytest.mark.parametrize("probability", [0.6, 0.1])
def test_it_never_shows_a_reader_of_a_refusal_what_its_asker_did_not_see(people: People, probability: float) -> None:
    """Ben was offered the rebates, and of the search's other passages saw two; Cy may not read the rebates."""
    handbook, sales = make_corpora(people)
    quoted = [(sales, REBATE), *((handbook, words) for words in LEAVES)]
    passages = [make_chunk(make_document(corpus, f"Paper {at}", [words]), words) for at, (corpus, words) in enumerate(quoted)]
    first = {"passage": passages[0].pk, "start": 0, "end": len(REBATE)}
    row = make_answer(
        people.ben, "When?", state="abstained", corpora_searched=2, refusal={"offered": [first], "probability": probability},
        passages=[{"passage": chunk.pk, "score": 0.5, "document": chunk.document_id} for chunk in passages],
    )  # fmt: skip
    client_of(people.ben).post(url_of("share_conversation", row.conversation), {"shared": "1"})
    row.conversation.refresh_from_db()
    url = reverse("assistant:shared_conversation", args=[row.conversation.share_token])
    own = text_of(client_of(people.ben), url)
    assert [words in own for words in (REBATE, *LEAVES)] == [True, True, True, False]
    part = text_of(client_of(people.cy), url)
    assert [words in part for words in (REBATE, *LEAVES)] == [False, True, True, False]
    assert ("No answer is sure enough to give." in part) is (probability > 0.5)
    assert "Closest:" not in part
    assert "hidden from you, because you cannot open everything it was made from." in part
    assert "hidden from you" not in own


def test_it_says_that_one_of_several_offers_is_hidden(people: People) -> None:
    handbook, sales = make_corpora(people)
    leave, rebates = make_document(handbook, "Leave", LEAVES[:1]), make_document(sales, "Rebates", [REBATE])
    chunks = [make_chunk(leave, LEAVES[0]), make_chunk(rebates, REBATE)]
    row = make_answer(
        people.cy, "When?", state="abstained", corpora_searched=2,
        passages=[{"passage": chunk.pk, "score": 0.5, "document": chunk.document_id} for chunk in chunks],
        refusal={"probability": 0.6, "offered": [{"passage": chunk.pk, "start": 0, "end": 10} for chunk in chunks]},
    )  # fmt: skip
    for name in ("conversation", "export_conversation"):
        page = text_of(client_of(people.cy), url_of(name, row.conversation))
        assert "This may be it" in page
        assert "More that may be it is hidden from you, because you cannot open its source." in page


def test_it_lets_readers_of_a_shared_conversation_change_nothing(people: People) -> None:
    page = text_of(client_of(people.cy), shared_url(people))
    assert 'id="composer"' not in page
    assert "Not helpful" not in page
    assert "/citations/" not in page  # evidence opens the reader's own view of the document
    assert reverse("assistant:retry", args=[Conversation.objects.get().answers.get().pk]) not in page


def test_it_ends_sharing(people: People) -> None:
    url = shared_url(people)
    own = Conversation.objects.get()
    dialog = client_of(people.ben).post(url_of("share_conversation", own), {"shared": "0"}, headers=HTMX).content.decode()
    assert "Make a link" in dialog
    text_of(client_of(people.cy), url, 404)


def test_it_shows_the_link_of_a_shared_conversation_to_its_owner(people: People) -> None:
    url = shared_url(people)
    own = Conversation.objects.get()
    assert f"http://testserver{url}" in text_of(client_of(people.ben), url_of("conversation", own))


def test_it_exports_a_conversation_as_a_file(people: People) -> None:
    handbook, _ = make_corpora(people)
    row = make_answered(people.ben, "How many days?", [(make_document(handbook, "Leave", [LEAVE]), LEAVE)])
    response = client_of(people.ben).get(url_of("export_conversation", row.conversation))
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="how-many-days.md"'
    assert LEAVE in response.content.decode()


def test_it_exports_questions_and_quotes_as_text(people: People) -> None:
    """A file that another program shows runs nothing that was typed, and nothing that a document says."""
    handbook, _ = make_corpora(people)
    words = "<script>x()</script> ![see](https://evil.example/x)"
    row = make_answered(people.ben, f"{words}\n# How?", [(make_document(handbook, "Leave <b>", [words]), words)])
    export = text_of(client_of(people.ben), url_of("export_conversation", row.conversation))
    html = MarkdownIt("commonmark", {"html": True}).render(export)
    assert html.count("&lt;script&gt;x()&lt;/script&gt;") == 4, "the title, the question, the answer and its source"
    assert not {tag for tag in ("<script", "<img", "<b>", "<a ", "<h1>How") if tag in html}
