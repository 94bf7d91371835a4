"""Dagster's runs as its webserver tells of them; the command line itself does not import Dagster."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

_QUERY: Final = """
query Runs($after: Float!) {
  runsOrError(filter: {createdAfter: $after}, limit: 100) {
    __typename
    ... on Runs { results { runId status jobName } }
  }
}
"""
_ENDED: Final = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one job, and where it stands."""

    run_id: str
    job: str
    status: str


def await_runs(dagster: str, *, since: float, deadline_s: float) -> list[str]:
    """Wait until every run created since then has ended; return a fault for each that did not succeed.

    Args:
        dagster: URL of the webserver.
        since: seconds of the epoch.
        deadline_s: how long to wait for runs in progress.
    """
    deadline = time.monotonic() + deadline_s
    try:
        while pending(runs := runs_since(dagster, since)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    except (OSError, ValueError, KeyError) as error:
        return [f"Dagster at {dagster} cannot be asked for its runs: {error}"]
    return [
        f"Dagster run {run.run_id} of {run.job}: {run.status}; see {dagster}/runs/{run.run_id}"
        for run in runs
        if run.status != "SUCCESS"
    ]


def pending(runs: list[Run]) -> list[Run]:
    """Return the runs that have not ended."""
    return [run for run in runs if run.status not in _ENDED]


def runs_since(dagster: str, since: float) -> list[Run]:
    """Return the runs created since then, at most 100.

    Raises:
        OSError: the webserver does not answer.
        ValueError: it answers something else than runs.
    """
    body = json.dumps({"query": _QUERY, "variables": {"after": since}}).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme is our own http://127.0.0.1
        f"{dagster}/graphql", data=body, headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the same
        told: dict[str, Any] = json.load(answer)
    found = (told.get("data") or {}).get("runsOrError") or {}
    if found.get("__typename") != "Runs":
        raise ValueError(f"no runs in its answer: {json.dumps(told)[:300]}")
    return [
        Run(run_id=each["runId"], job=each["jobName"], status=each["status"]) for each in found["results"]
    ]
