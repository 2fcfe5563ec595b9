from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ingestion.parsers import sandbox
from ingestion.parsers.base import ParseError
from ingestion.parsers.sandbox import parse_file, run_job
from tests.data.office import simple_docx, simple_pptx, simple_xlsx
from tests.data.pdfs import make_pdf, paragraphs
from tests.flows.installation import wait_for

TESTS = Path(__file__).resolve().parent.parent


def job(name: str, *, readable: tuple[Path, ...] = (), **arguments: Any) -> bytes:
    return run_job(f"tests.data.jobs:{name}", arguments, readable=[TESTS, *readable])


def refusal(name: str, **arguments: Any) -> ParseError:
    with pytest.raises(ParseError) as caught:
        job(name, **arguments)
    return caught.value


@pytest.fixture
def short(settings: Any) -> None:
    settings.PARSE_SECONDS = 1
    settings.PARSE_MEMORY_MB = 512


def test_it_brings_back_what_the_child_returns() -> None:
    assert job("echo", text="grüße") == "grüße".encode()


def test_it_reads_every_kind_of_file(tmp_path: Path) -> None:
    files = {
        "a.docx": simple_docx(), "a.xlsx": simple_xlsx(), "a.pptx": simple_pptx(), "a.pdf": make_pdf([paragraphs("Words.")]),
        "a.csv": b"a,b\nc,d", "a.html": b"<p>Words</p>", "a.md": b"Words", "a.txt": b"W\xf6rter",
        "a.eml": b"Subject: Hi\n\nWords",
    }  # fmt: skip
    for name, data in files.items():
        path = tmp_path / "stored"
        path.write_bytes(data)
        assert parse_file(path, name).blocks, name


def test_it_says_that_a_file_takes_too_much_memory(short: None) -> None:
    error = refusal("eat_memory")
    assert error.code == "too_big_to_read"
    assert "Split it" in error.public_message


def test_it_ends_a_child_that_computes_for_ever(short: None) -> None:
    began = time.monotonic()
    assert refusal("loop").code == "took_too_long"
    assert time.monotonic() - began < 8


def test_it_ends_a_child_that_waits_for_ever(short: None) -> None:
    assert refusal("wait_forever").code == "took_too_long"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM])
def test_it_survives_a_child_that_dies_by_a_signal(number: int) -> None:
    assert refusal("die", number=number).code == "crashed"


@pytest.mark.parametrize("name", ["end_early", "write_nonsense"])
def test_it_refuses_a_result_that_is_none(name: str) -> None:
    assert refusal(name).code == "crashed"


def test_it_stops_a_child_that_writes_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_OUTPUT", 1024 * 1024)
    assert refusal("flood").code == "output_too_big"


def test_it_passes_a_parsers_own_refusal_on() -> None:
    error = refusal("refuse")
    assert (error.code, error.public_message, error.permanent) == ("a_code", "A sentence.", False)


def test_it_tells_nobody_what_an_unexpected_error_said(caplog: pytest.LogCaptureFixture) -> None:
    error = refusal("fail", message="the salary is 90,000")
    assert error.code == "crashed"
    assert "salary" not in str(error) + caplog.text
    assert "RuntimeError at jobs.py" in caplog.text


def test_it_gives_the_child_no_network() -> None:
    assert refusal("open_socket").code == "crashed"
    interfaces = job("interfaces", readable=(Path("/proc"),)).decode().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]


def test_it_gives_the_child_no_programs_and_no_further_processes() -> None:
    assert refusal("start_program").code == "crashed"
    assert refusal("fork").code == "crashed"


def test_it_shows_the_child_its_own_file_and_no_other(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.write_bytes(b"own")
    other.write_bytes(b"other")
    assert job("read", path=str(own), readable=(own,)) == b"own"
    assert refusal("read", path=str(other)).code == "crashed"
    assert refusal("read", path="/etc/passwd").code == "crashed"


def test_it_lets_the_child_write_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    for path in (target, tmp_path / "new"):
        with pytest.raises(ParseError):
            job("write", path=str(path), readable=(tmp_path,))
    assert target.read_bytes() == b""
    assert not (tmp_path / "new").exists()


def test_it_hands_no_secrets_to_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    assert job("environment") == b""


def test_it_leaves_the_neighbours_alone(short: None, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A good neighbour.")
    with ThreadPoolExecutor(6) as pool:
        bad = [pool.submit(refusal, name) for name in ("eat_memory", "loop", "end_early")]
        good = [pool.submit(parse_file, path, "a.txt") for _ in range(20)]
        assert all(item.result().text == "A good neighbour." for item in good)
        assert [item.result().code for item in bad] == ["too_big_to_read", "took_too_long", "crashed"]


def test_it_starts_a_new_template_when_the_old_one_was_killed() -> None:
    assert job("echo", text="before") == b"before"
    process = sandbox._template._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    assert job("echo", text="after") == b"after"


def test_it_starts_a_template_where_python_was_called_by_a_relative_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.sys, "executable", os.path.relpath(sys.executable))
    monkeypatch.setattr(sandbox, "_template", sandbox._Template())
    try:
        assert job("echo", text="read") == b"read"
    finally:
        sandbox._template.close()


def test_it_tries_again_when_the_template_dies_under_a_job(settings: Any) -> None:
    settings.PARSE_SECONDS = 20
    job("echo", text="warm")
    process = sandbox._template._process
    assert process is not None
    results: list[str] = []

    def ask() -> None:
        settings.PARSE_SECONDS = 2
        results.append(refusal("wait_forever").code)

    thread = threading.Thread(target=ask)
    thread.start()
    children = wait_for(lambda: _children_of(process.pid).split(), "a child")
    os.kill(process.pid, signal.SIGKILL)
    thread.join(timeout=30)
    assert results == ["took_too_long"]  # asked again of a new template, which ended it in its time
    assert not any(_is_running(int(child)) for child in children)  # and the first child went with its template


def _children_of(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def test_it_says_for_now_when_no_template_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox._template.close()
    monkeypatch.setattr(sandbox, "_START", "raise SystemExit")
    error = refusal("echo", text="x")
    assert (error.code, error.permanent) == ("reader_unavailable", False)


def test_it_warns_once_when_there_is_no_network_namespace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox._template.close()
    denied = (
        "from ingestion.parsers import confinement; confinement.leave_network = lambda: False; from ingestion.parsers.template"
    )
    monkeypatch.setattr(sandbox, "_START", sandbox._START.replace("from ingestion.parsers.template", denied))
    with caplog.at_level(logging.WARNING):
        job("echo", text="a")
        job("echo", text="b")
        assert refusal("open_socket").code == "crashed"
    assert caplog.text.count("network namespace") == 1
    sandbox._template.close()


def _ask_in_another_process(results: Any) -> None:
    answer = job("echo", text="from a daemon")
    process = sandbox._template._process
    results.put((answer, process.pid if process else 0))
    sandbox._template.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_it_works_in_a_forked_daemon_as_a_celery_worker_is() -> None:
    """The fork starts a template of its own and leaves its parent's alone."""
    job("echo", text="warm")
    parents = sandbox._template._process
    assert parents is not None
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=_ask_in_another_process, args=(results,), daemon=True)
    with sandbox._template._lock:  # as when another thread is asking at the moment of the fork
        process.start()
    answer, template = results.get(timeout=40)
    process.join(timeout=30)
    assert answer == b"from a daemon"
    assert template != parents.pid
    assert job("echo", text="still there") == b"still there"
    assert sandbox._template._process is parents


def test_it_leaves_no_template_behind_when_its_process_is_killed() -> None:
    program = (
        "import os, signal\nfrom django.conf import settings\nsettings.configure()\n"
        "from ingestion.parsers import sandbox\n"
        f"sandbox.run_job('tests.data.jobs:echo', {{'text': ''}}, readable=[__import__('pathlib').Path({str(TESTS)!r})])\n"
        "print(sandbox._template._process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=TESTS.parent, timeout=60
    )
    assert result.returncode == -signal.SIGKILL
    pid = int(result.stdout)
    wait_for(lambda: not _is_running(pid), "the end of the template", 10)


def _is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_costs_little_for_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Few words.")
    parse_file(path, "a.txt")
    took = []
    for _ in range(15):
        began = time.perf_counter()
        parse_file(path, "a.txt")
        took.append(time.perf_counter() - began)
    assert sorted(took)[len(took) // 2] < 0.15
