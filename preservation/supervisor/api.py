"""Airflow's REST API, as far as the supervisor and the demo need it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import requests

from preservation.errors import Unavailable
from preservation.settings import Settings
from preservation.supervisor.configuration import ADMIN, password_file

FINISHED = frozenset({"success", "failed"})
"""States in which a DAG run stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """One task instance of a run; *map_index* is -1 for a task that isn't mapped."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int

    def __str__(self) -> str:
        index = "" if self.map_index < 0 else f"[{self.map_index}]"
        return f"{self.task_id}{index}: {self.state or 'waiting'}"


class AirflowApi:
    """A client of one deployment's API server.

    Every method raises Unavailable when the server doesn't answer, or not as documented.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        self._settings = settings
        self._url = url
        self._http = requests.Session()
        # The server listens on loopback: a proxy of the environment must not come between.
        self._http.trust_env = False
        self._token: str | None = None

    def answers(self) -> bool:
        """Whether the part of the server that tasks talk to answers."""
        try:
            return self._http.get(f"{self._url}/execution/health", timeout=5).ok
        except requests.RequestException:
            return False

    def heartbeats(self) -> dict[str, str]:
        """Part to `healthy` or `unhealthy`, for scheduler, dag-processor and triggerer."""
        answer = self._call("GET", "/monitor/health", expect=(200,)).json()
        return {
            name.replace("_", "-"): str((answer.get(name) or {}).get("status"))
            for name in ("scheduler", "dag_processor", "triggerer")
        }

    def set_pool(self, name: str, *, slots: int, description: str) -> None:
        """Create the pool, or give it *slots*."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        if self._call("POST", "/pools", expect=(201, 409), body=body).status_code == 409:
            self._call(
                "PATCH",
                f"/pools/{name}",
                expect=(200,),
                body={"pool": name, "slots": slots, "include_deferred": False},
            )

    def dags(self) -> list[dict[str, Any]]:
        """The DAGs that were parsed: `dag_id`, `is_paused`, `fileloc` and more."""
        answer = self._call("GET", "/dags?limit=1000&exclude_stale=true", expect=(200,)).json()
        return list(answer["dags"])

    def import_errors(self) -> dict[str, str]:
        """File name to the reason why it could not be parsed."""
        answer = self._call("GET", "/importErrors?limit=1000", expect=(200,)).json()
        return {str(each["filename"]): str(each["stack_trace"]) for each in answer["import_errors"]}

    def trigger(self, dag_id: str, run_id: str) -> bool:
        """Start the run *run_id*; False if it exists already, which changes nothing."""
        body = {"dag_run_id": run_id, "logical_date": None}
        answer = self._call("POST", f"/dags/{dag_id}/dagRuns", expect=(200, 201, 409), body=body)
        return answer.status_code != 409

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a run: queued, running, success or failed."""
        return str(self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}", expect=(200,)).json()["state"])

    def task_states(self, dag_id: str, run_id: str) -> list[TaskState]:
        """The task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000"
        return [
            TaskState(
                task_id=each["task_id"],
                map_index=each["map_index"],
                state=each["state"],
                try_number=each["try_number"],
            )
            for each in self._call("GET", path, expect=(200,)).json()["task_instances"]
        ]

    def _call(
        self, method: str, path: str, *, expect: tuple[int, ...], body: object = None
    ) -> requests.Response:
        try:
            answer = self._send(method, path, body)
            if answer.status_code == 401:
                self._token = None
                answer = self._send(method, path, body)
        except requests.RequestException as error:
            raise Unavailable(f"Airflow's API server does not answer: {error}.") from error
        if answer.status_code not in expect:
            raise Unavailable(
                f"Airflow answered {answer.status_code} to {method} {path}: {answer.text}"
            )
        return answer

    def _send(self, method: str, path: str, body: object) -> requests.Response:
        if self._token is None:
            self._token = self._new_token()
        return self._http.request(
            method,
            f"{self._url}/api/v2{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=30,
        )

    def _new_token(self) -> str:
        password = json.loads(password_file(self._settings).read_text("utf-8"))[ADMIN]
        answer = self._http.post(
            f"{self._url}/auth/token", json={"username": ADMIN, "password": password}, timeout=30
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])
