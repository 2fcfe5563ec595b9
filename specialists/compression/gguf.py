"""A model's folder as a GGUF file, by llama.cpp's own converter and quantiser, and that file behind llama.cpp's own server for as
long as it is judged."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retrieval.files import fsync_path
from specialists.compression.folders import check_free
from specialists.errors import SpecialistError
from specialists.language_models.folders import ModelFolder
from specialists.language_models.openai_server import OpenAIServer
from specialists.language_models.types import Message

CONVERTED = ("f16", "bf16", "q8_0")  # the converter writes them itself
QUANTISED = ("q6_k", "q5_k_m", "q4_k_m")
KINDS = (*CONVERTED, *QUANTISED)
SUFFIX = ".gguf"
START_S = 600.0  # a large file on a slow disk
LOOK_EVERY_S = 0.5
HOW = "Build it with make llama-server, or name the folder where it is built with LLAMA_CPP_DIR."


@dataclass(frozen=True, slots=True)
class Tools:
    """What bin/build-llama-server makes, in `folder`."""

    folder: Path

    def find(self, name: str) -> Path:
        """Raises SpecialistError `tool_missing`."""
        found = self.folder / "bin" / name
        if not found.is_file():
            raise SpecialistError("tool_missing", f"llama.cpp's {name} is not in {found.parent}. {HOW}", permanent=True)
        return found


def check_gguf(kind: str, output: Path, tools: Tools) -> None:
    """Raises SpecialistError for what can be seen before anything is made."""
    if output.suffix != SUFFIX:
        raise SpecialistError("bad_output", f"A GGUF is a file: give an --output that ends in {SUFFIX}.", permanent=True)
    check_free(output)
    for name in ("convert-to-gguf", "llama-server", *(["llama-quantize"] if kind in QUANTISED else [])):
        tools.find(name)


def write_gguf(folder: ModelFolder, kind: str, output: Path, tools: Tools) -> None:
    """The file, there wholly or not at all. Raises SpecialistError `not_converted`."""
    check_gguf(kind, output, tools)
    whole, smaller = (output.with_name(f".{output.stem}.{name}{SUFFIX}") for name in ("whole", "smaller"))
    output.parent.mkdir(parents=True, exist_ok=True)
    direct = kind if kind in CONVERTED else "f16"
    try:
        _run([str(tools.find("convert-to-gguf")), str(folder.path), "--outfile", str(whole), "--outtype", direct], whole)
        if kind in QUANTISED:
            _run([str(tools.find("llama-quantize")), str(whole), str(smaller), kind], smaller)
        made = smaller if kind in QUANTISED else whole
        fsync_path(made)
        made.rename(output)
        fsync_path(output.parent)
    finally:
        for path in (whole, smaller):
            path.unlink(missing_ok=True)


def _run(command: list[str], file: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not file.is_file():
        said = next((line for line in reversed(f"{done.stdout}\n{done.stderr}".splitlines()) if line.strip()), "nothing")
        message = f"{Path(command[0]).name} could not make {file.name}. It said: {said.strip()[:300]}"
        raise SpecialistError("not_converted", message, permanent=True)


@dataclass(frozen=True, slots=True)
class Served:
    """The file behind llama-server: a LanguageModel, and the process that has it in memory."""

    model: OpenAIServer
    process: int

    def memory_bytes(self) -> int | None:
        """The most that the process had in memory: the file, its cache and the program. None where the system does not say."""
        try:
            found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process}/status").read_text(), re.MULTILINE)
        except OSError:
            return None
        return int(found[1]) * 1024 if found else None


@contextmanager
def served(file: Path, tools: Tools, *, tokenizer: Path, window: int) -> Iterator[Served]:
    """On a port of this host alone, with one place. Raises SpecialistError `model_unreachable`."""
    port = _free_port()
    command = [
        str(tools.find("llama-server")), "--model", str(file), "--host", "127.0.0.1", "--port", str(port),
        "--ctx-size", str(window), "--parallel", "1",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LLAMA_ARG_")}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        _wait(process, url, file)
        model = OpenAIServer(url=url, model=file.stem, window=window, tokenizer=str(tokenizer), requests=1, timeout_s=600.0)
        yield Served(model, process.pid)
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, file: Path) -> None:
    """Until it answers. Each try has a client of its own, since one that failed is left alone for a while."""
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            for _ in OpenAIServer(url=url, model=file.stem).generate([Message("user", "Hello")], most_tokens=1):
                return
        except SpecialistError:
            time.sleep(LOOK_EVERY_S)
    raise SpecialistError("model_unreachable", f"llama-server did not start with {file}.", permanent=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
