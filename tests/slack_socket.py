"""Slack's end of Socket Mode on loopback: tells an envelope again over the next connection until it is acknowledged."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class SlackSocket:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/link"
        self.waiting: dict[str, dict[str, Any]] = {}
        self.replies: dict[str, dict[str, Any]] = {}  # by envelope, what was acknowledged with
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def tell(self, envelope_id: str, kind: str, payload: dict[str, Any]) -> None:
        envelope = {"envelope_id": envelope_id, "type": kind, "payload": payload, "accepts_response_payload": True}
        with self._lock:
            self.waiting[envelope_id] = envelope
            if self._connection is not None:
                self._send(self._connection, TEXT, json.dumps(envelope).encode())

    def close(self) -> None:
        self._listener.close()
        if self._connection is not None:
            self._connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + GUID).encode()).digest()).decode()
            lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
            connection.sendall("\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", "", ""]).encode())
            with self._lock:
                self._send(connection, TEXT, json.dumps({"type": "hello", "num_connections": 1}).encode())
                for envelope in self.waiting.values():
                    self._send(connection, TEXT, json.dumps(envelope).encode())
                self._connection = connection
            while self._read(connection, stream):
                pass
        with self._lock:
            self._connection = None if self._connection is connection else self._connection

    def _read(self, connection: socket.socket, stream: Any) -> bool:
        start = stream.read(2)
        if len(start) < 2:
            return False
        length = start[1] & 127
        if length == 126:
            (length,) = struct.unpack("!H", stream.read(2))
        mask, masked = stream.read(4), stream.read(length)
        data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
        with self._lock:
            if start[0] & 15 == PING:
                self._send(connection, PONG, data)
            elif start[0] & 15 == TEXT:
                said = json.loads(data)
                self.waiting.pop(said["envelope_id"], None)
                self.replies[said["envelope_id"]] = said.get("payload") or {}
        return start[0] & 15 != CLOSE

    def _send(self, connection: socket.socket, opcode: int, data: bytes) -> None:
        size = bytes([len(data)]) if len(data) < 126 else struct.pack("!BH", 126, len(data))
        with suppress(OSError):
            connection.sendall(bytes([128 | opcode]) + size + data)


@contextmanager
def slack_socket() -> Iterator[SlackSocket]:
    served = SlackSocket()
    try:
        yield served
    finally:
        served.close()
