"""Reconciliation against the local AWS process: the product's real edges, requests by API operation.

Everything is deployed, but the functions are silenced: they would repair the gaps before the measured cycle.
Wall clock says how fast one Python process emulates AWS on a shared machine; requests and bytes hold on AWS.
"""

import os
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

from botocore.handlers import BUILTIN_HANDLERS

from benchmarks.tables import Table
from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.truth_items import head_item
from parjanya_dagster.control.counters import Change, backlog, note_changes
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.local.credentials import Profile, local_environment, root_session
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.wiring import platform_from_environment
from tests.builders import a_key, a_row

TENANTS: Final = ("tenant-a", "tenant-b")
RECENT: Final = 200
"""Images whose objects lie where the next look at originals reads them."""
REPEATS: Final = 7
BATCH: Final = 25
"""Items of one BatchWriteItem."""
DUE: Final = timedelta(minutes=5)
MEASURED: Final = ("wall s", "own CPU s", "requests", "KiB read")


@dataclass(slots=True)
class Wire:
    """What went over the wire since it was last cleared."""

    requests: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0

    def note(self, event_name: str, response_dict: dict[str, Any] | None = None, **_: object) -> None:
        """Count one answer; botocore calls this."""
        self.requests[event_name.partition(".")[2]] += 1
        body = response_dict["body"] if response_dict else b""
        self.bytes_read += len(body) if isinstance(body, bytes) else 0

    @contextmanager
    def measured(self) -> Iterator[Callable[[], dict[str, Any]]]:
        """Measure a block; the yielded function then gives its wall clock, own CPU, requests and bytes."""
        self.requests.clear()
        self.bytes_read = 0
        row: dict[str, Any] = {}
        began_s, cpu_s = time.perf_counter(), time.process_time()
        yield lambda: row
        row["wall s"] = time.perf_counter() - began_s
        row["own CPU s"] = time.process_time() - cpu_s
        row["requests"] = self.requests.total()
        row["KiB read"] = self.bytes_read / 1024
        row["by operation"] = Counter(self.requests)


def measure_on_endpoints(rows: int, gaps: Sequence[int]) -> list[Table]:
    """Return the tables of a table of so many rows, idle and with gaps."""
    wire = Wire()
    with tempfile.TemporaryDirectory() as state:
        aws = LocalAws.start(Path(state), 0, ends_with_parent=True, autosave_s=3600)
        try:
            names = deploy_locally(aws)
            _silence(aws)
            os.environ.update(local_environment(aws, Profile.OPERATOR, prefix=names.prefix))
            BUILTIN_HANDLERS.append(("response-received", wire.note))  # every client made from now on
            platform = platform_from_environment("cli")
            return _measured(aws, platform, wire, rows, gaps)
        finally:
            aws.stop()


def _measured(aws: LocalAws, platform: Platform, wire: Wire, rows: int, gaps: Sequence[int]) -> list[Table]:
    for tenant in TENANTS:
        add_tenant(platform, tenant)
    patterns = {tenant: a_row(1, tenant_id=tenant, status=Status.ENRICHED) for tenant in TENANTS}
    load_s = _load(
        aws, platform, (replace(patterns[key.tenant_id], key=key) for key in map(_key, range(rows)))
    )
    print(f"loaded {rows:,} rows in {load_s:.0f} s", flush=True)
    _put_objects(aws, platform, range(rows - RECENT, rows))
    cycles = {"idle, looks at originals": _cycle(platform, wire)}
    cycles["idle"] = _median([_cycle(platform, wire) for _ in range(REPEATS)])
    ticks = [{"pending rows": 0} | _tick(platform, wire)]
    pending = 0
    for waiting in gaps:
        numbers = range(rows + pending, rows + pending + waiting)
        _add_gaps(aws, platform, [_key(number) for number in numbers])
        pending += waiting
        peak = {"peak MiB": _peak_mib(platform)}
        cycles[f"{waiting:,} gaps"] = _cycle(platform, wire) | peak
        ticks.append({"pending rows": pending} | _tick(platform, wire))
    operations = sorted({each for row in cycles.values() for each in row["by operation"]})
    return [
        Table(
            title=f"Local endpoints, {rows:,} rows: one cycle",
            rows=[
                {"cycle": name} | {key: row[key] for key in ("jobs sent", "left", *MEASURED, "peak MiB")}
                for name, row in cycles.items()
            ],
        ),
        Table(
            title=f"Local endpoints, {rows:,} rows: requests of one cycle by operation",
            rows=[
                {"operation": each} | {name: row["by operation"][each] for name, row in cycles.items()}
                for each in operations
            ],
        ),
        Table(title=f"Local endpoints, {rows:,} rows: what the backlog sensor reads", rows=ticks),
    ]


def _silence(aws: LocalAws) -> None:
    """Cut what would call the functions: the stream's mapping and every rule."""
    session = root_session(aws)
    functions = session.client("lambda", endpoint_url=aws.endpoint)
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
    events = session.client("events", endpoint_url=aws.endpoint)
    for rule in events.list_rules()["Rules"]:
        events.disable_rule(Name=rule["Name"])


def _key(number: int) -> ImageKey:
    return a_key(number, tenant_id=TENANTS[number % len(TENANTS)])


def _clients(aws: LocalAws) -> AwsClients:
    return AwsClients(region=aws.region, endpoint_url=aws.endpoint, session=root_session(aws))


def _load(aws: LocalAws, platform: Platform, rows: Iterator[ImageRow]) -> float:
    """Write heads in batches, past the product, which writes one at a time; return the seconds."""
    began_s, client, table = time.perf_counter(), _clients(aws).dynamodb, platform.names.images_table
    while batch := list(islice(rows, BATCH)):
        client.batch_write_item(
            RequestItems={table: [{"PutRequest": {"Item": head_item(row)}} for row in batch]}
        )
    return time.perf_counter() - began_s


def _put_objects(aws: LocalAws, platform: Platform, numbers: range) -> None:
    s3 = _clients(aws).s3
    for key in map(_key, numbers):
        bucket = platform.names.uploads_bucket(key.tenant_id)
        s3.put_object(Bucket=bucket, Key=original_key(key.image_id, "a.jpg"), Body=b"", IfNoneMatch="*")


def _add_gaps(aws: LocalAws, platform: Platform, keys: Sequence[ImageKey]) -> None:
    """Add rows that wait for a job which nobody sent, and count them as the stream would have."""
    due_at, names = platform.clock() - DUE, platform.names
    original = {key: a_row(1, key=key).original for key in keys}
    placed = {
        key: each and replace(each, bucket=names.uploads_bucket(key.tenant_id))
        for key, each in original.items()
    }
    _load(aws, platform, (a_row(1, key=key, due_at=due_at, original=placed[key]) for key in keys))
    after = Status.PENDING_VLM_ENRICHMENT
    note_changes(platform, (Change(key=key, before=None, after=after) for key in keys))


def _cycle(platform: Platform, wire: Wire) -> dict[str, Any]:
    with wire.measured() as measured:
        cycle = reconcile_world(platform)
    if cycle.applied is None or cycle.applied.faults or cycle.applied.blind:
        raise SystemExit(f"a cycle failed: {cycle.applied}")
    jobs = sum(count for name, count in cycle.applied.counts.items() if name.startswith("emit:"))
    return {"jobs sent": jobs, "left": cycle.applied.left, "peak MiB": 0.0} | measured()


def _median(cycles: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return sorted(cycles, key=lambda each: float(each["wall s"]))[len(cycles) // 2]


def _tick(platform: Platform, wire: Wire) -> dict[str, Any]:
    """Read what the sensor reads at every tick, apart from Dagster's own runs."""
    reads = []
    for _ in range(REPEATS):
        with wire.measured() as measured:
            backlog(platform)
            platform.queue.depth()
        reads.append(measured())
    row = _median(reads)
    return {name: row[name] for name in MEASURED}


def _peak_mib(platform: Platform) -> float:
    """Return the most memory that observing and planning hold at once."""
    tracemalloc.start()
    try:
        reconcile_world(platform, dry_run=True)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
