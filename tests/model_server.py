"""A server that speaks OpenAI's streaming chat protocol on loopback, and answers as a test wants: soundly, late, or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """`pieces` are sent one by one, as they come; `raw` instead of them, as it is. `waits_for`: what must happen before the last
    piece."""

    pieces: Iterable[str] = ()
    status: int = 200
    raw: bytes = b""
    content_type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    finish: str = "stop"
    waits_for: threading.Event | None = None


@dataclass
class ModelServer:
    """`answer`: from a request's body to its reply. `requests`: the bodies, in order; `paths`: where they were sent; `keys`:
    their Authorization headers."""

    url: str
    answer: Callable[[Request], Reply]
    requests: list[Request] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@contextmanager
def model_server(answer: Callable[[Request], Reply]) -> Iterator[ModelServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.requests.append(body)
            served.paths.append(self.path)
            served.keys.append(self.headers.get("Authorization", ""))
            reply = served.answer(body)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for chunk in chunks(reply):
                    self.wfile.write(chunk)
                    self.wfile.flush()
            except OSError:  # the client has gone
                return

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = ModelServer(f"http://127.0.0.1:{server.server_port}/v1", answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chunks(reply: Reply) -> Iterator[bytes]:
    if reply.raw or reply.status != 200:
        yield reply.raw
        return
    number, last = 0, len(list(reply.pieces)) if reply.waits_for else 0
    for number, piece in enumerate(reply.pieces, start=1):
        if reply.waits_for and number == last:
            reply.waits_for.wait(20)
        yield event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
    if reply.finish:
        yield event({"choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]})
        yield event({"choices": [], "usage": {"prompt_tokens": 120, "completion_tokens": number}})
        yield b"data: [DONE]\n\n"


def event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()
