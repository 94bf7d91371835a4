"""The local AWS process itself: one server on 127.0.0.1, with IAM enforced and its state on disk.

A process of its own, because the implementation reads its settings when it is imported and keeps its
state in module globals. `parjanya_dagster.local.stack` starts and stops it.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from parjanya_dagster.core.errors import ConfigError

if TYPE_CHECKING:
    from parjanya_dagster.local.gaps.application import LocalApplication

HOST: Final = "127.0.0.1"
ACCOUNT: Final = "000000000000"
REGION: Final = "us-east-1"
INSTANCE_FILE: Final = "local-aws.json"
TICK_S: Final = 0.2
SAVE_SHARE: Final = 20  # a save that takes t seconds is followed by at least 20 t of service

_READ_VERBS: Final = ("Get", "Query", "Scan", "BatchGet", "Describe", "List", "Receive", "TransactGet")

logger = logging.getLogger(__name__)


def serve(*, state_dir: Path, port: int, autosave_s: float, parent: int | None) -> None:
    """Serve until SIGTERM or SIGINT, or until process `parent` is gone; then save and return.

    Args:
        state_dir: directory of the state and of the instance file; created if absent.
        port: TCP port; 0 takes a free one.
        autosave_s: seconds between saves while requests change something.
        parent: pid whose end ends this process too (tests); None outlives its starter.

    Raises:
        ConfigError: the port is taken, or the installed implementation does not fit.
    """
    with _listener(port) as listener:
        bound: int = listener.getsockname()[1]
        os.environ.update(_environment(state_dir=state_dir, port=bound))
        _write_instance_file(state_dir, bound)
        try:
            asyncio.run(_serve(listener, autosave_s=autosave_s, parent=parent))
        finally:
            (state_dir / INSTANCE_FILE).unlink(missing_ok=True)


async def _serve(listener: socket.socket, *, autosave_s: float, parent: int | None) -> None:
    # imported here: the implementation reads the environment, which `serve` has just completed
    from hypercorn.asyncio import serve as serve_asgi  # noqa: PLC0415 - see above
    from hypercorn.config import Config  # noqa: PLC0415 - see above

    from parjanya_dagster.local.gaps.application import load_application  # noqa: PLC0415 - see above

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    application = load_application()
    watched = _ChangeWatch(application.handle)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # the server closes it
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1  # long polls of clients that are themselves ending
    config.loglevel = "WARNING"
    keeper = asyncio.create_task(_keep(watched, stop, autosave_s=autosave_s, parent=parent))
    ticker = asyncio.create_task(_tick(application, watched, stop))
    # typed for frameworks that publish their types; ours is an untyped ASGI callable
    await serve_asgi(watched, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]  # any ASGI 3
    stop.set()
    await asyncio.gather(keeper, ticker)


async def _keep(
    watched: "_ChangeWatch", stop: asyncio.Event, *, autosave_s: float, parent: int | None
) -> None:
    """Save while something changes; stop when the parent is gone."""
    from parjanya_dagster.local.gaps.application import save_state  # noqa: PLC0415 - see `_serve`

    next_save = time.monotonic() + autosave_s
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=min(autosave_s, 0.5))
        if parent is not None and os.getppid() != parent:
            stop.set()
        if watched.changed and time.monotonic() >= next_save:
            watched.changed = False
            started = time.monotonic()
            # on the loop, not in a thread: the state must not change while it is written
            save_state()
            took = time.monotonic() - started
            next_save = time.monotonic() + max(autosave_s, SAVE_SHARE * took)


async def _tick(application: "LocalApplication", watched: "_ChangeWatch", stop: asyncio.Event) -> None:
    """Let fleets and alarms move with time, on the loop: nothing of that process is made for threads."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=TICK_S)
        for tick in application.ticks:
            try:
                watched.changed |= tick()
            except Exception:  # the others must go on: heartbeats are watched by them
                logger.exception("tick_failed")


class _ChangeWatch:
    """ASGI application that notes whether any request since the last save may have changed state."""

    def __init__(self, application: Any) -> None:  # noqa: ANN401 - an untyped ASGI callable
        self._application = application
        self.changed = False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        action = b""

        async def receive_and_peek() -> dict[str, Any]:
            nonlocal action
            message: dict[str, Any] = await receive()
            action = action or message.get("body", b"")[:256].partition(b"Action=")[2]
            return message

        await self._application(scope, receive_and_peek, send)
        if scope["type"] == "http" and not _is_read(scope, action):
            self.changed = True


def _is_read(scope: dict[str, Any], action: bytes) -> bool:
    if scope["method"] not in {"POST", "PUT", "DELETE", "PATCH"}:
        return True
    headers = dict(scope["headers"])
    operation = headers.get(b"x-amz-target", b"").rpartition(b".")[2] or action
    return operation.decode("latin-1").startswith(_READ_VERBS)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"port {port} on {HOST} cannot be used ({error.strerror}): "
            "stop what listens there, or choose another port (0 takes a free one)",
        ) from error
    listener.listen(512)
    return listener


def _environment(*, state_dir: Path, port: int) -> dict[str, str]:
    endpoint = f"http://{HOST}:{port}"
    return {
        "AUTH": "true",
        "AWS_ENDPOINT_URL": endpoint,
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "1",
        "S3_DATA_DIR": str(state_dir / "s3"),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(state_dir / "state"),
    }


def _write_instance_file(state_dir: Path, port: int) -> None:
    instance = state_dir / INSTANCE_FILE
    scratch = instance.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps({"pid": os.getpid(), "port": port}))
    scratch.replace(instance)
