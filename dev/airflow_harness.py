"""Runs a real, supervised Airflow on this machine: SQLite, own home, free loopback ports, everyone admin.

"Supervised" is what `dag.test()` is not: a scheduler starts every task in a process of its own, and secrets
are masked in its log. Works with Airflow 3.x and 2.11; what differs between the two is all in `_Airflow3` and
`_Airflow2`.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import json as jsonlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import quote

import requests

from dev.processes import PATIENCE, Service, free_port, stop_services, wait_until

FINAL_RUN_STATES = ("success", "failed")

TaskKey = tuple[str, int]
OnChange = Callable[[str, int, str, int], None]
"""Called with task id, map index (-1: not mapped), state and try number whenever a task's state changes."""


class _Airflow3:
    """Airflow 3: an API server, a scheduler that runs tasks in parallel, a DAG processor."""

    api = "/api/v2"
    health = "/api/v2/monitor/health"
    components: ClassVar[dict[str, list[str]]] = {
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
    }

    @staticmethod
    def server(port: int) -> list[str]:
        return ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]

    @staticmethod
    def settings(url: str, home: Path) -> dict[str, str]:
        return {
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "API__BASE_URL": url,
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "DAG_PROCESSOR__REFRESH_INTERVAL": "3",
            "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            # A new or changed file is read at once; the others need not be read again and again.
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        }

    @staticmethod
    def authenticate(http: requests.Session, url: str) -> None:
        answer = http.get(f"{url}/auth/token", timeout=30 * PATIENCE)
        answer.raise_for_status()
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @staticmethod
    def new_run(conf: Mapping[str, Any]) -> dict[str, Any]:
        return {"conf": dict(conf), "logical_date": None}

    @staticmethod
    def log_text(answer: Any) -> str:
        lines = []
        for entry in answer["content"]:
            if isinstance(entry, str):
                lines.append(entry)
                continue
            head = [str(entry[key]) for key in ("timestamp", "level", "event") if entry.get(key)]
            rest = {key: value for key, value in entry.items() if key not in ("timestamp", "level", "event")}
            lines.append(" ".join([*head, *([jsonlib.dumps(rest, default=str)] if rest else [])]))
        return "\n".join(lines)


class _Airflow2:
    """Airflow 2.11: a web server and a scheduler. With SQLite it runs one task at a time."""

    api = "/api/v1"
    health = "/api/v1/health"
    components: ClassVar[dict[str, list[str]]] = {"scheduler": ["scheduler", "--skip-serve-logs"]}

    @staticmethod
    def server(port: int) -> list[str]:
        return ["webserver", "--hostname", "127.0.0.1", "--port", str(port), "--workers", "1"]

    @staticmethod
    def settings(url: str, home: Path) -> dict[str, str]:
        config = home / "webserver_config.py"
        config.write_text("WTF_CSRF_ENABLED = True\nAUTH_ROLE_PUBLIC = 'Admin'\n")
        return {
            "CORE__EXECUTOR": "SequentialExecutor",
            "DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
            "WEBSERVER__BASE_URL": url,
            "WEBSERVER__CONFIG_FILE": str(config),
            "WEBSERVER__SECRET_KEY": secrets.token_hex(16),
            "SCHEDULER__DAG_DIR_LIST_INTERVAL": "3",
            "SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "600",
        }

    @staticmethod
    def authenticate(http: requests.Session, url: str) -> None:
        """Do nothing: the public role is admin."""

    @staticmethod
    def new_run(conf: Mapping[str, Any]) -> dict[str, Any]:
        return {"conf": dict(conf)}

    @staticmethod
    def log_text(answer: Any) -> str:
        return str(answer["content"])


def airflow_version() -> tuple[int, int]:
    """Return major and minor version of the installed Airflow, read without importing it."""
    major, minor = importlib.metadata.version("apache-airflow").split(".")[:2]
    return int(major), int(minor)


class AirflowHarness:
    """A running Airflow; use it as a context manager.

    :param dags_folder: folder with DAG files.
    :param env: more environment for all components, such as `AIRFLOW_CONN_BILL_DEFAULT`.
    :param triggerer: also run a triggerer (for deferred tasks).
    :param parallelism: tasks at once (Airflow 2.11 on SQLite: always one).
    :param port: port of the web page and REST API; 0 takes a free one.
    :param serve_logs: also serve the logs of tasks that run now, as the web page asks for them.
    :param base_path: where below its address the web page lies, such as `/airflow` (Airflow 3).
    """

    def __init__(
        self,
        dags_folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        triggerer: bool = False,
        parallelism: int = 8,
        port: int = 0,
        serve_logs: bool = False,
        base_path: str = "",
    ) -> None:
        self._serve_logs = serve_logs
        self._dialect = _Airflow3() if airflow_version() >= (3, 0) else _Airflow2()
        self._services: list[Service] = []
        self._triggerer = triggerer
        self._port = port or free_port()
        self.url = f"http://127.0.0.1:{self._port}{base_path}"
        self.home = Path(tempfile.mkdtemp(prefix="bill-airflow-"))
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy from the environment has no business on loopback
        self.env = self._environment(dags_folder, parallelism, env or {})

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- life ---------------------------------------------------------------------------------------------

    def start(self, timeout: float = 180) -> None:
        """Create the database, start all components and wait until they report themselves healthy."""
        try:
            self._make_database()
            self._start_server()
            components = dict(self._dialect.components)
            if self._triggerer:
                components["triggerer"] = ["triggerer", "--skip-serve-logs"]
            for name, arguments in components.items():
                wanted = [word for word in arguments if not (self._serve_logs and word == "--skip-serve-logs")]
                self._start_service(name, wanted)
            wait_until(self._healthy, timeout, "Airflow to become healthy")
            self._dialect.authenticate(self._http, self.url)
            # The examples keep to BILL's three calls at once by it.
            self.rest("POST", "pools", {"name": "bill_api", "slots": 3})
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every process that belongs to this Airflow and remove its home; safe to call twice."""
        stop_services(self._services)
        self._services = []
        shutil.rmtree(self.home, ignore_errors=True)

    @contextlib.contextmanager
    def without_server(self, timeout: float = 180) -> Iterator[None]:
        """Kill web and API server, and in the end start it as it was: `with airflow.without_server(): ...`."""
        server = next(service for service in self._services if service.name == "server")
        self._services.remove(server)
        server.finish(grace=0)
        try:
            yield
        finally:
            self._start_server()
        wait_until(self._healthy, timeout, "Airflow's server to be back")

    def cli(self, *arguments: str, timeout: float = 180) -> str:
        """Run one `airflow ...` command in this Airflow's environment and return what it printed."""
        done = subprocess.run(
            self._command(*arguments),
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout * PATIENCE,
        )
        if done.returncode:
            output = (done.stdout + done.stderr)[-4000:]
            raise RuntimeError(f"airflow {' '.join(arguments[:2])} failed:\n{output}")
        return done.stdout

    def ensure_alive(self) -> None:
        """Raise with the end of its log if a component has died."""
        for service in self._services:
            service.ensure_alive()

    # -- REST ---------------------------------------------------------------------------------------------

    def rest(self, method: str, path: str, json: Any = None, *, params: Mapping[str, Any] | None = None) -> Any:
        """Call Airflow's REST API below `/api/v2` (2.11: `/api/v1`); `requests.HTTPError` for a refusal."""
        answer = self._http.request(
            method,
            f"{self.url}{self._dialect.api}/{path.lstrip('/')}",
            json=json,
            params=params,
            headers={"Accept": "application/json"},
            timeout=60 * PATIENCE,
        )
        if not answer.ok:
            message = f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
            raise requests.HTTPError(message, response=answer)
        return answer.json() if answer.content else None

    def rest_all(self, path: str, key: str) -> list[dict[str, Any]]:
        """Read every page of a list."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.rest("GET", path, params={"limit": 100, "offset": len(rows)})
            rows += page[key]
            if not page[key] or len(rows) >= page["total_entries"]:
                return rows

    def wait_for_dag(self, dag_id: str, timeout: float = 90) -> None:
        """Wait until the DAG file has been parsed."""

        def parsed() -> bool:
            self.ensure_alive()
            try:
                return bool(self.rest("GET", f"dags/{quote(dag_id)}"))
            except requests.HTTPError as error:
                if error.response.status_code == 404:
                    return False
                raise

        try:
            wait_until(parsed, timeout, f"DAG {dag_id} to be parsed")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; import errors: {self.import_errors()}") from None

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Unpause the DAG, start a run and return its id."""
        self.wait_for_dag(dag_id)
        self.rest("PATCH", f"dags/{quote(dag_id)}", {"is_paused": False})
        run = self.rest("POST", f"dags/{quote(dag_id)}/dagRuns", self._dialect.new_run(conf or {}))
        return str(run["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self.rest("GET", self._run_path(dag_id, run_id))["state"])

    def wait(self, dag_id: str, run_id: str, timeout: float = 180, on_change: OnChange | None = None) -> str:
        """Wait until the run has ended and return its state; call `on_change` at every task's new state."""
        seen: dict[TaskKey, tuple[str, int]] = {}

        def report() -> None:
            for task in self.task_instances(dag_id, run_id):
                key = (task["task_id"], task["map_index"])
                now = (task["state"] or "none", task["try_number"])
                if seen.get(key) != now:
                    seen[key] = now
                    if on_change is not None:
                        on_change(*key, *now)

        def ended() -> str | None:
            self.ensure_alive()
            state = self.run_state(dag_id, run_id)
            report()
            return state if state in FINAL_RUN_STATES else None

        try:
            return wait_until(ended, timeout, f"run {run_id} of {dag_id} to end", 0.5)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; tasks: {seen}") from None

    def run(
        self,
        dag_id: str,
        conf: Mapping[str, Any] | None = None,
        timeout: float = 180,
        on_change: OnChange | None = None,
    ) -> tuple[str, str]:
        """Trigger a DAG and wait for its end: `(run id, state)`."""
        run_id = self.trigger(dag_id, conf)
        return run_id, self.wait(dag_id, run_id, timeout, on_change)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return every task instance of a run, mapped ones included."""
        return self.rest_all(f"{self._run_path(dag_id, run_id)}/taskInstances", "task_instances")

    def scheduler_knows(self, task: Mapping[str, Any]) -> bool:
        """Return whether the scheduler knows that the last process of a waiting task has ended.

        A task that goes on before the scheduler knows, which only a test is quick enough to cause, counts as killed.

        :param task: the task instance as the REST API gives it
        """
        index = task["map_index"]
        # Counted for all tries: a cleared task has an id of its own, and older Airflows name no id at the end.
        start = "<TaskInstance: {dag_id}.{task_id} {dag_run_id} ".format_map(task) + (
            f"map_index={index} [" * (index >= 0)
        )
        end = "dag_id={dag_id}, task_id={task_id}, run_id={dag_run_id}, map_index={map_index}".format_map(task)
        lines = self._scheduler_log().splitlines()
        started = [line for line in lines if start in line and "(id=" in line]
        heard = [line for line in lines if "TaskInstance Finished" in line and end in line]
        return 0 < len(started) <= len(heard)

    def failed_requests_of_tasks(self) -> int:
        """Count the requests of tasks that never reached the server, for all the tries of Airflow itself (3.3)."""
        return self._scheduler_log().count("Unhandled exception while handling task request")

    def task_state(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str | None:
        """Return the state of one task instance."""
        state: str | None = self._task(dag_id, run_id, task_id, map_index)["state"]
        return state

    def rendered_fields(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the template fields of a task instance as Airflow stored them."""
        return dict(self._task(dag_id, run_id, task_id, map_index)["rendered_fields"])

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one try of one task, as the web page would show it."""
        path = f"{self._run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/logs/{try_number}"
        answer = self.rest("GET", path, params={"map_index": map_index, "full_content": "true"})
        return self._dialect.log_text(answer)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value of one XCom."""
        entry = f"{quote(task_id)}/xcomEntries/{quote(key, safe='')}"
        path = f"{self._run_path(dag_id, run_id)}/taskInstances/{entry}"
        params = {"map_index": map_index, "deserialize": "false", "stringify": "false"}
        return self.rest("GET", path, params=params)["value"]

    def xcoms(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return every XCom of a run: `task_id`, `map_index`, `key`, `value`."""
        path = f"{self._run_path(dag_id, run_id)}/taskInstances/~/xcomEntries"
        found = []
        for row in self.rest_all(path, "xcom_entries"):
            place = (row["task_id"], row["key"], row.get("map_index", -1))
            value = self.xcom(dag_id, run_id, *place)
            found.append({"task_id": place[0], "key": place[1], "map_index": place[2], "value": value})
        return found

    def variables(self) -> dict[str, str]:
        """Return every Variable as the REST API shows it."""
        return {row["key"]: row["value"] for row in self.rest_all("variables", "variables")}

    def audit_log(self) -> list[dict[str, Any]]:
        """Return every entry of Airflow's audit log."""
        return self.rest_all("eventLogs", "event_logs")

    def import_errors(self) -> list[dict[str, Any]]:
        """Return the DAG files that could not be imported."""
        return self.rest_all("importErrors", "import_errors")

    def add_connection(self, conn_id: str, connection: Mapping[str, Any]) -> None:
        """Store a connection in the database; the fields are those of `AIRFLOW_CONN_...` in JSON."""
        body = {"connection_id": conn_id, **connection}
        if isinstance(body.get("extra"), dict):
            body["extra"] = jsonlib.dumps(body["extra"])
        self.rest("POST", "connections", body)

    def answer_hitl(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        params: Mapping[str, Any] | None = None,
        options: tuple[str, ...] = ("OK",),
        timeout: float = 90,
        map_index: int = -1,
    ) -> Any:
        """Answer a task that waits for a person (Airflow 3.1 and newer), as the web page would."""
        path = f"{self._run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/{map_index}/hitlDetails"

        def asked() -> bool:
            self.ensure_alive()
            task = self._task(dag_id, run_id, task_id, map_index)
            return task["state"] in ("awaiting_input", "deferred") and self.scheduler_knows(task)

        try:
            wait_until(asked, timeout, f"{task_id} to ask a person")
        except TimeoutError as error:
            task = self._task(dag_id, run_id, task_id, map_index)
            seen = {"state": task["state"], "try_number": task["try_number"], "known": self.scheduler_knows(task)}
            log = self.task_log(dag_id, run_id, task_id, task["try_number"], map_index)
            raise TimeoutError(f"{error}; it is {seen}\n{log[-4000:]}") from None
        return self.rest("PATCH", path, {"chosen_options": list(options), "params_input": dict(params or {})})

    # -- what is stored -----------------------------------------------------------------------------------

    def all_logs_text(self) -> str:
        """Return everything that any component or task has written into a log file."""
        files = sorted([*self.home.glob("*.log"), *self.home.glob("logs/**/*.log")])
        return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())

    def task_logs_text(self) -> str:
        """Return everything that tasks have written into their log files."""
        return "\n".join(file.read_text(errors="replace") for file in sorted(self.home.glob("logs/dag_id=*/**/*.log")))

    def database_dump_text(self) -> str:
        """Return every value in the metadata database as text, to search for what must not be there."""
        return "\n".join(self._database_values())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the metadata database, or change it."""
        path = self.home / "airflow.db"
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as database, database:
            return database.execute(sql).fetchall()

    # -- inside -------------------------------------------------------------------------------------------

    def _database_values(self) -> Iterator[str]:
        address = f"file:{self.home}/airflow.db?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            # Airflow stores some JSON as bytes; a plain SQL dump would show those as hexadecimal.
            database.text_factory = lambda raw: raw.decode("utf-8", "replace")
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                rows = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name read from SQLite
                names = [column[0] for column in rows.description]
                for row in rows:
                    for name, value in zip(names, row, strict=True):
                        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                        yield f"{table}.{name}: {text}"

    def _environment(self, dags: Path, parallelism: int, more: Mapping[str, str]) -> dict[str, str]:
        settings = {
            "CORE__DAGS_FOLDER": str(dags.resolve()),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "CORE__PARALLELISM": str(parallelism),
            "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            # On a busy machine another component may have the database for longer than SQLite's five seconds.
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",
            "LOGGING__COLORED_CONSOLE_LOG": "False",
            # Several Airflows may run on this machine.
            "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            # uv would ask a package index for the pip that it puts into a virtualenv.
            "STANDARD__VENV_INSTALL_METHOD": "pip",
            "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            # A busy machine's server takes longer to come back than three heartbeats, after which Airflow ends a task.
            "WORKERS__MAX_FAILED_HEARTBEATS": "100",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            **self._dialect.settings(self.url, self.home),
        }
        # Not measured for coverage either: all of Airflow would run half as fast for the few lines that are ours.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "COVERAGE"))}
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "NO_COLOR": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
            **{f"AIRFLOW__{key}": value for key, value in settings.items()},
            **more,
        }

    def _make_database(self) -> None:
        self.cli("db", "migrate")
        self._never_reuse_trigger_ids()

    def _never_reuse_trigger_ids(self) -> None:
        """Have a new trigger never get the id of one that was just deleted, as on any other database.

        A triggerer that has not yet noticed takes the one for the other: a task that was cleared and waits anew then
        fails by the end of its own old trigger.
        """
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db")) as database, database:
            found = database.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'trigger' ORDER BY type DESC")
            table, *indexes = [sql for (sql,) in found if sql]
            plain, key = "id INTEGER NOT NULL", "CONSTRAINT trigger_pkey PRIMARY KEY (id)"
            if plain not in table or key not in table:
                raise RuntimeError(f"the table of triggers is not as expected:\n{table}")
            table = table.replace(plain, "id INTEGER PRIMARY KEY AUTOINCREMENT").replace(key, "CHECK (id > 0)")
            for statement in ('DROP TABLE "trigger"', table, *indexes):
                database.execute(statement)

    def _scheduler_log(self) -> str:
        return (self.home / "scheduler.log").read_text(errors="replace")

    def _start_server(self) -> None:
        self._start_service("server", self._dialect.server(self._port))

    def _start_service(self, name: str, arguments: list[str]) -> None:
        self._services.append(Service(name, self._command(*arguments), self.env, self.home / f"{name}.log"))

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "airflow", *arguments]

    def _healthy(self) -> bool:
        self.ensure_alive()
        try:
            answer = self._http.get(f"{self.url}{self._dialect.health}", timeout=30)
        except (requests.ConnectionError, requests.Timeout):
            return False
        if not answer.ok:
            return False
        wanted = ("metadatabase", "scheduler", *(("triggerer",) if self._triggerer else ()))
        return all(answer.json()[name]["status"] == "healthy" for name in wanted)

    def _task(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
        path = f"{self._run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}"
        return dict(self.rest("GET", path if map_index < 0 else f"{path}/{map_index}"))

    @staticmethod
    def _run_path(dag_id: str, run_id: str) -> str:
        return f"dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"
