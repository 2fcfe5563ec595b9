"""Errors as OpenAI's clients read them: {"error": {"message", "type", "param", "code"}}. Every message is for a person."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import JsonResponse

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """A request that is refused. `param`: the part of the request at fault."""

    def __init__(self, status: int, code: str, public_message: str, *, param: str | None = None) -> None:
        super().__init__(f"{status} {code}: {public_message}")
        self.status = status
        self.code = code
        self.public_message = public_message
        self.param = param


@dataclass(frozen=True, slots=True)
class ErrorBody:
    status: int
    code: str
    message: str
    param: str | None = None

    def as_dict(self) -> dict[str, dict[str, str | None]]:
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def error_response(status: int, code: str, message: str, *, param: str | None = None) -> JsonResponse:
    response = JsonResponse(ErrorBody(status, code, message, param).as_dict(), status=status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def answer_error(error: ErrorBody) -> JsonResponse:
    """Of a question that was taken: asking it again by itself would only make another conversation of it."""
    response = error_response(error.status, error.code, error.message)
    response.headers["x-should-retry"] = "false"  # which OpenAI's clients read
    return response


REFUSALS = {
    400: "The request cannot be understood or met.",
    401: "There is no valid token.",
    403: "The token lacks the scope.",
    404: "There is nothing of that name for the token's person.",
    405: "The address takes other methods.",
    409: "Something else is under way.",
    413: "The request is too large.",
    429: "Too many requests or questions, or a limit of the day is reached.",
    500: "Something went wrong here.",
    503: "It cannot be done now.",
    507: "The server has no room.",
}
ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "for a person: what happened and what to do"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "the part of the request at fault"},
                "code": {"type": "string"},
            },
        }
    },
}
