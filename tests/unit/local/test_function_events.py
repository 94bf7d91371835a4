"""Events on their way to functions: none forgotten, and never more at once than the machine can run."""

import time
from collections import Counter
from collections.abc import Callable
from threading import Event, Lock

from parjanya_dagster.local.function_events import Delivery, FunctionEvents


def test_burst_when_it_comes_then_only_so_many_run_at_once() -> None:
    """A hundred uploads at once took six gigabytes: each had a process of its own."""
    lock, now, most, done = Lock(), [0], [0], Counter[str]()

    def invoke(_: str, payload: str) -> Delivery:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        Event().wait(0.002)
        with lock:
            now[0] -= 1
            done[payload] += 1
        return Delivery.DONE

    events = FunctionEvents(invoke, concurrency=3)
    for number in range(100):
        events.put("ingest", str(number))

    _wait_for(lambda: not events.unfinished())
    assert most[0] <= 3
    assert done == Counter(str(number) for number in range(100))


def test_event_when_its_function_hangs_then_other_functions_go_on() -> None:
    """A burst of uploads cannot starve reconciliation."""
    release, swept = Event(), Event()

    def invoke(function: str, _: str) -> Delivery:
        if function == "sweep":
            swept.set()
        else:
            release.wait(20)
        return Delivery.DONE

    events = FunctionEvents(invoke, concurrency=1)
    events.put("ingest", "1")
    events.put("ingest", "2")
    events.put("sweep", "")

    assert swept.wait(20)
    _wait_for(lambda: ("sweep", "") not in events.unfinished())
    assert events.unfinished() == [("ingest", "1"), ("ingest", "2")]
    release.set()
    _wait_for(lambda: not events.unfinished())


def test_event_when_its_function_fails_then_is_repeated_and_at_last_dropped() -> None:
    """As on AWS: three tries, then the sweep must find what it was about."""
    tries = Counter[str]()

    def invoke(function: str, _: str) -> Delivery:
        tries[function] += 1
        if function == "busy":
            return Delivery.DONE if tries[function] == 9 else Delivery.THROTTLED
        return Delivery.DONE if function == "shaky" and tries[function] == 3 else Delivery.FAILED

    events = FunctionEvents(invoke, concurrency=1, pause_s=0.001)
    for function in ("broken", "shaky", "busy"):
        events.put(function, "")

    _wait_for(lambda: not events.unfinished())
    assert tries == {"broken": 3, "shaky": 3, "busy": 9}


def test_events_when_unfinished_then_a_later_process_takes_them() -> None:
    """What runs when the process stops is delivered again, rather than forgotten."""
    never, seen = Event(), Counter[str]()
    first = FunctionEvents(lambda *_: Delivery.DONE if never.wait(20) else Delivery.FAILED, concurrency=1)
    first.put("ingest", "1")
    first.put("ingest", "2")

    def invoke(_: str, payload: str) -> Delivery:
        seen[payload] += 1
        return Delivery.DONE

    second = FunctionEvents(invoke, concurrency=1)
    second.put_all(first.unfinished())

    _wait_for(lambda: not second.unfinished())
    assert seen == {"1": 1, "2": 1}
    never.set()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        Event().wait(0.005)
