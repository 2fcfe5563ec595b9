"""The stream of an answer: its frames, their order, and who gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient, Client
from django.urls import reverse

from assistant import sse, streams
from assistant.events import AnswerEvent, Failed, Finished, Queued, Routed, Sentence, Sources, Understood
from assistant.models import Answer, AnswerState
from assistant.services import stop_answer
from tests.assistant.rows import make_answer, make_answered, make_document
from tests.people import People, make_corpora

Follow = Callable[[int, Any], AsyncIterator[AnswerEvent]]


def play(*events: AnswerEvent, before_end: Callable[[], object] = int) -> Follow:
    """A `follow` that tells these events; `before_end` happens before the last."""

    async def follow(answer_id: int, user: object) -> AsyncIterator[AnswerEvent]:
        for event in events[:-1]:
            yield event
        await sync_to_async(before_end)()
        yield events[-1]

    return follow


def frames_of(answer: Answer, user: Any) -> list[str]:
    async def collect() -> list[bytes]:
        return [frame async for frame in sse.answer_frames(answer.pk, user, "token")]

    return [frame.decode() for frame in async_to_sync(collect)()]


def test_it_gives_every_line_of_the_data_its_own_field() -> None:
    frame = sse.frame("step", "<p>one\r\ntwo\rthree\n\nfour</p>\n")
    assert frame == b"event: step\ndata: <p>one\ndata: two\ndata: three\ndata: \ndata: four</p>\n\n"


def test_it_keeps_line_separators_that_do_not_end_a_field() -> None:
    assert sse.frame("step", "a\u2028b\x0bc").decode() == "event: step\ndata: a\u2028b\x0bc\n\n"


def test_it_tells_steps_then_sentences_then_the_whole_answer(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_answer(people.ben, "and contractors?")

    def finish() -> None:
        Answer.objects.filter(pk=row.pk).update(state=AnswerState.ABSTAINED, corpora_searched=2)

    events = (Understood("What of contractors?"), Routed("extractive", "m"), Sources(1, 12), Sentence("<b>27</b> days.", (1,)))
    monkeypatch.setattr(sse, "follow", play(*events, Finished("abstained"), before_end=finish))
    frames = frames_of(row, people.ben)
    assert [frame.split("\n")[0] for frame in frames] == ["event: step"] * 3 + ["event: sentence", "event: done"]
    assert "What of contractors?" in frames[0]
    assert "Searched 1 corpus" in frames[2]
    assert "12 passages" in frames[2]
    assert "&lt;b&gt;27&lt;/b&gt; days." in frames[3]
    assert reverse("assistant:citation", args=[row.pk, 1]) in frames[3]
    assert f'id="answer-{row.pk}"' in frames[4]
    assert "No answer was found" in frames[4]


def test_it_says_how_many_are_before_it_and_no_longer_once_its_turn_has_come(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    row = make_answer(people.ben, "How many days?")
    monkeypatch.setattr(sse, "follow", play(Sources(1, 12), Queued(2), Queued(1), Queued(0), Queued(None), Finished("stopped")))
    found, two, one, none, its_turn, _ = frames_of(row, people.ben)
    assert "Busy: 2 questions are before yours" in two
    assert "12 passages" in two
    assert "Busy: 1 question is before yours" in one
    assert "Busy: yours is next" in none
    assert "Busy" not in found + its_turn


def test_it_says_how_many_wait_for_a_thread_before_it(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    class AllTaken:
        def submit(self, *_: object) -> None:
            return

    monkeypatch.setattr(streams, "_executor", AllTaken)
    monkeypatch.setattr(streams, "_channels", {})
    monkeypatch.setattr(streams, "_queue", {})
    rows = [make_answer(person, "How many days?") for person in (people.ada, people.ben)]
    for row in rows:
        streams.run_in_background(row)

    async def first_frame() -> bytes:
        frames = sse.answer_frames(rows[1].pk, people.ben, "token")
        first = await asyncio.wait_for(anext(frames), 2)
        await frames.aclose()  # type: ignore[attr-defined]
        return first

    assert b"Busy: 1 question is before yours" in async_to_sync(first_frame)()


def test_it_does_not_repeat_a_question_that_was_understood_as_typed(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_answer(people.ben, "How many days?")
    monkeypatch.setattr(sse, "follow", play(Understood("How many days?"), Finished("stopped")))
    assert "Understood as" not in frames_of(row, people.ben)[0]


def test_it_sends_the_first_event_before_the_last_one_is_made(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_answer(people.ben, "How many days?")

    async def first_frame() -> bytes:
        may_end = asyncio.Event()

        async def follow(answer_id: int, user: object) -> AsyncIterator[AnswerEvent]:
            yield Sources(1, 12)
            await may_end.wait()
            yield Finished("answered")

        monkeypatch.setattr(sse, "follow", follow)
        frames = sse.answer_frames(row.pk, people.ben, "token")
        first = await asyncio.wait_for(anext(frames), 2)
        await frames.aclose()  # type: ignore[attr-defined]
        return first

    assert async_to_sync(first_frame)().startswith(b"event: step")


def test_it_beats_while_nothing_happens() -> None:
    async def beats() -> list[AnswerEvent | None]:
        release = asyncio.Event()

        async def slow() -> AsyncIterator[AnswerEvent]:
            await release.wait()
            yield Finished("answered")

        seen: list[AnswerEvent | None] = []
        async for event in sse.with_heartbeats(slow(), every_s=0.01):
            seen.append(event)
            if len(seen) == 2:
                release.set()
        return seen

    seen = async_to_sync(beats)()
    assert seen[:2] == [None, None]
    assert seen[-1] == Finished("answered")


def test_it_ends_a_failure_with_its_sentence(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_answer(people.ben, "How many days?", state=AnswerState.ANSWERING)
    monkeypatch.setattr(sse, "follow", play(Understood("How many days?"), Failed("The index is <away>. Ask again.")))
    Answer.objects.filter(pk=row.pk).update(state=AnswerState.ANSWERING)
    done = frames_of(row, people.ben)[-1]
    assert done.startswith("event: done")
    assert "The index is &lt;away&gt;. Ask again." in done
    assert reverse("assistant:retry", args=[row.pk]) in done


def test_it_does_not_replay_a_finished_answer_past_the_gate(people: People) -> None:
    _, sales = make_corpora(people)
    document = make_document(sales, "Discounts", ["Above 15 percent the director decides."])
    row = make_answered(people.ben, "Who decides?", [(document, "Above 15 percent the director decides.")])
    people.ben.groups.clear()
    frames = frames_of(row, people.ben)
    assert len(frames) == 1
    assert "director" not in frames[0]
    assert "This answer is hidden from you, because you cannot open everything it was made from." in frames[0]


def test_it_ends_when_the_answer_is_deleted_meanwhile(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_answer(people.ben, "How many days?")
    delete = row.conversation.delete
    monkeypatch.setattr(sse, "follow", play(Sources(1, 1), Sentence("27 days.", (1,)), before_end=delete))
    done = frames_of(row, people.ben)[-1]
    assert done.startswith("event: done")
    assert "can no longer be followed" in done


def test_it_streams_to_the_asker_alone(people: People) -> None:
    row = make_answer(people.ben, "How many days?", state=AnswerState.STOPPED)

    async def get(user: Any) -> Any:
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get(reverse("assistant:stream", args=[row.pk]))
        body = b"".join([part async for part in response]) if response.streaming else response.content
        return response, body

    response, body = async_to_sync(get)(people.ben)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    assert response["X-Accel-Buffering"] == "no"
    assert response["Cache-Control"] == "no-store"
    assert body.startswith(b"event: done")
    for stranger in (people.ada, people.cy):
        assert async_to_sync(get)(stranger)[0].status_code == 404


def test_it_stops_an_answer_for_its_reader(people: People, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_answer(people.ben, "How many days?")
    monkeypatch.setattr(streams, "POLL_S", 0.001)
    stop_answer(answer=row)
    assert "You stopped this answer" in frames_of(row, people.ben)[-1]
