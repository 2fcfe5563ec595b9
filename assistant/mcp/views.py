"""Streamable HTTP: one request, one reply, no session. The access table has checked the token."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from assistant.api.errors import error_response
from assistant.api.gate import ApiRequest


@csrf_exempt  # a token is shown with each request; cookies count for nothing here
async def mcp(request: HttpRequest) -> HttpResponse:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from assistant.mcp.identity import absolute, current_token
    from assistant.mcp.tools import get_server

    try:
        body = request.body
    except RequestDataTooBig:
        return error_response(413, "too_big", "The request is larger than 2.5 MB. Send less at once.")
    current_token.set(cast(ApiRequest, request).token.pk)
    absolute.set(request.build_absolute_uri)
    reply = _Reply()
    server = get_server()._lowlevel_server
    longest = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=longest)
    async with manager.run():
        await manager.handle_request(_scope(request), _Body(body).receive, reply.send)
    return reply.response()


def _scope(request: HttpRequest) -> dict[str, Any]:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
    return {
        "type": "http", "http_version": "1.1", "method": request.method, "path": request.path, "raw_path": request.path.encode(),
        "root_path": "", "query_string": b"", "scheme": request.scheme, "headers": headers, "server": None, "client": None,
    }  # fmt: skip


class _Body:
    """The request's body as an ASGI application receives it."""

    def __init__(self, body: bytes) -> None:
        self.messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop() if self.messages else {"type": "http.disconnect"}


class _Reply:
    """What an ASGI application sends, gathered."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 500, [(b"content-type", b"application/json")], b""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        else:
            self.body += message.get("body", b"")

    def response(self) -> HttpResponse:
        response = HttpResponse(self.body, status=self.status)
        for name, value in self.headers:
            if name.lower() != b"content-length":
                response.headers[name.decode("latin-1")] = value.decode("latin-1")
        return response
