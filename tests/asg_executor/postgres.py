"""A private Postgres for tests: a cluster in a temporary directory, on loopback, gone afterwards.

SQLite hides what a real installation meets: another driver, other transactions, an event log that several
machines write at once.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from tests.asg_executor.fleets import PASSWORD, wait_until

MISSING = "Postgres is not installed: apt-get install postgresql"
_USER = "dagster"
# Postgres refuses to run as root; either of these exists on every Linux.
_UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running cluster that trusts everybody on loopback."""

    port: int

    def create_database(self) -> str:
        """Create an empty database and return its name."""
        name = f"t_{uuid.uuid4().hex[:8]}"
        with closing(self._connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
        return name

    def answers(self) -> bool:
        """Whether it takes connections yet."""
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def storage_of(self, database: str) -> str:
        """Return the part of a dagster.yaml that names `database`."""
        return (
            "storage:\n  postgres:\n    postgres_db:\n"
            f"      hostname: 127.0.0.1\n      port: {self.port}\n      username: {_USER}\n"
            f"      password: {{env: {PASSWORD}}}\n      db_name: {database}\n"
            "      scheme: postgresql+psycopg2\n"
        )

    def _connect(self) -> "psycopg2.extensions.connection":
        return psycopg2.connect(host="127.0.0.1", port=self.port, user=_USER, dbname="postgres")


def find_binaries() -> Path | None:
    """Return the directory with this machine's newest Postgres server, None if there is none."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_of, reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        places.append(Path(on_path).resolve().parent)
    return next((place for place in places if _has_server(place)), None)


@contextmanager
def running_postgres(binaries: Path) -> Iterator[Postgres]:
    """Run a cluster for the block."""
    directory = Path(tempfile.mkdtemp(prefix="pg-"))  # pytest's own directories are closed to other users
    user, group = _unprivileged()
    if user is not None and group is not None:
        os.chown(directory, user, group)
    data = directory / "data"
    initialise = [binaries / "initdb", "-D", data, "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(initialise, check=True, capture_output=True, cwd=directory, user=user, group=group)
    postgres = Postgres(port=_free_port())
    options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-k", directory]
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-p", str(postgres.port), *options],
        cwd=directory,
        stderr=subprocess.DEVNULL,
        user=user,
        group=group,
    )
    try:
        wait_until(lambda: server.poll() is not None or postgres.answers(), what="Postgres answers")
        yield postgres
    finally:
        server.send_signal(signal.SIGINT)  # at once: a SIGTERM would wait for connections that pools keep
        server.wait(30)
        shutil.rmtree(directory)


def _version_of(place: Path) -> float:
    return float(place.parent.name)


def _has_server(place: Path) -> bool:
    return all(os.access(place / name, os.X_OK) for name in ("initdb", "postgres"))


def _unprivileged() -> tuple[int | None, int | None]:
    """Return the user and group to run as; None and None where this user will do."""
    if os.getuid() != 0:
        return None, None
    known = {account.pw_name: account for account in pwd.getpwall()}
    account = next(known[name] for name in _UNPRIVILEGED if name in known)
    return account.pw_uid, account.pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
