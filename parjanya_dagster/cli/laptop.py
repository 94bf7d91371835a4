"""The laptop's platform: which processes it consists of, and the order in which they start and end."""

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parjanya_dagster.cli.connection import connect, environment_of
from parjanya_dagster.cli.home import Home
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.trail import recorded
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.names import Names
from parjanya_dagster.local import loopback, services
from parjanya_dagster.local.credentials import Profile
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.loopback import HOST
from parjanya_dagster.local.services import Service
from parjanya_dagster.local.stack import LocalAws

WEB: Final = "web"
FLEET: Final = "fleet"
DAGSTER_CODE: Final = "dagster-code"
DAGSTER_UI: Final = "dagster"
DAGSTER_DAEMON: Final = "dagster-daemon"
DAGSTER: Final = (DAGSTER_CODE, DAGSTER_UI, DAGSTER_DAEMON)
SERVICES: Final = (WEB, *DAGSTER, FLEET)

_READY_S: Final = 120.0
_FLEET_PATIENCE_S: Final = 40.0
_NEEDED_BYTES: Final = 300 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where things answer.

    Args:
        dagster: None when it was left out.
    """

    aws: str
    web: str
    dagster: str | None


Progress = Callable[[str, float], None]
"""Told what is done, and the seconds it took."""


def bring_up(home: Home, *, with_dagster: bool, progress: Progress = lambda _, __: None) -> Endpoints:
    """Start what does not run yet and return when everything answers; safe to repeat and to interrupt.

    Raises:
        ConfigError: a port is taken, or a process ended; the message says what to do.
        UnavailableError: a process was not ready in time.
    """
    _check_disk(home)
    _check_ports(home, with_dagster=with_dagster)
    started = time.monotonic()
    # an interruption before it can be found by its own file leaves this mark to end it by
    os.environ[services.MARK] = str(home.path)
    aws = LocalAws.start(home.aws, home.aws_port)
    progress("local AWS", time.monotonic() - started)
    code = _start_dagster_code(home, aws) if with_dagster else None
    started = time.monotonic()
    deploy_locally(aws, prefix=home.prefix, max_instances=home.max_instances, fleets=home.extra_fleets)
    platform = connect(home)
    if platform.control.published_policy() is None:
        _publish_shipped_policy(platform)
    progress("templates, users, policy", time.monotonic() - started)
    started = time.monotonic()
    web = _web(home, environment_of(home, aws, Profile.OPERATOR))
    services.start(web, home.path)
    services.await_ready(web, home.path, timeout_s=_READY_S)
    progress("web app", time.monotonic() - started)
    if code is not None:
        started = time.monotonic()
        _finish_dagster(home, aws, code)
        progress("Dagster", time.monotonic() - started)
    else:
        services.stop(*DAGSTER, home=home.path)
    fleet = _fleet(home, aws, with_dagster=with_dagster)
    services.start(fleet, home.path)
    services.await_ready(fleet, home.path, timeout_s=_READY_S)
    return endpoints(home)


def take_down(home: Home, *, wipe: bool = False) -> list[str]:
    """End everything that runs in this home and return the names; state is kept unless `wipe`."""
    # workers first, while what they settle with still answers; the local AWS last, which saves its state
    ended = services.stop(FLEET, home=home.path, patience_s=_FLEET_PATIENCE_S)
    ended += services.stop(*DAGSTER, WEB, home=home.path)
    aws = LocalAws.attach(home.aws)
    if aws is not None:
        aws.stop()
        ended.append("aws")
    if services.sweep(home.path) and not ended:
        ended.append("orphans")
    if wipe and home.path.exists():
        shutil.rmtree(home.path)
    return ended


def _publish_shipped_policy(platform: Platform) -> None:
    # It is compiled with Polars, whose import no command but the first `up` should wait for.
    from gpu_worker.score import warm_scorer  # noqa: PLC0415 - see above
    from gpu_worker.settings import load_worker_settings  # noqa: PLC0415 - see above
    from parjanya_dagster.control.policies import publish_policy  # noqa: PLC0415 - see above
    from parjanya_dagster.policies.shipped import shipped_policy_for  # noqa: PLC0415 - see above

    own = load_worker_settings()
    if own.model is None:
        warm_scorer()  # an engine that came with the package says here what it can't answer, others at boot
    shipped = shipped_policy_for(own.pack)
    with recorded(platform, "parjanya up", f"policy publish {shipped.version}"):
        publish_policy(platform, shipped.canonical, asked_pack=own.pack)


def endpoints(home: Home) -> Endpoints:
    """Return where the processes answer, or would answer if they ran."""
    aws = LocalAws.attach(home.aws)
    dagster = services.find(DAGSTER_UI, home.path)
    return Endpoints(
        aws=aws.endpoint if aws else f"http://{HOST}:{home.aws_port}",
        web=f"http://{HOST}:{_port(home, WEB, home.web_port)}",
        dagster=f"http://{HOST}:{dagster.port}" if dagster else None,
    )


def sign_in_url(web: str, secret: str) -> str:
    """Return an address that signs in; what follows '#' is never sent nor logged."""
    return f"{web}/#token={secret}"


def _check_disk(home: Home) -> None:
    home.path.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(home.path).free
    if free_bytes < _NEEDED_BYTES:
        raise ConfigError(
            f"{home.path} has {free_bytes // 2**20} MiB of free disk and needs {_NEEDED_BYTES // 2**20}: "
            "free some, or keep the state on another disk with PARJANYA_HOME=/path",
        )


def _check_ports(home: Home, *, with_dagster: bool) -> None:
    """Refuse before anything is started, so that a taken port leaves nothing half up."""
    wanted = {WEB: home.web_port, **({DAGSTER_UI: home.dagster_port} if with_dagster else {})}
    for name, port in wanted.items():
        if port and services.find(name, home.path) is None:
            loopback.check_port_is_free(port, for_what=name)
    if home.aws_port and LocalAws.attach(home.aws) is None:
        loopback.check_port_is_free(home.aws_port, for_what="aws")


def _port(home: Home, name: str, wanted: int) -> int:
    """Return the port of a running service, else the wanted one, else (0) a free one."""
    running = services.find(name, home.path)
    return running.port if running and running.port else loopback.chosen_port(wanted)


def _web(home: Home, environment: Mapping[str, str]) -> Service:
    port = _port(home, WEB, home.web_port)
    return Service(
        name=WEB,
        command=(sys.executable, "-m", "parjanya_dagster.web.serve", "--port", str(port)),
        environment=environment,
        port=port,
        is_ready=lambda: loopback.answers(f"http://{HOST}:{port}/healthz"),
    )


def _fleet(home: Home, aws: LocalAws, *, with_dagster: bool) -> Service:
    names = Names(prefix=home.prefix, account=aws.account)
    # the realiser gives each worker a clean environment of its own: what else it needs is named here
    settings = {
        **{each: value for each, value in _dagster_environment(home, aws).items() if each in _FOR_WORKERS},
        **{each: value for each, value in os.environ.items() if each in _TUNING},
    }
    headless = ("-m", "gpu_worker", "headless")
    worker: tuple[str, ...] = headless
    if with_dagster:
        worker = (
            *("-m", "parjanya_dagster.asg_executor.agent"),
            *("--queue", names.steps_queue, "--table", names.steps_table),
            *("--between-steps", "gpu_worker.background:between_steps"),
            *("--preload", "parjanya_dagster.definitions"),
        )
    own = ("/usr/bin/env", *sorted(f"{name}={value}" for name, value in settings.items()), sys.executable)
    command = (
        *(sys.executable, "-m", "parjanya_dagster.local.fleet"),
        *("--aws-dir", str(home.aws), "--directory", str(home.path / "fleet"), "--prefix", home.prefix),
        # Dagster's steps are the usual fleet's
        *(part for name in home.extra_fleets for part in ("--extra", name, shlex.join((*own, *headless)))),
        *("--", *own, *worker),
    )
    return Service(
        name=FLEET,
        command=command,
        environment=environment_of(home, aws, Profile.OPERATOR),
        is_ready=lambda: services.find(FLEET, home.path) is not None,
        stop_patience_s=_FLEET_PATIENCE_S,
    )


_FOR_WORKERS: Final = ("DAGSTER_HOME", "PARJANYA_ARTIFACTS_BUCKET", "PARJANYA_HOME")
_TUNING: Final = (
    *("PARJANYA_ENGINE", "PARJANYA_HEADLESS_AFTER_S", "PARJANYA_VISIBILITY_S"),
    *(f"PARJANYA_WORKER_{name}" for name in ("DEVICE", "MICRO_BATCH", "MODEL", "PACK")),
)


def _dagster_environment(home: Home, aws: LocalAws) -> dict[str, str]:
    return {
        **environment_of(home, aws, Profile.OPERATOR),
        "DAGSTER_HOME": str(home.dagster),
        "PARJANYA_ARTIFACTS_BUCKET": Names(prefix=home.prefix, account=aws.account).artifacts_bucket,
        "PARJANYA_WEB_URL": f"http://{HOST}:{_port(home, WEB, home.web_port)}",
        "PYTHONUNBUFFERED": "1",
    }


def _start_dagster_code(home: Home, aws: LocalAws) -> Service:
    """Start the code server, which imports for seconds, while the templates are deployed."""
    home.dagster.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(home.checkout / "dagster.yaml", home.dagster / "dagster.yaml")
    port = _port(home, DAGSTER_CODE, 0)
    module = "parjanya_dagster.definitions"
    code = Service(
        name=DAGSTER_CODE,
        command=(
            *(sys.executable, "-m", "dagster", "api", "grpc", "--module-name", module),
            *("--host", HOST, "--port", str(port), "--location-name", "parjanya_dagster"),
            "--use-python-environment-entry-point",
        ),
        environment=_dagster_environment(home, aws),
        port=port,
        is_ready=lambda: loopback.accepts(port),
    )
    services.start(code, home.path)
    # JSON is YAML
    location = {"host": HOST, "port": port, "location_name": "parjanya_dagster"}
    # one code server for web server and daemon: two would each hold the definitions in memory
    _workspace(home).write_text(json.dumps({"load_from": [{"grpc_server": location}]}))
    return code


def _finish_dagster(home: Home, aws: LocalAws, code: Service) -> None:
    services.await_ready(code, home.path, timeout_s=_READY_S)
    port = _port(home, DAGSTER_UI, home.dagster_port)
    environment = _dagster_environment(home, aws)
    workspace = ("-w", str(_workspace(home)))
    daemon = Service(
        name=DAGSTER_DAEMON,
        command=(sys.executable, "-m", "dagster._daemon", "run", *workspace),
        environment=environment,
        is_ready=lambda: "daemons" in services.log_tail(DAGSTER_DAEMON, home.path),
    )
    ui = Service(
        name=DAGSTER_UI,
        command=(sys.executable, "-m", "dagster_webserver", *workspace, "-h", HOST, "-p", str(port)),
        environment=environment,
        port=port,
        is_ready=lambda: loopback.answers(f"http://{HOST}:{port}/server_info"),
    )
    for each in (daemon, ui):
        services.start(each, home.path)
    for each in (daemon, ui):
        services.await_ready(each, home.path, timeout_s=_READY_S)


def _workspace(home: Home) -> Path:
    return home.dagster / "workspace.yaml"
