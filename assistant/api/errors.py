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
