from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant.management.commands.serve import web_command
from config.celery import app
from tests.environment import ROOT


def test_it_passes_the_deployment_checks_without_a_warning() -> None:
    environment = {**os.environ, "INTRAMURAL_HTTPS": "1", "ALLOWED_HOSTS": "intramural.example.org"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_it_refuses_an_odd_setting_by_its_name() -> None:
    environment = {**os.environ, "INTRAMURAL_HTTPS": "yes"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "INTRAMURAL_HTTPS must be 1 or 0, not 'yes'." in done.stderr


@pytest.mark.parametrize("profile", [None, "gpu", "vllm", "llama-server"])
def test_it_has_a_compose_file_that_the_compose_schema_accepts(profile: str | None, tmp_path: Path) -> None:
    secrets = {name: tmp_path / name for name in ("secret_key", "database_password")}
    for path in secrets.values():
        path.write_text("x" * 60)
    options = ["--profile", profile] if profile else []
    done = subprocess.run(
        ["docker-compose", *options, "-f", "docker-compose.yml", "config", "--quiet"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_it_serves_in_the_container_as_it_does_in_the_tests() -> None:
    """The worker's, the broker's and the preparing command are run by the flow tests, straight from this file."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    command = web_command("0.0.0.0", "8000")
    assert services["web"]["command"] == command
    assert f"CMD {json.dumps(command)}" in (ROOT / "Dockerfile").read_text()
    assert services["worker-gpu"]["command"] == services["worker"]["command"]
    assert services["trainer-gpu"]["command"] == services["trainer"]["command"]


def queues_of(command: list[str]) -> set[str]:
    """Which queues a service's command works: without the option, Celery's own one."""
    if "celery" not in command:
        return set()
    options = [command[place + 1] for place, word in enumerate(command) if word in ("-Q", "--queues")]
    return set(",".join(options).split(",")) if options else {app.conf.task_default_queue}


@pytest.mark.parametrize("profile", ["", "gpu"])
def test_it_has_a_service_for_every_queue_and_none_works_what_it_should_leave(profile: str, settings: Any) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    started = {name: service for name, service in services.items() if service.get("profiles", [""]) == [profile]}
    worked = [queue for service in started.values() for queue in queues_of(service.get("command", []))]
    options = [entry.get("options", {}) for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    routes = [*settings.CELERY_TASK_ROUTES.values(), *options]
    used = {app.conf.task_default_queue, *(route["queue"] for route in routes if "queue" in route)}
    assert sorted(worked) == sorted(used)  # each by one service: a training never holds up the documents


@pytest.mark.parametrize("name", ["vllm", "llama-server"])
def test_it_keeps_a_model_server_inside_and_pinned(name: str) -> None:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    server = composed["services"][name]
    assert server["profiles"] == [name]  # nobody starts it unasked
    assert server["networks"] == ["inside"] and composed["networks"]["inside"]["internal"]
    assert "ports" not in server and "secrets" not in server
    assert re.search(r":(?:v\d+\.\d+\.\d+|server-b\d+)$", server["image"])
    shared = ["adapters:/data/adapters:ro"] if name == "vllm" else []
    assert server["volumes"] == ["./models:/models:ro", *shared]  # no document in sight, and nothing to write to
    assert "8000" in " ".join(server["command"]).split("--port")[1]


def test_it_passes_the_settings_of_a_model_server_on_and_starts_without_one() -> None:
    environment = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-application"]["environment"]
    settings = (ROOT / "config/settings.py").read_text()
    passed = {name: value for name, value in environment.items() if re.match("LANGUAGE_MODEL_|FINETUNING_|JUDGE_MODEL_", name)}
    assert {"FINETUNING_BASE", "FINETUNING_DEVICE", "JUDGE_MODEL_URL", "JUDGE_MODEL_NAME"} <= passed.keys()
    assert passed["LANGUAGE_MODEL_URL"] == "${LANGUAGE_MODEL_URL:-}"
    assert all(f'"{name}"' in settings and value.startswith(f"${{{name}:-") for name, value in passed.items())
    numbers = {name: value for name, value in passed.items() if f'env_int("{name}"' in settings}
    assert all(f'env_int("{name}", {value.partition(":-")[2][:-1]},' in settings for name, value in numbers.items())


def test_it_lets_vllm_load_the_adapters_that_the_trainer_writes() -> None:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    application, server = composed["x-application"], composed["services"]["vllm"]
    (here,) = (volume.split(":") for volume in application["volumes"] if volume.startswith("adapters:"))
    (there,) = (volume.split(":") for volume in server["volumes"] if volume.startswith("adapters:"))
    assert here[1] == f"{application['environment']['INTRAMURAL_DATA']}/adapters"
    assert application["environment"]["LANGUAGE_MODEL_ADAPTERS_AT"] == f"${{LANGUAGE_MODEL_ADAPTERS_AT:-{there[1]}}}"
    assert server["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "true" and "--enable-lora" in server["command"]


def test_it_documents_every_setting() -> None:
    names = set(re.findall(r'env_(?:str|bool|int|list|secret)\(\s*"([A-Z_]+)"', (ROOT / "config/settings.py").read_text()))
    documented = (ROOT / "docs/configuration.md").read_text()
    assert sorted(name for name in names | {"DATABASE_URL"} if f"`{name}`" not in documented) == []


def test_it_names_few_direct_dependencies() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) <= 37
    assert all("==" in pin for pin in pins), "every dependency is pinned"
