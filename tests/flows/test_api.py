"""OpenAI's own client against a served installation: the answers of the browser, with the rights of the token's person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.flows.conftest import secret_for
from tests.flows.installation import Installation
from tests.people import LEAVE

pytestmark = pytest.mark.slow
QUESTION = "How many days of paid annual leave do full-time employees receive?"


@pytest.fixture(scope="module")
def ben(programs: Installation) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{programs.url}/v1", api_key=secret_for(programs, "ben"), max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def cy(programs: Installation) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{programs.url}/v1", api_key=secret_for(programs, "cy"), max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, *questions: str, **options: Any) -> Any:
    messages = [{"role": "user", "content": question} for question in questions]
    return client.chat.completions.create(model="intramural", messages=messages, **options)


def test_it_answers_with_citations_that_point_at_their_numbers(ben: openai.OpenAI, programs: Installation) -> None:
    completion = ask(ben, QUESTION)
    choice = completion.choices[0]
    assert "27 days" in choice.message.content
    assert choice.finish_reason == "stop"
    annotation = choice.message.annotations[0].url_citation
    assert choice.message.content[annotation.start_index : annotation.end_index] == "[1]"
    assert annotation.title == "Leave policy"
    assert annotation.url.startswith(f"{programs.url}/answers/")
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0
    assert completion.model_extra["intramural"]["citations"][0]["quote"] in LEAVE


def test_it_streams_the_same_words_and_tells_the_usage_last(ben: openai.OpenAI) -> None:
    whole = ask(ben, QUESTION).choices[0].message.content
    chunks = list(ask(ben, QUESTION, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert not chunks[-1].choices
    assert chunks[-1].usage.total_tokens > 0


def test_it_ends_before_a_stop_sequence(ben: openai.OpenAI) -> None:
    whole = ask(ben, QUESTION).choices[0].message.content
    cut = whole[: whole.index("27")]
    assert ask(ben, QUESTION, stop="27").choices[0].message.content == cut
    pieces = ask(ben, QUESTION, stop=["no such words", "27"], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in pieces) == cut


def test_it_understands_a_follow_up_from_the_messages(ben: openai.OpenAI) -> None:
    completion = ask(ben, "How long does parental leave last?", "And at what pay?")
    assert "parental leave" in completion.model_extra["intramural"]["understood_as"].lower()


def test_it_reads_as_much_of_a_conversation_as_of_one_that_is_kept_here(ben: openai.OpenAI) -> None:
    completion = ask(ben, "x" * 100_000, *["And then? " * 150] * 150, "And in Porto?", stream=None)
    assert len(completion.model_extra["intramural"]["understood_as"]) <= 2000


def test_it_never_answers_from_what_the_tokens_person_may_not_read(ben: openai.OpenAI, cy: openai.OpenAI) -> None:
    question = "Who approves a discount above 15 percent?"
    assert "regional sales director" in ask(ben, question).choices[0].message.content
    refused = ask(cy, question)
    assert "regional sales director" not in refused.model_dump_json()
    assert refused.model_extra["intramural"]["status"] == "abstained"
    with pytest.raises(openai.NotFoundError, match="may read no corpus “Sales”"):
        ask(cy, question, metadata={"corpora": "Sales"})


def test_it_narrows_to_the_corpora_of_the_metadata(ben: openai.OpenAI) -> None:
    narrowed = ask(ben, "Who approves a discount above 15 percent?", metadata={"corpora": "Handbook"})
    assert narrowed.model_extra["intramural"]["status"] == "abstained"
    assert "regional sales director" not in narrowed.model_dump_json()


def test_it_goes_on_in_a_conversation_by_the_responses_api(ben: openai.OpenAI, cy: openai.OpenAI) -> None:
    first = ben.responses.create(model="intramural", input=QUESTION)
    assert "27 days" in first.output_text
    assert first.output[0].content[0].annotations[0].title == "Leave policy"  # type: ignore[union-attr]
    second = ben.responses.create(model="intramural", input="When do they expire?", previous_response_id=first.id)
    assert "31 March" in second.output_text
    with pytest.raises(openai.NotFoundError):
        cy.responses.create(model="intramural", input="When do they expire?", previous_response_id=first.id)


def test_it_streams_responses_as_typed_events(ben: openai.OpenAI) -> None:
    with ben.responses.stream(model="intramural", input=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds
    assert "27 days" in final.output_text


def test_it_lists_models_and_takes_one_by_name(ben: openai.OpenAI) -> None:
    names = [model.id for model in ben.models.list()]
    assert names[:2] == ["intramural", "intramural-reader"]
    completion = ben.chat.completions.create(model="intramural-reader", messages=[{"role": "user", "content": QUESTION}])
    assert completion.model_extra is not None
    assert completion.model_extra["intramural"]["route"] == "reader"
    with pytest.raises(openai.NotFoundError, match="There is no model “gpt-9”"):
        ben.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": QUESTION}])


def test_it_embeds_texts_as_unit_vectors(ben: openai.OpenAI) -> None:
    name = [model.id for model in ben.models.list()][-1]
    texts = ["annual leave", "holiday entitlement", "fire extinguisher"]
    vectors = [item.embedding for item in ben.embeddings.create(model=name, input=texts).data]
    plain = [item.embedding for item in ben.embeddings.create(model=name, input=texts, encoding_format="float").data]
    assert vectors[0] == pytest.approx(plain[0], abs=1e-6)
    assert sum(value * value for value in vectors[0]) == pytest.approx(1, abs=1e-4)
    likeness = [sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:]]
    assert likeness[0] > likeness[1]


def test_it_refuses_what_it_cannot_do_with_a_sentence(ben: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="One answer is made"):
        ask(ben, QUESTION, n=2)
    with pytest.raises(openai.BadRequestError, match="other forms of output"):
        ask(ben, QUESTION, response_format={"type": "json_object"})
    picture = [{"type": "image_url", "image_url": {"url": "http://example.org/a.png"}}]
    with pytest.raises(openai.BadRequestError, match="Only text can be read"):
        ben.chat.completions.create(model="intramural", messages=[{"role": "user", "content": picture}])  # type: ignore[list-item,misc]
    with pytest.raises(openai.BadRequestError, match="with a question in it"):
        ask(ben, " ?! ")
