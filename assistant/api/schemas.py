"""What OpenAI's clients send, as far as it means something here; what is not named is ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field

MAX_MESSAGES = 200
MOST_TEXTS = 256
ToolChoice = Literal["none", "auto"]  # answers come from documents; no tool is called here
Text = Annotated[str, Field(min_length=1)]
_A_USER: dict[str, Any] = {"contains": {"properties": {"role": {"const": "user"}}}}


class Part(Schema):
    """A piece of a message. Only text is read."""

    type: str = "text"
    text: str = ""


class Message(Schema):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class StreamOptions(Schema):
    include_usage: bool = False


class ChatRequest(Schema):
    """`metadata.corpora`: names of corpora, separated by commas, to which the search is narrowed."""

    model: str = "intramural"
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES, json_schema_extra=_A_USER)
    stream: bool = False
    stream_options: StreamOptions | None = None
    stop: str | list[str] | None = None
    n: int | None = 1
    metadata: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    tool_choice: ToolChoice | None = None


class InputMessage(Schema):
    role: Literal["system", "developer", "user", "assistant"] = "user"
    content: str | list[Part]


class ResponseRequest(Schema):
    """`previous_response_id` continues the conversation of that answer."""

    model: str = "intramural"
    input: Text | Annotated[list[InputMessage], Field(min_length=1)]
    stream: bool = False
    previous_response_id: str | None = None
    metadata: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    tool_choice: ToolChoice | None = None


class EmbeddingRequest(Schema):
    model: str
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1)
