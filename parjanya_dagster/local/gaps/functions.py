# ruff: noqa: SLF001 - private names of another project, asserted at start by application.py
"""Lambda's event sources: what was on its way when the process stopped is delivered after the start."""

import json
import os
from collections.abc import Callable
from typing import Any, Final

from parjanya_dagster.local.function_events import Delivery, FunctionEvents

EVENTS_AT_ONCE: Final = max(2, os.cpu_count() or 1)
"""Executions of one function side by side: each costs two processes, and this machine has so many cores."""


class StreamMappings:
    """Lambda: after a restart a stream starts at zero again, but a mapping keeps its old position.

    Without this the first records after a restart, as many as there ever were before it, are skipped.
    """

    def __init__(self, modules: dict[str, Any]) -> None:
        self._application = modules["ministack.app"]
        self._functions = modules["ministack.services.lambda_svc"]
        self._tables = modules["ministack.services.dynamodb"]
        self._load = self._application._load_persisted_state

    def install(self) -> None:
        """Run after the state has been loaded, before the first request is answered."""
        self._application._load_persisted_state = self._load_and_rewind

    def _load_and_rewind(self) -> None:
        self._load()
        for account, region, mapping in self._functions._iter_all_esms():
            source = mapping.get("EventSourceArn", "")
            if ":dynamodb:" not in source:
                continue
            table = source.split("/")[1]
            oldest = self._tables.stream_start_position(table, account_id=account, region=region)
            self._functions._dynamodb_stream_positions.set_scoped(account, region, mapping["UUID"], oldest)
            self._functions._ensure_poller()


class QueuedEvents:
    """EventBridge: events for functions are queued, run a few at a time, and survive a stop.

    Without this a hundred uploads start a hundred functions at once, and those that run when the process
    stops are forgotten: their uploads would wait for the sweep of abandoned ones, more than an hour later.
    """

    _STATE: Final = "parjanya_function_events"

    def __init__(self, modules: dict[str, Any]) -> None:
        self._application = modules["ministack.app"]
        self._persistence = modules["ministack.core.persistence"]
        self._bus = modules["ministack.services.eventbridge"]
        self._functions = modules["ministack.services.lambda_svc"]
        self._load = self._application._load_persisted_state
        self._to_save = self._application._build_persistence_save_dict
        self._events = FunctionEvents(self._invoke, concurrency=EVENTS_AT_ONCE)

    def install(self) -> None:
        """Take over the delivery, and save and load what is under way with everything else."""
        self._bus._dispatch_to_lambda = self._events.put
        self._application._build_persistence_save_dict = self._with_events
        self._application._load_persisted_state = self._load_and_go_on

    def _invoke(self, function: str, payload: str) -> Delivery:
        found, config, _ = self._functions._get_func_record_for_ref(function)
        if not found or not config:
            return Delivery.FAILED
        record = self._functions._execution_record_for_config(found, config)
        result = self._functions._execute_function_with_config_scope(record, json.loads(payload))
        if result.get("throttle"):
            return Delivery.THROTTLED
        return Delivery.FAILED if result.get("error") else Delivery.DONE

    def _with_events(self) -> dict[str, Callable[[], Any]]:
        return {**self._to_save(), self._STATE: lambda: {"events": self._events.unfinished()}}

    def _load_and_go_on(self) -> None:
        self._load()
        saved = self._persistence.load_state(self._STATE) or {}
        self._events.put_all((function, payload) for function, payload in saved.get("events", ()))
