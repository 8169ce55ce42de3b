"""Runs Airflow 3 as companies do: CeleryExecutor, PostgreSQL, Redis, and two workers as on two hosts.

Everything listens on loopback and lies in temporary folders. Where the machine lets one make networks, each worker has
one of its own, with a host name. A component that ends by itself is started again, as by systemd or Kubernetes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dev.airflow_harness import AirflowHarness
from dev.network import OtherNetwork
from dev.processes import Service, free_port, wait_until


def missing() -> list[str]:
    """Return what a cluster needs and this machine or this environment has not."""
    from importlib.util import find_spec

    programs = [name for name in ("redis-server",) if shutil.which(name) is None]
    if _postgres_program("postgres") is None:
        programs.append("postgres")
    packages = ("airflow.providers.celery", "psycopg2", "asyncpg", "redis")
    return programs + [name for name in packages if find_spec(name) is None]


class Cluster(AirflowHarness):
    """A running cluster; use it as a context manager.

    :param dags_folder: folder with DAG files
    :param ports: other ports of this host that tasks call, such as the local BILL's
    :param env: more environment for all components
    :param parallelism: tasks at once in the whole cluster
    :param concurrency: tasks at once on one worker
    """

    WORKERS = ("worker-1", "worker-2")

    def __init__(
        self,
        dags_folder: Path,
        *,
        ports: Sequence[int],
        env: Mapping[str, str] | None = None,
        parallelism: int = 2000,
        concurrency: int = 4,
    ) -> None:
        self._concurrency = concurrency
        self._postgres_port, self._redis_port = free_port(), free_port()
        #: Of database and broker, for a search for what must not be readable.
        self.passwords = {"postgres": secrets.token_hex(16), "redis": secrets.token_hex(16)}
        at = f"airflow:{self.passwords['postgres']}@127.0.0.1:{self._postgres_port}/postgres"
        self.database_url = f"postgresql://{at}"
        self._broker = f"redis://:{self.passwords['redis']}@127.0.0.1:{self._redis_port}/0"
        celery = {
            "CORE__EXECUTOR": "CeleryExecutor",
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{at}",
            "CELERY__BROKER_URL": self._broker,
            "CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{at}",
            "CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
            # A task of a worker that was killed is noticed after a minute, not after five.
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "60",
            "WORKERS__MAX_FAILED_HEARTBEATS": "3",  # Airflow's own, as on anybody's cluster
        }
        super().__init__(
            dags_folder,
            env={**{f"AIRFLOW__{key}": value for key, value in celery.items()}, **(env or {})},
            triggerer=True,
            parallelism=parallelism,
        )
        self._ports = [*ports, self._port, self._postgres_port, self._redis_port]
        # Not below a folder that only this user may enter: PostgreSQL runs as another.
        self._data = Path(tempfile.mkdtemp(prefix="bill-cluster-", dir="/tmp"))
        self._networks: dict[str, OtherNetwork] = {}
        self._keeping = threading.Lock()
        self._down: set[str] = set()
        self._commands: dict[str, tuple[list[str], Mapping[str, str]]] = {}
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        #: Names of components that ended by themselves and were started again.
        self.restarted: list[str] = []

    # -- life ---------------------------------------------------------------------------------------------

    def start(self, timeout: float = 240) -> None:
        """Start all, and wait until both workers take tasks."""
        try:
            self._start_database()
            self._start_broker()
            super().start(timeout)
            for name in self.WORKERS:
                self._start_worker(name)
            self._wait_for_workers({})
            self._keeper.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every process of this cluster and remove its folders; safe to call twice."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join(30)
        # Database and broker last: the others end at once while they can say so.
        order = {"postgres": 2, "redis": 1}
        with self._keeping:
            self._services.sort(key=lambda service: order.get(service.name, 0))
        super().stop()
        for network in self._networks.values():
            network.stop()
        self._networks.clear()
        shutil.rmtree(self._data, ignore_errors=True)

    def ensure_alive(self) -> None:
        """Do nothing: what has ended is started again."""

    @property
    def separate(self) -> bool:
        """Return whether each worker has a network of its own."""
        return bool(self._networks)

    # -- what goes wrong ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def without(self, name: str, how: signal.Signals = signal.SIGKILL) -> Iterator[None]:
        """End a component with all of its processes, and start it again in the end.

        :param name: `server`, `scheduler`, `triggerer`, `dag-processor`, `postgres`, `redis`, `worker-1`, `worker-2`
        :param how: the signal; by any other than SIGKILL it ends by itself, within 30 seconds
        """
        with self._keeping:
            self._down.add(name)
            (service,) = [one for one in self._services if one.name == name]
            self._services.remove(service)
            if how == signal.SIGKILL:
                service.finish(grace=0)
            else:
                os.kill(service.pid, how)
                service.finish(grace=30)
        try:
            yield
        finally:
            with self._keeping:
                self._begin(name)
                self._down.discard(name)

    @contextlib.contextmanager
    def with_env(self, more: Mapping[str, str]) -> Iterator[None]:
        """Restart all of Airflow with more environment, and in the end without it."""
        before = dict(self._commands)
        self._restart({name: (command, {**env, **more}) for name, (command, env) in before.items()})
        try:
            yield
        finally:
            self._restart(before)

    def pause_worker(self, name: str, go_on: bool = False) -> None:
        """Have every process of a worker stand still, or go on."""
        (service,) = [one for one in self._services if one.name == name]
        for pid in service.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT if go_on else signal.SIGSTOP)

    def members(self) -> list[int]:
        """Return the id of every process of this cluster."""
        with self._keeping:
            services = list(self._services)
        return [pid for service in services for pid in service.members()]

    def is_well(self) -> bool:
        """Return whether all components say so now."""
        with contextlib.suppress(Exception):
            return self._healthy()
        return False

    # -- what is stored -----------------------------------------------------------------------------------

    def all_logs_text(self) -> str:
        """Return everything that any component or task has written into a log file, on any host."""
        files = [*self.home.glob("*.log"), *self.home.glob("**/logs/**/*.log")]
        return "\n".join(file.read_text(errors="replace") for file in sorted(set(files)) if file.is_file())

    def task_log_files(self, dag_id: str, run_id: str) -> list[Path]:
        """Return the log files of a run's tasks, on any host."""
        return sorted(self.home.glob(f"**/logs/dag_id={dag_id}/run_id={run_id}/**/*.log"))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the metadata database, or change it."""
        import psycopg2

        with contextlib.closing(psycopg2.connect(self.database_url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            connection.commit()
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def broker_text(self) -> str:
        """Return all that lies in Redis."""
        import redis

        client = redis.Redis.from_url(self._broker)
        texts = []
        for key in client.scan_iter():
            kind = client.type(key)
            value: Any = b""
            if kind == b"list":
                value = client.lrange(key, 0, -1)
            elif kind == b"hash":
                value = client.hgetall(key)
            elif kind == b"set":
                value = client.smembers(key)
            elif kind == b"zset":
                value = client.zrange(key, 0, -1)
            elif kind == b"string":
                value = client.get(key)
            texts.append(f"{key!r} {value!r}")
        return "\n".join(texts)

    # -- inside -------------------------------------------------------------------------------------------

    def _make_database(self) -> None:
        self.cli("db", "migrate")

    def _database_values(self) -> Iterator[str]:
        tables = self.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in tables:
            for (row,) in self.query(f'SELECT t::text FROM "{table}" t'):  # noqa: S608 - a name read from PostgreSQL
                yield f"{table}: {row}"

    def _start_database(self) -> None:
        folder = self._data / "postgres"
        folder.mkdir()
        password = self._data / "password"
        password.write_text(self.passwords["postgres"])
        as_user: list[str] = []
        if os.getuid() == 0:  # under which it refuses to run
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            self._data.chmod(0o711)
            for path in (folder, password):
                shutil.chown(path, "postgres", "postgres")
        initdb, postgres = _postgres_program("initdb"), _postgres_program("postgres")
        if initdb is None or postgres is None:
            raise RuntimeError("PostgreSQL is not installed")
        make = Service(
            "initdb",
            [
                *as_user,
                initdb,
                f"--pgdata={folder}",
                "--username=airflow",
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            self.env,
            self.home / "initdb.log",
        )
        make.finish(grace=120)
        password.unlink()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self._postgres_port,
            "unix_socket_directories": folder,
            "max_connections": 300,
            "fsync": "off",  # a killed server is part of the tests, a machine that loses power is not
        }
        command = [*as_user, postgres, "-D", str(folder)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        self._add("postgres", command, self.env)
        wait_until(self._database_answers, 60, "PostgreSQL")

    def _database_answers(self) -> bool:
        import psycopg2

        try:
            return bool(self.query("SELECT 1"))
        except psycopg2.OperationalError:
            return False

    def _start_broker(self) -> None:
        config = self._data / "redis.conf"
        config.write_text(
            f"port {self._redis_port}\nbind 127.0.0.1\nrequirepass {self.passwords['redis']}\n"
            f"dir {self._data}\nappendonly yes\nappendfsync always\nsave ''\n"
        )
        self._add("redis", ["redis-server", str(config)], self.env)

    def _start_service(self, name: str, arguments: list[str]) -> None:
        self._add(name, self._command(*arguments), self.env)

    def _start_worker(self, name: str) -> None:
        home = self.home / name
        (home / "tmp").mkdir(parents=True)
        env = {
            **self.env,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
        }
        command = self._command(
            "celery", "worker", "--concurrency", str(self._concurrency), "--celery-hostname", name, "--skip-serve-logs"
        )
        if OtherNetwork.can_be_had():
            self._networks[name] = OtherNetwork(name, self._ports, self.home)
            command = self._networks[name].command(command)
        self._add(name, command, env)

    def _add(self, name: str, command: list[str], env: Mapping[str, str]) -> None:
        self._commands[name] = (command, env)
        self._begin(name)

    def _begin(self, name: str) -> None:
        command, env = self._commands[name]
        self._services.append(Service(name, command, env, self.home / f"{name}.log"))

    def _wait_for_workers(self, after: Mapping[str, int]) -> None:
        """Wait until each takes tasks, as it says below so many lines of its log."""
        for name in self.WORKERS:
            log = self.home / f"{name}.log"
            ready = partial(_says, log, " ready.", after.get(name, 0))
            wait_until(ready, 120, f"{name} to take tasks", 0.5)

    def _restart(self, commands: Mapping[str, tuple[list[str], Mapping[str, str]]]) -> None:
        lines = {name: len(_lines(self.home / f"{name}.log")) for name in self.WORKERS}
        with contextlib.ExitStack() as down:
            # The last to end is the first to begin.
            for name in sorted(set(commands) - {"postgres", "redis"}, key=lambda name: name == "server"):
                down.enter_context(self.without(name))
            self._commands.update(commands)
        wait_until(self.is_well, 180, "the cluster to be back", 0.5)
        self._wait_for_workers(lines)

    def _keep(self) -> None:
        while not self._stopping.wait(0.5):
            with self._keeping:
                for service in list(self._services):
                    if service.name not in self._down and not service.is_alive():
                        self._services.remove(service)
                        service.finish(grace=0)
                        self.restarted.append(service.name)
                        self._begin(service.name)


def _postgres_program(name: str) -> str | None:
    found = shutil.which(name)
    return found or next((str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[-1:]), None)


def _says(log: Path, words: str, after: int) -> bool:
    return any(words in line for line in _lines(log)[after:])


def _lines(file: Path) -> list[str]:
    return file.read_text(errors="replace").splitlines()
