"""The compose file keeps its promises without being started: loopback only, no secret inside, every part watched."""

import re
import runpy
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
MAKE_ENV = runpy.run_path(str(ROOT / "docker" / "make_env.py"))


def test_the_parts_of_the_first_version_are_there() -> None:
    wanted = {"postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer", "hub"}
    assert wanted <= SERVICES.keys()


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert [port for port in published if not str(port).startswith("127.0.0.1:")] == []


def test_every_service_that_stays_up_is_watched() -> None:
    staying = {
        name for name, service in SERVICES.items() if service.get("restart") != "no" and not service.get("profiles")
    }
    assert {name for name in staying if "healthcheck" not in SERVICES[name]} == set()


def test_every_variable_has_a_default_or_is_made_by_the_documented_command() -> None:
    made = set(MAKE_ENV["SECRETS"])
    asked = re.findall(r"\$\{(\w+)(:?[-?][^}]*)?\}", TEXT)
    without = {name for name, default in asked if not default.startswith(":-")}
    assert without == made & without
    assert made - {name for name, _ in asked} == set()


def test_secrets_come_from_variables_and_stand_nowhere() -> None:
    words = re.findall(r"^\s+(\w*(?:PASSWORD|SECRET|TOKEN|_KEY)\w*): *(.+)$", TEXT, re.MULTILINE)
    assert len(words) > 5
    assert [name for name, value in words if not value.startswith("${")] == [
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
    ]


def test_base_images_are_build_arguments() -> None:
    for dockerfile, argument in (
        ("docker/Dockerfile", "PYTHON_IMAGE"),
        ("docker/postgres/Dockerfile", "POSTGRES_IMAGE"),
    ):
        text = (ROOT / dockerfile).read_text(encoding="utf-8")
        assert f"ARG {argument}=" in text
        assert {line.split()[1] for line in text.splitlines() if line.startswith("FROM")} == {f"${{{argument}}}"}


def test_the_image_is_installed_by_hashes() -> None:
    assert "--require-hashes -r /tmp/requirements.lock" in (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")


def test_made_secrets_are_for_the_owner_only_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = tmp_path / ".env"
    assert MAKE_ENV["main"](env) == 0
    first = env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert MAKE_ENV["main"](env) == 1
    assert "left as it is" in capsys.readouterr().err
    assert env.read_text() == first
    assert len({line.split("=", 1)[1] for line in first.splitlines()}) == len(MAKE_ENV["SECRETS"])
