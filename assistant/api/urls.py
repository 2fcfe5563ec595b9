"""The whole API as one description: routers, how errors are told, and the documentation that is served here."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from assistant.api import chat, conversations, documents, embeddings, golden_runs, responses, searching, widget_tokens
from assistant.api.errors import ERROR_SCHEMA, REFUSALS, ApiError, error_response
from assistant.errors import UNEXPECTED
from assistant.limits.using import OVER

logger = logging.getLogger(__name__)
STREAMED = ("/v1/chat/completions", "/v1/responses")


class ProgramsAPI(NinjaAPI):
    """The gate is the access table, of which ninja knows nothing; so the description is told here how to get through it."""

    def get_openapi_schema(self, **options: Any) -> Any:
        schema = super().get_openapi_schema(**options)
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["components"]["schemas"]["Error"] = ERROR_SCHEMA
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        refusals = {str(status): {"description": words, "content": content} for status, words in REFUSALS.items()}
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                operation["responses"] |= refusals
                if path in STREAMED:
                    operation["responses"][200]["content"]["text/event-stream"] = {"schema": {"type": "object"}}
        return schema


api = ProgramsAPI(
    title="Intramural",
    version="1",
    description=(
        "Answers from the organization's own documents, with citations. Every request acts as the person of its token and never "
        "sees more than they. /v1 speaks the language of OpenAI's clients."
    ),
    urls_namespace="api",
    openapi_url="/api/openapi.json",
    docs_url="/api/docs",
    openapi_extra={"security": [{"token": []}]},
)
for _part in (chat, responses, embeddings):
    api.add_router("/v1", _part.router)
for _part in (searching, documents, conversations, golden_runs, widget_tokens):
    api.add_router("/api", _part.router)


@api.exception_handler(ApiError)
def _refused(request: HttpRequest, error: ApiError) -> HttpResponse:
    response = error_response(error.status, error.code, error.public_message, param=error.param)
    if error.code == OVER:
        response.headers["x-should-retry"] = "false"  # which OpenAI's clients read: it would be refused until tomorrow
    return response


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return error_response(404, "not_found", "There is nothing here for you at this address.")


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The first fault, by its place in what was sent; never what was sent."""
    first = error.errors[0] if error.errors else {}
    place = ".".join(str(part) for part in first.get("loc", ()) if part not in ("body", "query", "path", "file", "form"))
    parts = place.split(".", 1)  # the first is the name of our own argument
    param = parts[-1] if len(parts) > 1 else place
    return error_response(400, "invalid_request", f"{param or 'The request'}: {first.get('msg', 'is not valid')}.", param=param)


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    message = "The body is not valid JSON." if error.status_code == 400 else str(error)
    return error_response(error.status_code, "bad_request", message)


@api.exception_handler(MultiPartParserError)
def _no_form(request: HttpRequest, error: MultiPartParserError) -> HttpResponse:
    return error_response(400, "bad_request", "The form cannot be read. Send the file as multipart/form-data.", param="file")


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return error_response(413, "too_big", "The request is larger than 2.5 MB. Send less at once.")


@api.exception_handler(Exception)
def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return error_response(500, "unexpected", UNEXPECTED)


urlpatterns: Any = api.urls
