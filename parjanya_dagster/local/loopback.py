"""Ports of this machine: what listens on them, and who answers."""

import socket
import urllib.error
import urllib.request
from typing import Final

import psutil  # type: ignore[import-untyped]  # it publishes no types

from parjanya_dagster.core.errors import ConfigError

HOST: Final = "127.0.0.1"
_OK: Final = 200


def answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own http:// addresses
            return bool(answer.status == _OK)
    except (urllib.error.URLError, OSError):
        return False


def accepts(port: int) -> bool:
    """Whether something accepts connections on a port of this machine now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def chosen_port(wanted: int) -> int:
    """Return `wanted`, or a free port when it is 0."""
    if wanted:
        return wanted
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def check_port_is_free(port: int, *, for_what: str) -> None:
    """Return when nothing listens on `port`.

    Raises:
        ConfigError: something does; the message says what to do.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            variable = f"PARJANYA_{for_what.partition('-')[0].upper()}_PORT"
            raise ConfigError(
                f"port {port} is needed for {for_what} and is taken{_holder_of(port)}: "
                f"stop what listens there, or choose another port with {variable}=… (0 takes a free one)",
            ) from error


def _holder_of(port: int) -> str:
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid:
                return f" by process {each.pid} ({psutil.Process(each.pid).name()})"
    except psutil.Error:  # another user's process: the system does not tell
        return ""
    return ""
