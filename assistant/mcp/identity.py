"""Who calls a tool: the token of the request, or of the process that an agent has started."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from mcp.server.mcpserver.exceptions import ToolError

from assistant.api.errors import ApiError
from assistant.api.gate import NOT_VALID
from assistant.api.models import ApiToken
from assistant.api.tokens import SCOPES, count_request, valid_tokens
from ingestion.connections import in_thread
from retrieval.errors import RetrievalError

T = TypeVar("T")
current_token: ContextVar[int] = ContextVar("current_token")  # its primary key
counts_calls: ContextVar[bool] = ContextVar("counts_calls")  # where no request has been counted already
absolute: ContextVar[Callable[[str], str]] = ContextVar("absolute")  # from a path to this installation's address


def token_for(scope: str) -> ApiToken:
    """The caller's token, looked up anew at each call, so that a revoked one opens nothing. Raises ToolError."""
    token = valid_tokens().select_related("user").filter(pk=current_token.get(0)).first()
    if token is None:
        raise ToolError(NOT_VALID)
    if scope not in token.scopes:
        raise ToolError(f"This token may not do this. It needs “{scope}”: {SCOPES[scope].lower()}.")
    if counts_calls.get(False) and (allowance := count_request(token)).is_exceeded:
        raise ToolError(f"More than {allowance.limit} calls in a minute. Wait {allowance.reset_s} seconds.")
    return token


async def work_for_tool(work: Callable[[], T]) -> T:
    """Database work off the event loop; what it may say to a person becomes the tool's error."""

    def run() -> T:
        try:
            return work()
        except (ApiError, RetrievalError) as error:
            raise ToolError(error.public_message) from None

    return await in_thread(run)
