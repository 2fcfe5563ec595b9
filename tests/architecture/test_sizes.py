from __future__ import annotations

import ast
from pathlib import Path

from tests.environment import ROOT

APPS = ["config", "retrieval", "ingestion", "specialists", "assistant"]
FUNCTION_LINES = 60
FILE_LINES = 420
SCRIPT_LINES = 850  # with the widget's two, on other people's pages and in the frame
SLACK_CLIENTS = {ROOT / "assistant" / "slack" / name for name in ("client.py", "socket.py", "views.py")}  # views: signatures
SERVER_CLIENT = ROOT / "specialists" / "language_models" / "openai_server.py"


def _sources() -> list[Path]:
    return [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]


def test_it_keeps_files_and_functions_readable() -> None:
    too_long = []
    for path in _sources():
        text = path.read_text()
        name = path.relative_to(ROOT)
        if text.count("\n") > FILE_LINES:
            too_long.append(f"{name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= FUNCTION_LINES:  # type: ignore[operator]
                too_long.append(f"{name}: {node.name}")
    assert too_long == []


def test_it_keeps_its_own_scripts_small() -> None:
    lines = {path.name: path.read_text().count("\n") for path in (ROOT / "static").rglob("*.js")}
    assert sum(lines.values()) <= SCRIPT_LINES, lines


def test_it_loads_nothing_that_can_run_code() -> None:
    """Pickle and its relatives, eval, and model formats that unpickle."""
    forbidden = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    calls = {"eval", "exec"}
    found = []
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if any(name.split(".")[0] in forbidden for name in names):
                found.append(f"{path}: {names}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls:
                found.append(f"{path}: {node.func.id}")
            is_switch = isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "trust_remote_code")
            if is_switch and not (isinstance(node.value, ast.Constant) and node.value.value is False):
                found.append(f"{path}: {node.arg}")
    assert found == []


def test_it_fetches_nothing_by_itself() -> None:
    """No module of the product imports a client for other hosts, but the one that speaks with the language model's server, whose
    address must be inside (see test_openai_server.py), and those of the Slack door, which is off by default."""
    clients = {"requests", "httpx", "aiohttp", "urllib.request", "http.client", "smtplib", "ftplib", "slack_sdk", "slack_bolt"}
    found = []
    for path in (source for source in _sources() if source != SERVER_CLIENT and source not in SLACK_CLIENTS):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found += [f"{path}: {name}" for name in names if name in clients or name.split(".")[0] in clients]
    assert found == []
