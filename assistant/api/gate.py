"""The first gate of programs: a valid token in the Authorization header, with the scope that the route asks for."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from assistant.api.errors import error_response
from assistant.api.models import ApiToken
from assistant.api.tokens import ALL_SCOPES, Allowance, count_request, token_of

SEND_ONE = "Send a token: “Authorization: Bearer im_…”. Make one in the browser, under your name, at “Access for programs”."
NOT_VALID = "This token is not valid: unknown, revoked, expired, or its person may not sign in any more. Make a new one."


class ApiRequest(HttpRequest):
    """A request that passed the gate. Its person is the token's, whatever session the browser may have."""

    user: User
    token: ApiToken
    allowance: Allowance


def refusal_without_token(request: HttpRequest, scope: str) -> HttpResponse | None:
    """None when the token opens the route; the request then acts as the token's person. Cookies count for nothing here, so that
    no page elsewhere can use a browser's session."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        return error_response(401, "missing_token", SEND_ONE)
    token = token_of(secret.strip())
    if token is None:
        return error_response(401, "invalid_api_key", NOT_VALID)
    request.user, request.token = token.user, token  # type: ignore[attr-defined]
    request.allowance = allowance = count_request(token)  # type: ignore[attr-defined]
    if allowance.is_exceeded:
        return _too_many(allowance)
    if scope and scope not in token.scopes:
        return error_response(
            403, "missing_scope", f"This token may not do this. It needs “{scope}”: {ALL_SCOPES[scope].lower()}."
        )
    return None


def add_limits(request: HttpRequest, response: HttpResponseBase) -> None:
    """The headers by which clients pace themselves."""
    allowance: Allowance | None = getattr(request, "allowance", None)
    if allowance is not None:
        response.headers["x-ratelimit-limit-requests"] = str(allowance.limit)
        response.headers["x-ratelimit-remaining-requests"] = str(allowance.remaining)
        response.headers["x-ratelimit-reset-requests"] = f"{allowance.reset_s}s"


def _too_many(allowance: Allowance) -> HttpResponse:
    response = error_response(
        429, "rate_limit_exceeded", f"More than {allowance.limit} requests in a minute. Wait {allowance.reset_s} seconds."
    )
    response.headers["Retry-After"] = str(allowance.reset_s)
    return response
