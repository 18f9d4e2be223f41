"""Image, compose file and systemd unit: what can be checked without an engine."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from sfumato.cli.main import app
from sfumato.io import weights

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
UNIT = DOCKER / "sfumato.service"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
DOCKERFILE = re.sub(r"\\\n", " ", (DOCKER / "Dockerfile").read_text())


def instructions(name):
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def parse(arguments):
    """What the command line makes of arguments, without doing it."""
    group = typer.main.get_command(app)
    name, *rest = arguments
    assert name in group.commands, f"there is no command {name!r}"
    with group.commands[name].make_context(name, list(rest)) as context:
        return context.params


def test_the_image_starts_the_server_for_others_to_reach():
    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["sfumato"]
    assert parse(json.loads(instructions("CMD")[-1]))["host"] == "0.0.0.0"
    assert parse(json.loads(instructions("CMD")[-1]))["port"] == int(instructions("EXPOSE")[0])


def test_the_image_is_pinned_and_runs_without_rights():
    assert all(
        re.fullmatch(r"python:3\.11-slim-\w+( AS \w+)?", name) for name in instructions("FROM")
    )
    assert "known to run together on Python 3.11" in (ROOT / "constraints.txt").read_text()
    assert any("PIP_CONSTRAINT=/source/constraints.txt" in line for line in instructions("ENV"))
    assert int(instructions("USER")[-1]) > 0


def test_the_image_installs_what_there_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = (line.removeprefix("EXTRAS=") for line in instructions("ARG"))
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    fetched = DOCKERFILE.partition("weights fetch")[2].partition("\n")[0].split()
    assert fetched
    assert set(fetched) <= weights.entries().keys()


def test_the_image_is_given_what_it_copies():
    kept = [
        line.removeprefix("!")
        for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [line.split()[:-1] for line in instructions("COPY") if "--from" not in line]
    assert sorted(name for names in copied for name in names) == sorted(kept)
    assert all((ROOT / name).exists() for name in kept)


def test_the_services_run_commands_that_there_are():
    services = COMPOSE["services"]
    server, worker = (parse(services[name]["command"]) for name in ("server", "worker"))
    assert server["queue"] == worker["queue"] == "redis://redis:6379/0"
    assert server["host"] == "0.0.0.0"
    assert services.keys() == {"redis", "server", "worker"}


def test_nothing_but_the_server_is_reached_and_that_from_here_only():
    services = COMPOSE["services"]
    assert services["server"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in services["redis"]
    assert services["redis"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("name", ["redis", "server", "worker"])
def test_services_are_pinned_and_hardened(name):
    service = COMPOSE["services"][name]
    image, _, tag = service["image"].rpartition(":")
    assert image
    assert tag != "latest"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    for volume in service.get("volumes", ()):
        assert volume.split(":")[0] in COMPOSE["volumes"]
    for network in service["networks"]:
        assert network in COMPOSE["networks"]


def unit():
    """Its settings: (name, value), in order."""
    lines = UNIT.read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if re.match(r"\w+=", line)]


def test_the_unit_runs_a_command_that_there_is():
    (start,) = (value for name, value in unit() if name == "ExecStart")
    assert parse(shlex.split(start)[1:])["host"] == "127.0.0.1"
    (worker,) = re.findall(r"^# ExecStart=\S+ (.*)$", UNIT.read_text(), re.MULTILINE)
    assert parse(shlex.split(worker))["queue"] == "redis://HOST:6379/0"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.M))
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    security = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(copy)],
        capture_output=True, text=True,
    )  # fmt: skip
    (exposure,) = re.findall(r"exposure level for \S+: ([\d.]+)", security.stdout)
    assert float(exposure) < 2


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_hadolint_finds_nothing_wrong_with_the_image():
    run = subprocess.run(["hadolint", str(DOCKER / "Dockerfile")], capture_output=True, text=True)
    assert run.stdout + run.stderr == ""
