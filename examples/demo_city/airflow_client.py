"""As much of Airflow's REST API as the demo needs: sign in, trigger, watch."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class RunState:
    """A DAG run's state and its tasks' states."""

    state: str
    tasks: dict[str, str]


class AirflowClient:
    """A signed-in client of an Airflow 3 API server."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        self.credentials = {"username": user, "password": password}

    def healthy(self) -> bool:
        """Whether server, metadata database, scheduler and DAG processor say they are well."""
        try:
            parts = self.http.get("/api/v2/monitor/health").raise_for_status().json()
        except httpx.HTTPError:
            return False
        return all(
            (parts.get(part) or {}).get("status") == "healthy"
            for part in ("metadatabase", "scheduler", "dag_processor")
        )

    def sign_in(self) -> str:
        """Take a bearer token for the calls that follow, and give it."""
        token = self.http.post("/auth/token", json=self.credentials).raise_for_status().json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"
        return str(token)

    def dags(self) -> set[str]:
        """Ids of the DAGs that Airflow has parsed."""
        found = self._get("/api/v2/dags", limit=200)["dags"]
        return {dag["dag_id"] for dag in found}

    def import_errors(self) -> list[str]:
        """What Airflow could not parse."""
        return [
            f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}"
            for e in self._get("/api/v2/importErrors")["import_errors"]
        ]

    def trigger(self, dag: str, **params: Any) -> str:
        """Start a run now; returns its id, which is given here, so that asking again starts no second one."""
        run = f"demo__{uuid.uuid4()}"
        body = {"dag_run_id": run, "logical_date": None, "conf": params}
        answer = self._patiently("POST", f"/api/v2/dags/{dag}/dagRuns", json=body)
        if answer.status_code != httpx.codes.CONFLICT:  # that it is there already
            answer.raise_for_status()
        return run

    def runs(self, dag: str, limit: int = 10) -> list[dict[str, Any]]:
        """Newest runs of a DAG."""
        found: list[dict[str, Any]] = self._get(f"/api/v2/dags/{dag}/dagRuns", limit=limit, order_by="-run_after")[
            "dag_runs"
        ]
        return found

    def state(self, dag: str, run: str) -> RunState:
        """Where a run is."""
        state = self._get(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
        tasks = self._get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return RunState(state, {t["task_id"]: t["state"] or "waiting" for t in tasks})

    def wait_until_healthy(self, seconds: float, still_alive: Any) -> None:
        """Wait for Airflow to come up. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.healthy():
            still_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"Airflow was not healthy after {seconds:.0f} s")
            time.sleep(0.5)

    def _get(self, path: str, **params: Any) -> Any:
        return self._patiently("GET", path, params=params).raise_for_status().json()

    def _patiently(self, method: str, path: str, **how: Any) -> httpx.Response:
        """The answer; asked again where the server fails, as Airflow does while its SQLite database is locked."""
        for pause in (0.5, 1, 2, 4):
            answer = self.http.request(method, path, **how)
            if not answer.is_server_error:
                return answer
            time.sleep(pause)
        return self.http.request(method, path, **how)
