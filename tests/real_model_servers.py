"""Real servers of language models on loopback, with the tests' own tiny models: llama.cpp's, and transformers' own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.environment import ROOT
from tests.flows.installation import free_port, wait_for

LLAMA = Path(os.environ.get("LLAMA_SERVER") or ROOT / ".llama" / "bin" / "llama-server")
HAS_LLAMA = LLAMA.is_file()
HAS_SERVE = all(find_spec(package) for package in ("fastapi", "openai"))
needs_llama = pytest.mark.skipif(
    not HAS_LLAMA, reason="There is no llama-server: make llama-server builds it, or LLAMA_SERVER names it."
)
needs_serve = pytest.mark.skipif(
    not HAS_SERVE, reason="transformers serve needs more packages: pip install -r requirements-servers.txt"
)
START_S = 300  # torch is loaded, and others may use the machine

# The converter knows a tokenizer by what it makes of one text, and so no tokenizer that was trained for a test. This one cuts its
# text as GPT-2's does.
CONVERT = """
import runpy, sys
sys.path[:0] = sys.argv[1:4]
from conversion import base
base.TextModel.get_vocab_base_pre = lambda *_: "gpt-2"
del sys.argv[1:4]
runpy.run_path(sys.path[0] + "/convert_hf_to_gguf.py", run_name="__main__")
"""


@dataclass
class RealServer:
    """`name`: of the model, as it calls it."""

    command: list[str]
    name: str
    port: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._is_up, f"{self.command[0]} on {self.port}", START_S)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def slots(self) -> list[dict[str, Any]]:
        """What llama-server is doing."""
        return list(httpx.get(f"http://127.0.0.1:{self.port}/slots", timeout=10).json())

    def is_busy(self) -> bool:
        return any(slot["is_processing"] for slot in self.slots())

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.command} ended with status {self.process.returncode}"
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def llama_server(gguf: Path, *, window: int = 2048, places: int = 1) -> Iterator[RealServer]:
    port = free_port()
    sizes = ["--ctx-size", str(window * places), "--parallel", str(places), "--threads", "1"]
    command = [str(LLAMA), "--model", str(gguf), "--host", "127.0.0.1", "--port", str(port), "--slots", "--no-webui", *sizes]
    yield from _running(RealServer(command, gguf.stem, port, dict(os.environ)))


@contextmanager
def transformers_serve(folder: Path) -> Iterator[RealServer]:
    port = free_port()
    serve = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"
    command = [sys.executable, "-c", serve, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    yield from _running(RealServer(command, str(folder), port, {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}))


def _running(server: RealServer) -> Iterator[RealServer]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


def to_gguf(folder: Path, file: Path) -> Path:
    """All its numbers in 32 bits, by llama.cpp's own converter."""
    return _made([*_converter(), str(folder), "--outfile", str(file), "--outtype", "f32"], file)


def llama_folder(folder: Path) -> Path:
    """What bin/build-llama-server makes, with a converter that takes the tests' tokenizers."""
    (folder / "bin").mkdir(parents=True)
    for name in ("llama-server", "llama-quantize"):
        (folder / "bin" / name).symlink_to(LLAMA.resolve().with_name(name))
    converter = folder / "bin" / "convert-to-gguf"
    converter.write_text(f'#!/bin/sh\nHF_HUB_OFFLINE=1 exec {shlex.join(_converter())} "$@"\n')
    converter.chmod(0o755)
    return folder


def _converter() -> list[str]:
    root = LLAMA.resolve().parent.parent
    source = root / "source" / "vendor" / "llama.cpp"
    return [sys.executable, "-c", CONVERT, *(str(path) for path in (source, source / "gguf-py", root / "packages"))]


def quantised(whole: Path, file: Path, kind: str) -> Path:
    return _made([str(LLAMA.with_name("llama-quantize")), str(whole), str(file), kind], file)


def _made(command: list[str], file: Path) -> Path:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0 and file.is_file(), done.stdout[-2000:] + done.stderr[-2000:]
    return file


def tokens_of(server: RealServer, prompt: list[int], most: int) -> list[int]:
    """The likeliest next tokens, as llama-server counts them."""
    asked = {"prompt": prompt, "n_predict": most, "temperature": 0, "return_tokens": True, "cache_prompt": False}
    response = httpx.post(f"http://127.0.0.1:{server.port}/completion", json=asked, timeout=60)
    assert response.status_code == 200, response.text
    return list(json.loads(response.text)["tokens"])
