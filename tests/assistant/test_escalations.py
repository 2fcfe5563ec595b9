"""A question that goes to a person: who gets it, who sees what of it, and that nothing typed is lost."""

from __future__ import annotations

import pytest
from django.urls import reverse
from markdown_it import MarkdownIt

from assistant.escalations import services
from assistant.escalations.handing import hand_to_person
from assistant.escalations.models import Escalation, EscalationMessage
from assistant.escalations.services import escalate, pass_on
from assistant.models import Answer, AnswerState, Conversation
from assistant.presentation import present_conversation
from assistant.services import share_conversation
from ingestion.models import Chunk, Corpus, Document
from ingestion.services import delete_corpus
from specialists.router.types import Decision
from tests.assistant.pages import HTMX, client_of, text_of
from tests.assistant.rows import make_answer, make_answered, make_document
from tests.people import People, make_corpora

REBATE = "Rebates are paid in February."
LEAVE = "Employees receive 27 days of leave."


class World:
    """Ben asked what the Sales corpus (owner Olga) nearly answers."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.handbook, self.sales = make_corpora(people)
        self.leave = make_document(self.handbook, "Leave policy", [LEAVE])
        self.rebates = make_document(self.sales, "Rebates", [REBATE])
        self.passages = [passage_of(self.rebates, REBATE), passage_of(self.leave, LEAVE)]
        self.conversation = Conversation.objects.create(user=people.ben, title="Rebates")
        self.answer = self.ask("When is the rebate of Fredonia paid?")

    def ask(self, question: str, state: str = AnswerState.ABSTAINED) -> Answer:
        return make_answer(
            self.people.ben, question, conversation=self.conversation, state=state, corpora_searched=2, confidence=0.31,
            passages=self.passages,
        )  # fmt: skip

    def send(self, **data: str) -> Escalation:
        response = client_of(self.people.ben).post(reverse("assistant:ask_person", args=[self.answer.pk]), data)
        assert response.status_code == 302
        return Escalation.objects.get(answer=self.answer)

    def reply(self, escalation: Escalation, text: str, version: int = 0, who: str = "olga") -> str:
        url = reverse("assistant:inbox_item", args=[escalation.pk])
        data = {"text": text, "known_version": version}
        return client_of(getattr(self.people, who)).post(url, data, follow=True).content.decode()

    def thread(self, who: str = "ben") -> str:
        return text_of(client_of(getattr(self.people, who)), reverse("assistant:conversation", args=[self.conversation.pk]))


def passage_of(document: Document, text: str) -> dict[str, object]:
    start = document.content.text.index(text)
    chunk = Chunk.objects.create(
        document=document, revision=1, position=0, start=start, end=start + len(text), text=text,
        sentences=[[start, start + len(text)]],
    )  # fmt: skip
    return {"passage": chunk.pk, "score": 0.5, "document": document.pk, "revision": 1}


@pytest.fixture
def world(people: People) -> World:
    return World(people)


def item_url(escalation: Escalation) -> str:
    return reverse("assistant:inbox_item", args=[escalation.pk])


# --- Sending ----------------------------------------------------------------------------------------------------------


def test_it_offers_a_person_on_a_refusal_and_says_who(world: World) -> None:
    assert "Ask a person" in world.thread()
    client = client_of(world.people.ben)
    form = client.get(reverse("assistant:ask_person", args=[world.answer.pk]), headers=HTMX).content.decode()
    assert "<html" not in form
    assert "Ask olga (Sales)" in form
    page = text_of(client, reverse("assistant:ask_person", args=[world.answer.pk]))
    assert "<html" in page
    assert "hx-post" not in page.split("<main")[1]  # there is no answer on this page to put it into


def test_it_sends_the_question_to_the_owner_of_the_nearest_corpus(world: World) -> None:
    escalation = world.send(note="It is about the contract of May.")
    assert escalation.corpus == world.sales
    assert escalation.reason == "abstained"
    page = text_of(client_of(world.people.olga), item_url(escalation))
    for words in ("When is the rebate of Fredonia paid?", "the contract of May", "0.31", REBATE, "ben"):
        assert words in page
    assert "You asked <b>olga (Sales)</b>" in world.thread()
    inbox = text_of(client_of(world.people.olga), reverse("assistant:inbox"))
    assert "Fredonia" in inbox
    assert 'title="Questions that wait for you">1<' in inbox


@pytest.mark.parametrize("state", [AnswerState.ABSTAINED, AnswerState.ANSWERED])
def test_it_tells_the_owner_that_the_answer_did_not_help(world: World, state: str) -> None:
    world.answer = world.ask("When is the rebate paid?", state)
    client_of(world.people.ben).post(reverse("assistant:feedback", args=[world.answer.pk]), {"verdict": "not_helpful"})
    form = text_of(client_of(world.people.ben), reverse("assistant:ask_person", args=[world.answer.pk]))
    assert "that you found the answer not helpful" in form, "who sends it knows that this is told"
    page = text_of(client_of(world.people.olga), item_url(world.send()))
    assert "The asker marked the answer as not helpful." in page
    inbox = text_of(client_of(world.people.olga), reverse("assistant:inbox"))
    assert "The answer was not enough for the asker" in inbox
    assert "The documents did not answer it" not in inbox


def test_it_tells_the_owner_that_nothing_was_searched_for_what_the_asker_wants_a_person_for(world: World) -> None:
    Answer.objects.filter(pk=world.answer.pk).update(route="human", passages=[], corpora_searched=0)
    world.conversation.corpora.set([world.sales])
    page = text_of(client_of(world.people.olga), item_url(world.send()))
    assert "<b>The asker wished for a person.</b> Nothing was searched." in page
    inbox = text_of(client_of(world.people.olga), reverse("assistant:inbox"))
    assert "The asker wished for a person" in inbox


def test_it_never_shows_the_owner_a_passage_or_corpus_that_they_may_not_read(world: World) -> None:
    secret = Corpus.objects.create(
        name="Board papers", slug="board", owner=world.people.ada, audience=world.sales.audience
    )  # fmt: skip
    hidden = make_document(secret, "Merger", ["Fredonia will be bought in May."])
    world.passages.append(passage_of(hidden, "Fredonia will be bought in May."))
    world.answer = world.ask("When is the rebate paid?")
    page = text_of(client_of(world.people.olga), item_url(world.send()))
    assert "bought in May" not in page
    assert "Merger" not in page
    assert "Board papers" not in page
    assert "1 passage of documents that you may not read is left out" in page
    assert "1 corpus that you may not read" in page


def test_it_hides_from_the_owner_what_an_answer_quotes_of_others_documents(world: World) -> None:
    """Olga is no reader of the engineering notes that Ben's answer quoted."""
    notes = Corpus.objects.create(name="Notes", slug="notes", owner=world.people.ben, audience=world.sales.audience)
    document = make_document(notes, "Plan", ["The plan is secret."])
    answer = make_answered(
        world.people.ben, "What is the plan?", [(document, "The plan is secret.")], conversation=world.conversation
    )
    Answer.objects.filter(pk=answer.pk).update(passages=world.passages)
    world.answer = answer
    escalation = world.send()
    assert escalation.reason == "asked"
    assert "The plan is secret." not in text_of(client_of(world.people.olga), item_url(escalation))


def test_it_sends_the_questions_before_it_only_when_wanted_and_never_those_after(world: World) -> None:
    world.answer = world.ask("And who approves it?")
    world.ask("Am I about to be dismissed?")
    page = text_of(client_of(world.people.olga), item_url(world.send(turns="1")))
    assert "Fredonia" in page
    assert "dismissed" not in page
    Escalation.objects.all().delete()
    page = text_of(client_of(world.people.olga), item_url(world.send()))
    assert "Fredonia" not in page


def test_it_sends_a_question_once(world: World) -> None:
    first, second = world.send(note="once"), world.send(note="twice")
    assert first == second
    assert [message.text for message in EscalationMessage.objects.all()] == ["once"]
    assert escalate(answer=world.answer, asker=world.people.ben, reason="routed") == first


@pytest.mark.parametrize("limit", ["MAX_OPEN_PER_PERSON", "MAX_PER_DAY"])
def test_it_limits_what_one_person_sends(world: World, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(services, limit, 1)
    escalation = world.send()
    if limit == "MAX_PER_DAY":
        world.reply(escalation, "In February.")
    url = reverse("assistant:ask_person", args=[world.ask("Another question?").pk])
    response = client_of(world.people.ben).post(url, {"note": "what I typed"}, headers=HTMX)
    assert response.status_code == 422
    assert "what I typed" in response.content.decode()
    assert Escalation.objects.count() == 1


def test_it_waits_until_the_answer_is_made(world: World) -> None:
    url = reverse("assistant:ask_person", args=[world.ask("Now?", AnswerState.ANSWERING).pk])
    assert client_of(world.people.ben).post(url).status_code == 422


def test_it_goes_to_the_conversations_corpus_and_else_to_administrators(world: World) -> None:
    world.passages = []
    world.conversation.corpora.set([world.sales])
    world.answer = world.ask("What is the boiling point of mercury?")
    assert world.send().corpus == world.sales
    Escalation.objects.all().delete()
    world.conversation.corpora.clear()
    escalation = world.send()
    assert escalation.corpus is None
    assert "mercury" in text_of(client_of(world.people.ada), item_url(escalation))
    text_of(client_of(world.people.olga), item_url(escalation), 404)


def test_it_does_not_send_a_question_back_to_its_asker(world: World) -> None:
    """Ada owns the Handbook, which came nearest; the Sales corpus is next, and she may not read it."""
    world.people.ada.groups.add(world.people.sales)
    conversation = Conversation.objects.create(user=world.people.ada, title="Leave")
    answer = make_answer(world.people.ada, "Leave?", conversation=conversation, state="abstained", passages=world.passages[::-1])
    assert escalate(answer=answer, asker=world.people.ada, reason="abstained").corpus == world.sales


def test_it_keeps_the_words_of_a_reply_to_a_question_that_was_passed_on_meanwhile(world: World) -> None:
    escalation = world.send()
    world.people.olga.groups.add(*world.people.ben.groups.all())
    pass_on(escalation=escalation, corpus=world.handbook)
    response = client_of(world.people.olga).post(item_url(escalation), {"text": "It is paid in May.", "known_version": 0})
    assert response.status_code == 404
    page = response.content.decode()
    assert "Your reply was not sent" in page
    assert "It is paid in May." in page
    assert "Fredonia" not in page
    assert client_of(world.people.cy).post(item_url(escalation), {"text": " "}).status_code == 404


def test_it_keeps_the_words_of_one_who_owns_nothing_any_more(world: World) -> None:
    escalation = world.send()
    Corpus.objects.filter(owner=world.people.olga).update(owner=world.people.ada)
    response = client_of(world.people.olga).post(item_url(escalation), {"text": "It is paid in May.", "known_version": 0})
    assert response.status_code == 404
    assert "It is paid in May." in response.content.decode()


def test_it_sends_how_a_question_was_understood_only_with_the_earlier_ones(world: World) -> None:
    Answer.objects.filter(pk=world.answer.pk).update(standalone_question="Rebate after my divorce: when is it paid?")
    escalation = world.send()
    assert "divorce" not in text_of(client_of(world.people.olga), item_url(escalation))
    assert not escalation.has_turns
    escalation.delete()
    escalation = world.send(turns="1")
    assert "divorce" in text_of(client_of(world.people.olga), item_url(escalation))


@pytest.mark.parametrize(
    ("intent", "is_crisis", "rule", "is_sent"),
    [
        ("human", False, None, False),
        ("sensitive", False, None, False),
        ("human", True, None, False),
        ("human", False, "“human”", True),
    ],
)
def test_it_hands_over_by_itself_only_what_a_rule_sends(
    world: World, intent: str, is_crisis: bool, rule: str | None, is_sent: bool
) -> None:  # fmt: skip
    decision = Decision(intent, 0.9, "neutral", "normal", ("human",), rule, "Sure.", is_crisis=is_crisis)
    assert hand_to_person(world.ask("Talk to a human"), decision) is is_sent
    assert list(Escalation.objects.values_list("has_turns", flat=True)) == [False] * is_sent


# --- Who sees it ------------------------------------------------------------------------------------------------------


def test_it_is_there_for_asker_and_owner_only(world: World) -> None:
    escalation = world.send()
    for stranger in (world.people.cy, world.people.ada):
        text_of(client_of(stranger), item_url(escalation), 404)
        for name in ("ask_person", "escalation"):
            text_of(client_of(stranger), reverse(f"assistant:{name}", args=[world.answer.pk]), 404)
        for name in ("pass_on", "keep_document", "keep_example"):
            assert client_of(stranger).post(reverse(f"assistant:{name}", args=[escalation.pk])).status_code == 404
        stand = reverse("assistant:take_stand", args=[world.answer.pk])
        assert client_of(stranger).post(stand, {"helpful": "1"}).status_code == 404
    text_of(client_of(world.people.ben), item_url(escalation), 404)
    assert "Fredonia" not in text_of(client_of(world.people.ada), reverse("assistant:inbox") + "?show=all")


def test_it_is_lost_at_once_with_the_corpus(world: World) -> None:
    escalation = world.send()
    cy = client_of(world.people.cy)
    text_of(cy, item_url(escalation), 404)
    Corpus.objects.filter(pk=world.sales.pk).update(owner=world.people.cy)
    text_of(client_of(world.people.olga), item_url(escalation), 404)
    assert "Fredonia" in text_of(cy, item_url(escalation))


def test_it_falls_to_administrators_when_the_owner_leaves_or_the_corpus_is_deleted(world: World) -> None:
    escalation = world.send()
    ada = client_of(world.people.ada)
    world.people.olga.is_active = False
    world.people.olga.save()
    page = text_of(ada, item_url(escalation))
    assert REBATE not in page  # Ada administers, and does not read the Sales corpus
    assert "You asked <b>the administrators</b>" in world.thread()
    world.people.olga.is_active = True
    world.people.olga.save()
    text_of(ada, item_url(escalation), 404)
    delete_corpus(corpus=world.sales)
    assert "Fredonia" in text_of(ada, item_url(escalation))


def test_it_is_passed_on_to_a_corpus_that_both_may_read(world: World) -> None:
    escalation = world.send()
    page = text_of(client_of(world.people.olga), item_url(escalation))
    assert '<option value="handbook">' in page
    url = reverse("assistant:pass_on", args=[escalation.pk])
    client_of(world.people.olga).post(url, {"corpus": "nowhere"})
    assert Escalation.objects.get().corpus == world.sales
    client_of(world.people.olga).post(url, {"corpus": "handbook"})
    assert Escalation.objects.get().corpus == world.handbook
    text_of(client_of(world.people.olga), item_url(escalation), 404)
    text_of(client_of(world.people.ada), item_url(escalation))


# --- The reply --------------------------------------------------------------------------------------------------------


def test_it_tells_the_asker_and_nobody_else(world: World) -> None:
    token = share_conversation(conversation=world.conversation)
    escalation = world.send()
    world.reply(escalation, "Fredonia is paid on 3 March.")
    home = text_of(client_of(world.people.ben), reverse("assistant:home"))
    assert 'aria-label="New reply"' in home
    assert "on 3 March" in text_of(client_of(world.people.ben), reverse("assistant:replies"))
    shared = reverse("assistant:shared_conversation", args=[token])
    for viewer in (world.people.cy, world.people.olga):
        assert "3 March" not in text_of(client_of(viewer), shared)
        assert [turn.escalation for turn in present_conversation(world.conversation, viewer)] == [None]
    thread = world.thread()
    assert "Fredonia is paid on 3 March." in thread
    assert "<b>olga</b>" in thread
    assert 'aria-label="New reply"' not in text_of(client_of(world.people.ben), reverse("assistant:home"))
    export = text_of(client_of(world.people.ben), reverse("assistant:export_conversation", args=[world.conversation.pk]))
    assert "olga replied: Fredonia is paid on 3 March." in export


def test_it_shows_a_reply_as_text(world: World) -> None:
    world.reply(world.send(), "<img src=//evil.example/x> [here](https://evil.example)\0\x07")
    thread = world.thread()
    assert "&lt;img src=//evil.example/x&gt;" in thread
    assert "\x07" not in thread


def test_it_keeps_the_text_of_the_second_of_two_owners(world: World) -> None:
    escalation = world.send()
    world.people.ada.groups.add(world.people.sales)
    world.reply(escalation, "On 3 March.")
    Corpus.objects.filter(pk=world.sales.pk).update(owner=world.people.ada)  # who had the page open as well
    page = world.reply(escalation, "I think in April.", who="ada")
    assert "olga wrote while you were typing" in page
    assert "I think in April." in page
    assert "On 3 March." in page
    assert EscalationMessage.objects.count() == 1
    world.reply(escalation, "I think in April.", version=1, who="ada")
    assert EscalationMessage.objects.count() == 2


def test_it_takes_a_reply_sent_twice_as_one(world: World) -> None:
    escalation = world.send()
    for _ in range(2):
        page = world.reply(escalation, "On 3 March.")
        assert "while you were typing" not in page
    assert EscalationMessage.objects.filter(is_reply=True).count() == 1


@pytest.mark.parametrize(("text", "words"), [("  ", "Type the answer first."), ("x" * 10_001, "Shorten it")])
def test_it_refuses_an_empty_and_an_endless_reply(world: World, text: str, words: str) -> None:
    assert words in world.reply(world.send(), text)
    assert not EscalationMessage.objects.exists()


def test_it_goes_back_to_the_owner_when_it_did_not_help_yet(world: World) -> None:
    escalation = world.send()
    world.reply(escalation, "In spring.")
    stand = reverse("assistant:take_stand", args=[world.answer.pk])
    page = world.thread()
    assert page.count("Ask again</button>") + page.count('aria-label="Ask again"') == 1, "that is to ask the documents anew"
    assert "Send it back</button>" in page
    client_of(world.people.ben).post(stand, {"helpful": "0", "text": "Which month?"})
    inbox = text_of(client_of(world.people.olga), reverse("assistant:inbox"))
    assert "Asked again" in inbox
    assert "Which month?" in text_of(client_of(world.people.olga), item_url(escalation))
    world.reply(escalation, "March.", version=2)
    client_of(world.people.ben).post(stand, {"helpful": "1"})
    assert "You said that this helped." in world.thread()
    assert "It helped" in text_of(client_of(world.people.olga), item_url(escalation))


def test_it_exports_what_both_said_in_turn(world: World) -> None:
    escalation = world.send(note="It is about the contract of May.")
    world.reply(escalation, "In spring.")
    stand = reverse("assistant:take_stand", args=[world.answer.pk])
    client_of(world.people.ben).post(stand, {"helpful": "0", "text": "Which month?"})
    world.reply(escalation, "March.", version=2)
    export = text_of(client_of(world.people.ben), reverse("assistant:export_conversation", args=[world.conversation.pk]))
    said = ["ben wrote: It is about the contract of May.", "olga replied: In spring.", "ben wrote: Which month?"]
    assert "\n\n".join([*said, "olga replied: March."]) in export


def test_it_exports_a_reply_as_text(world: World) -> None:
    hostile = "<b>Now</b> <script>x()</script> ![see](https://evil.example/x) \\<i> &lt;u&gt; `code`\n# A title\n```\n~~~"
    world.reply(world.send(), hostile)
    export = text_of(client_of(world.people.ben), reverse("assistant:export_conversation", args=[world.conversation.pk]))
    assert "&lt;b&gt;Now&lt;/b&gt; &lt;script&gt;" in export
    assert "<" not in export
    assert "\n# A title" not in export
    assert "\n```" not in export and "\n~~~" not in export
    html = MarkdownIt("commonmark", {"html": True}).render(export)
    assert "&lt;script&gt;x()&lt;/script&gt;" in html and "![see](https://evil.example/x)" in html, "it reads as it was typed"
    assert not {tag for tag in ("<script", "<img", "<i>", "<u>", "<code", "<pre") if tag in html}


def test_it_gives_the_waiting_page_the_reply(world: World) -> None:
    escalation = world.send()
    url = reverse("assistant:escalation", args=[world.answer.pk])
    waiting = client_of(world.people.ben).get(url, headers=HTMX).content.decode()
    assert f'hx-get="{url}"' in waiting
    world.reply(escalation, "On 3 March.")
    replied = client_of(world.people.ben).get(url, headers=HTMX).content.decode()
    assert "On 3 March." in replied
    assert "hx-trigger" not in replied
    assert '<span class="tag good">New</span>' in replied
    assert Escalation.objects.get().has_news, "the page may wait in a tab that nobody looks at"
    world.thread()
    assert not Escalation.objects.get().has_news


def test_it_keeps_what_the_owner_did_when_the_asker_deletes_the_conversation(world: World) -> None:
    escalation = world.send()
    other = world.ask("Another?")
    second = escalate(answer=other, asker=world.people.ben, reason="abstained")
    world.reply(escalation, "On 3 March.")
    world.conversation.delete()
    page = text_of(client_of(world.people.olga), item_url(escalation))
    assert "On 3 March." in page
    page = world.reply(second, "Typed for nothing")
    assert "deleted this question" in page
    assert "Typed for nothing" in page
    assert "Another?" not in text_of(client_of(world.people.olga), reverse("assistant:inbox"))


def test_it_says_what_cannot_be_passed_on(world: World) -> None:
    escalation = world.send()
    world.reply(escalation, "On 3 March.")
    page = client_of(world.people.olga).post(reverse("assistant:pass_on", args=[escalation.pk]), {"corpus": ""}, follow=True)
    assert "answered already" in page.content.decode()
    assert Escalation.objects.get().corpus == world.sales


# --- The document -----------------------------------------------------------------------------------------------------


def keep(world: World, escalation: Escalation, **changes: object) -> tuple[int, str]:
    data = {"title": "When is Fredonia paid?", "text": "On 3 March.", "corpus": world.sales.pk, "audience": "everyone", **changes}
    response = client_of(world.people.olga).post(reverse("assistant:keep_document", args=[escalation.pk]), data, follow=True)
    return response.status_code, response.content.decode()


def test_it_becomes_a_document_with_readers_that_the_owner_chooses(world: World) -> None:
    escalation = world.send()
    world.reply(escalation, "On 3 March.")
    form = text_of(client_of(world.people.olga), item_url(escalation))
    assert 'value="When is the rebate of Fredonia paid?"' in form
    assert 'value="everyone"' in form
    status, page = keep(world, escalation, audience="groups", groups=[world.people.engineering.pk])
    assert status == 200
    assert "searched as soon as it is indexed" in page
    document = Document.objects.get(source_name__startswith="answers/")
    assert document.corpus == world.sales
    assert [group.name for group in document.partition.audience.groups.all()] == ["Engineering"]  # type: ignore[union-attr]
    assert "It is a document" in page
    assert document.source_name not in world.thread()  # Ben is no engineer
    assert "This is a document now" not in world.thread()


def test_it_replaces_the_document_when_made_again(world: World) -> None:
    escalation = world.send()
    world.reply(escalation, "On 3 March.")
    keep(world, escalation)
    keep(world, escalation, title="Fredonia’s date", text="On 4 March.")
    assert Document.objects.filter(source_name__startswith="answers/").count() == 1


def test_it_makes_no_document_in_a_corpus_of_others(world: World) -> None:
    escalation = world.send()
    world.reply(escalation, "On 3 March.")
    status, _ = keep(world, escalation, corpus=world.handbook.pk)
    assert status == 422
    status, page = keep(world, escalation, audience="groups", text="My better text")
    assert status == 422
    assert "My better text" in page
    assert not Document.objects.filter(source_name__startswith="answers/").exists()
