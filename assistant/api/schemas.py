"""What OpenAI's clients send, as far as it means something here; what is not named is ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool

MAX_MESSAGES = 200
MOST_TEXTS = 256
_WORD = "[A-Za-z0-9]"  # of the description: what is asked may be in any script
ToolChoice = Literal["none", "auto"]  # answers come from documents; no tool is called here
Text = Annotated[str, Field(min_length=1)]
_ASKS: dict[str, Any] = {
    "contains": {
        "required": ["role", "content"],
        "properties": {"role": {"const": "user"}, "content": {"type": "string", "pattern": _WORD}},
    }
}


class Part(BaseModel):
    """A piece of a message. Only text is read."""

    type: str = Field(default="text", json_schema_extra={"enum": ["text", "input_text", "output_text"]})
    text: str = ""


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    include_usage: StrictBool | None = False


_One = Annotated[int, Field(json_schema_extra={"const": 1})]


class ChatRequest(BaseModel):
    """`metadata.corpora`: names of corpora, separated by commas, to which the search is narrowed."""

    model: str = "intramural"
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES, json_schema_extra=_ASKS)
    stream: StrictBool | None = False
    stream_options: StreamOptions | None = None
    stop: str | list[str] | None = None
    n: _One | None = 1
    metadata: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    tool_choice: ToolChoice | None = None


class InputMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant"] = "user"
    content: str | list[Part]


class TextOptions(BaseModel):
    format: dict[str, Any] | None = None


_Words = Annotated[str, Field(json_schema_extra={"pattern": _WORD})]
_Messages = Annotated[list[InputMessage], Field(json_schema_extra=_ASKS)]


class ResponseRequest(BaseModel):
    """`previous_response_id` continues the conversation of that answer."""

    model: str = "intramural"
    input: (
        Annotated[str, Field(json_schema_extra={"pattern": _WORD})]
        | Annotated[list[InputMessage], Field(json_schema_extra=_ASKS)]
    )
    stream: StrictBool | None = False
    previous_response_id: str | None = None
    metadata: dict[str, Any] | None = None
    text: TextOptions | None = None
    tool_choice: ToolChoice | None = None


class EmbeddingRequest(BaseModel):
    model: str
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1)
