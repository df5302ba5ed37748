"""`make demo`: a small city's departments pulled, judged, cataloged by real Airflow, and a form that fills itself in.

1. Look at the machine first. 2. Generate the city. 3. Apply its contracts and make a portal client. 4. Start the social-security API,
Airflow and the hub's own API, all on loopback. 5. Trigger every dataset's DAG, wait for subjects and catalog. 6. Say what came of it,
compare with the generator's truth, and stay up until Ctrl-C (or, with --once, end with 0 only if everything agrees).
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from examples.demo_city import people, preflight, report
from examples.demo_city.airflow_client import AirflowClient, RunState
from examples.demo_city.processes import Children
from hub.core import Hub
from hub.registration import registry
from hub.settings import Settings

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
ENDED = ("success", "failed")
DATASET = "dataset."


@dataclass(frozen=True)
class Plan:
    """What was asked for on the command line."""

    home: Path
    residents: int
    airflow_port: int
    hub_port: int
    rest_port: int
    once: bool

    @property
    def companies(self) -> int:
        """Companies in proportion: 3,000 for 20,000 residents."""
        return max(30, self.residents * 3 // 20)

    @property
    def airflow(self) -> str:
        """Airflow's address."""
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def hub(self) -> str:
        """The hub's address."""
        return f"http://127.0.0.1:{self.hub_port}"


def main() -> int:
    """Run the demo; returns the exit code."""
    plan = _parse()
    ports = {"airflow": plan.airflow_port, "hub": plan.hub_port, "rest": plan.rest_port}
    if faults := preflight.faults(plan.home, ports):
        sys.stderr.write("".join(f"✗ {fault}\n" for fault in faults))
        return 1
    say = _Clock()
    environment = _environment(plan)
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    children = Children(plan.home / "logs", environment)
    with children:
        try:
            agreed = _story(plan, children, say)
        except (RuntimeError, TimeoutError) as error:
            sys.stderr.write(f"✗ {error}\n  logs: {plan.home / 'logs'}\n")
            return 1
        except KeyboardInterrupt:
            say("stopped")
            return 130
        if plan.once:
            return 0 if agreed else 1
        say("everything stays up; Ctrl-C stops it all")
        try:
            while True:
                children.check()
                time.sleep(1)
        except KeyboardInterrupt:
            say("stopping what was started …")
    return 0 if agreed else 1


def _story(plan: Plan, children: Children, say: "_Clock") -> bool:
    password = _password(plan)
    migrating = not (plan.home / "airflow" / "airflow.db").exists()
    if migrating:
        children.start("airflow-migrate", [_bin("airflow"), "db", "migrate"])
    say(f"generating a city of {plan.residents:,} residents and {plan.companies:,} companies")
    _generate(plan, children)
    say("applying contracts")
    children.run("contracts", [_bin("hub"), "contract", "apply", str(_contracts(plan))])
    if migrating:
        say("making Airflow's database")
        children.finish("airflow-migrate")
    say("starting Airflow, the hub and the social-security API")
    drop = str(plan.home / "hub" / "drop")
    children.start(
        "rest", [sys.executable, "-m", "examples.demo_city.rest_server", "--data", drop, "--port", str(plan.rest_port)]
    )
    for part in ("api-server", "scheduler", "dag-processor"):
        warm = {"PYTHONPATH": str(HERE / "airflow")} if part == "scheduler" else {}
        children.start(f"airflow-{part}", [_bin("airflow"), part], **warm)
    children.start("hub", [_bin("hub"), "serve", "--port", str(plan.hub_port)])
    airflow = AirflowClient(plan.airflow, "admin", password)
    airflow.wait_until_healthy(180, children.check)
    token = airflow.sign_in()
    registry.compile_index(Hub(Settings(airflow_url=plan.airflow, airflow_token=SecretStr(token))))  # creates the pools
    say("Airflow is up")
    _run_all(airflow, children, say)
    passwords = people.settle(Hub(), plan.home / "console-passwords.json")
    return report.show(plan, password, passwords)


def _run_all(airflow: AirflowClient, children: Children, say: "_Clock") -> None:
    """Trigger the datasets in the order of their references, then wait for subjects and catalog."""
    index = json.loads((Path(os.environ["HUB_HOME"]) / "index.json").read_text(encoding="utf-8"))
    wanted = {DATASET + name for name in index}
    _wait(
        lambda: wanted | {"subjects", "catalog"} <= airflow.dags(),
        120,
        children,
        lambda: "; ".join(airflow.import_errors()),
    )
    before = {dag: len(airflow.runs(dag, 100)) for dag in ("subjects", "catalog")}
    started: dict[str, str] = {}
    ended: dict[str, RunState] = {}
    deadline = time.monotonic() + 1800
    while len(ended) < len(index):
        for name, entry in index.items():
            if name not in started and all(a in ended for a in entry["after"]):
                started[name] = airflow.trigger(DATASET + name)
        for name, run in started.items():
            if name in ended:
                continue
            state = airflow.state(DATASET + name, run)
            say.progress(name, state.tasks)
            if state.state in ENDED:
                ended[name] = state
                say(f"{name}: {'published' if state.state == 'success' else 'FAILED'} ({len(ended)}/{len(index)})")
        children.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"still running: {', '.join(set(index) - set(ended))}")
        time.sleep(0.5)
    for dag in ("subjects", "catalog"):
        say(f"waiting for {dag}")
        _wait(lambda dag=dag: _settled(airflow, dag, before[dag]), 900, children, lambda: "")  # type: ignore[misc]
        say(f"{dag}: {airflow.runs(dag, 1)[0]['state']}")


def _settled(airflow: AirflowClient, dag: str, before: int) -> bool:
    runs = airflow.runs(dag, 100)
    return len(runs) > before and all(run["state"] in ENDED for run in runs)


def _wait(ready: Callable[[], bool], seconds: float, children: Children, why: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        children.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain. {why()}")
        time.sleep(0.5)


def _generate(plan: Plan, children: Children) -> None:
    """Make the city once per size and day; a second demo finds it there. Another city begins with an empty hub."""
    home, today = plan.home / "hub", datetime.now(ZoneInfo("Asia/Shanghai")).date().isoformat()
    mark, city = home / "city", f"{plan.residents} residents, {today}"
    if mark.exists() and mark.read_text() == city:
        return
    shutil.rmtree(home, ignore_errors=True)
    command = [sys.executable, "-m", "examples.demo_city.generator", "--out", str(home / "drop"), "--seed", "7"]
    command += ["--residents", str(plan.residents), "--companies", str(plan.companies), "--today", today]
    children.run("generate", command)
    mark.write_text(city)


def _contracts(plan: Plan) -> Path:
    """The city's contracts, the insurance service at this demo's port."""
    folder = plan.home / "contracts"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (HERE / "contracts").glob("*.odcs.yaml"):
        text = path.read_text(encoding="utf-8").replace("127.0.0.1:18473", f"127.0.0.1:{plan.rest_port}")
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder


def _environment(plan: Plan) -> dict[str, str]:
    home = plan.home
    return {
        **os.environ,
        "HUB_HOME": str(home / "hub"),
        "HUB_DECLARATIONS": str(HERE),
        "HUB_API_URL": plan.hub,
        "HUB_AIRFLOW_PAGES": plan.airflow,
        "HUB_DEMO_PORTAL": "true",
        "HUB_PERSONAS": "beside",
        "DEMO_REST_TOKEN": _kept(home / "rest-token"),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__API__BASE_URL": plan.airflow,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(plan.airflow_port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{plan.airflow}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "airflow" / "passwords.json"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _password(plan: Plan) -> str:
    """Airflow's admin password: made once, kept in the demo's folder."""
    password = _kept(plan.home / "airflow-password")
    file = plan.home / "airflow" / "passwords.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"admin": password}))
    file.chmod(0o600)
    return password


def _kept(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_urlsafe(12))
        path.chmod(0o600)
    return path.read_text()


def _bin(name: str) -> str:
    """A program of this very environment, whatever PATH says."""
    return str(Path(sys.executable).parent / name)


class _Clock:
    """Says what happens and when, in seconds since the start."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.seen: dict[str, Any] = {}

    def __call__(self, text: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - self.start:5.0f} s] {text}\n")
        sys.stdout.flush()

    def progress(self, dataset: str, tasks: dict[str, str]) -> None:
        """Say which step a dataset is at, when that changes."""
        at = next((task for task in ("publish", "judge", "read") if tasks.get(task) == "running"), None)
        if at and self.seen.get(dataset) != at:
            self.seen[dataset] = at
            self(f"{dataset}: {at}")


def _parse() -> Plan:
    parser = argparse.ArgumentParser(description="the demo city on real Airflow")
    parser.add_argument("--home", type=Path, default=Path(".demo"))
    parser.add_argument("--size", type=int, default=20_000, help="residents")
    parser.add_argument("--airflow-port", type=int, default=18480)
    parser.add_argument("--hub-port", type=int, default=18470)
    parser.add_argument("--rest-port", type=int, default=18473)
    parser.add_argument("--once", action="store_true", help="end after the summary, 0 only if all agrees with truth")
    given = parser.parse_args()
    return Plan(given.home.absolute(), given.size, given.airflow_port, given.hub_port, given.rest_port, given.once)


if __name__ == "__main__":
    sys.exit(main())
