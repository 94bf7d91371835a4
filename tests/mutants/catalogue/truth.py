"""Mutants of Truth: ingestion, heads and their conditions, replays, and objects without rows."""

from typing import Final

from parjanya_dagster.simulation.faults import Fault
from tests.mutants.checkers import Contract, StoreContract, Swept, Told
from tests.mutants.mutant import Mutant
from tests.mutants.patches import Branch, Constant
from tests.mutants.stories import DEADLY_FILE, FORGOTTEN_ROW, LATE_UPLOAD, REPLAY, UPLOAD

_BACKLOG_ZERO: Final = "the backlog and the fleet reach zero"
_UPLOADS: Final = "unit.control.test_uploads"
_INGEST: Final = "unit.control.test_ingest"
_RECONCILE: Final = "unit.control.test_reconcile"

MUTANTS: Final = (
    Mutant(
        name="write-without-generation",
        source="DESIGN 3: every write is conditional on status and generation",
        story="a head is written on condition of its status alone: the answer to an older question counts",
        patches=(
            Constant(
                where="parjanya_dagster.aws.truth_dynamodb:_UNMOVED",
                value="#status = :status_before AND #generation <= :generation_before OR "
                "#status = :status_before AND #generation > :generation_before",
            ),
        ),
        checker=StoreContract("test_write_when_the_row_has_moved_on_is_refused"),
        breaks="test_write_when_the_row_has_moved_on_is_refused",
    ),
    Mutant(
        name="result-overwritten",
        source="DESIGN 3: one immutable item per attempt's result",
        story="a repeated attempt rewrites what its first write said, under a decision that was made from it",
        patches=(
            Branch(
                where="parjanya_dagster.aws.truth_dynamodb:DynamoImageStore.put_result",
                before="self._put_once(result_item(key, result), ",
                after="self._client.put_item(TableName=self._table, Item=result_item(key, result))\n(",
            ),
        ),
        checker=StoreContract("test_results_are_immutable_and_come_oldest_first"),
        breaks="test_results_are_immutable_and_come_oldest_first",
    ),
    Mutant(
        name="standing-without-generation",
        source="field: SkyPilot Sky Batch (coordinator.py)",
        story="work was given to somebody else, and the old worker's answer still counts",
        patches=(
            Branch(
                where="parjanya_dagster.core.execution.outcome:standing",
                before="if row.generation != generation:",
                after="if False:",
            ),
        ),
        checker=Contract(
            "unit.core.execution.test_outcome", "test_standing_of_another_generation_is_superseded"
        ),
        breaks="test_standing_of_another_generation_is_superseded",
    ),
    Mutant(
        name="second-completion-counts",
        source="field: celery/SQS (5935, 5306)",
        story="a lease ran out, two workers scored the image, and the later one overwrites the first",
        patches=(
            Branch(
                where="parjanya_dagster.core.execution.outcome:standing",
                before="if row.status is not Status.PENDING_VLM_ENRICHMENT:",
                after="if False:",
            ),
            Branch(
                where="gpu_worker.settle:_write_head",
                before="after = head_after(row, outcome, scored_by=scored_by, now=platform.clock())",
                after="row = replace(row, status=Status.PENDING_VLM_ENRICHMENT)\n"
                "after = head_after(row, outcome, scored_by=scored_by, now=platform.clock())\n"
                "row = platform.images.get(job.key)",
            ),
        ),
        checker=Swept(UPLOAD, Fault.DELIVERED_TWICE),
        breaks="a generation is completed once",
    ),
    Mutant(
        name="index-trusted",
        source="DESIGN 3: indexes lag",
        story="what the gap index names is taken for a gap, without reading the row again",
        patches=(
            Branch(
                where="parjanya_dagster.control.observe:observe_world",
                before="gaps = tuple(rows[key] for key in due if key in rows and rows[key].is_gap)",
                after="gaps = tuple(rows[key] for key in due if key in rows)",
            ),
            Branch(
                where="parjanya_dagster.core.reconcile.gaps:gap_actions",
                before="if not row.is_gap or row.due_at is None or row.due_at > due_before:",
                after="if row.due_at is None or row.due_at > due_before:",
            ),
        ),
        checker=Contract(
            "mutants.test_truth_promises", "test_row_that_a_lagging_index_still_shows_gets_no_second_job"
        ),
        breaks="test_row_that_a_lagging_index_still_shows_gets_no_second_job",
    ),
    Mutant(
        name="head-before-result",
        source="DESIGN 3: written first, then named by the head",
        story="the head names a result that is written a moment later, or never",
        patches=(
            Branch(
                where="gpu_worker.settle:settle",
                before="platform.images.put_result(settlement.row.key, outcome.result)\n"
                "        return _write_head(platform, settlement, outcome, scored_by)",
                after="outcome = _write_head(platform, settlement, outcome, scored_by)\n"
                "if isinstance(outcome, Completed):\n"
                "    platform.images.put_result(settlement.row.key, outcome.result)\n"
                "return outcome",
            ),
        ),
        checker=Told(UPLOAD),
        breaks="a head names a result that is there",
    ),
    Mutant(
        name="replay-keeps-stamps",
        source="DESIGN 3: a replay is in the gap",
        story="a replayed row keeps the stamp of its old job, and nobody sends a new one",
        patches=(
            Branch(
                where="parjanya_dagster.core.truth.lifecycle:advanced",
                before="intent_at=None,\n        intent_id=None,",
                after="intent_at=row.intent_at,\nintent_id=row.intent_id,",
            ),
        ),
        checker=Contract(
            "unit.gpu_worker.test_settle",
            "test_success_when_settled_writes_the_result_before_the_head_names_it",
        ),
        breaks="test_success_when_settled_writes_the_result_before_the_head_names_it",
    ),
    Mutant(
        name="replay-without-generation",
        source="DESIGN 3: a replay is generation + 1",
        story="a replay asks again under the old generation: late answers to the old question count",
        patches=(
            Branch(
                where="parjanya_dagster.core.truth.lifecycle:advanced",
                before="generation=row.generation + (event in _NEW_GENERATION),",
                after="generation=row.generation,",
            ),
        ),
        checker=Told(REPLAY),
        breaks="every transition is in the table",
    ),
    Mutant(
        name="late-put-never-adopted",
        source="field: geolens (PR 1401)",
        story="an upload lands after its row was given up, and a failed upload stays failed",
        patches=(
            Branch(
                where="parjanya_dagster.control.ingest:_begin",
                before="begun = advanced(row, Event.UPLOAD_SEEN, now=now)",
                after="if row.status is Status.UPLOAD_FAILED:\n    return Ingested.ALREADY_DONE\n"
                "begun = advanced(row, Event.UPLOAD_SEEN, now=now)",
            ),
        ),
        checker=Told(LATE_UPLOAD),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="upload-abandoned-unseen",
        source="field: geolens (PR 1401); DESIGN 3: AbandonUpload HEADs the key first",
        story="an upload is given up by its date alone, although its object is there",
        patches=(
            Branch(
                where="parjanya_dagster.control.adopt:abandon_upload",
                before="if info is not None:",
                after="if False:",
            ),
        ),
        checker=Contract("mutants.test_truth_promises", "test_upload_whose_object_is_there_is_not_given_up"),
        breaks="test_upload_whose_object_is_there_is_not_given_up",
    ),
    Mutant(
        name="forgotten-row-stays-forgotten",
        source="field: geolens; DESIGN 3 audit: objects to rows",
        story="an object without a row is nobody's business",
        patches=(
            Branch(
                where="parjanya_dagster.control.arrivals:_look",
                before="(row := rows.get(key)) is None or row.status in BEFORE_UPLOAD",
                after="(row := rows.get(key)) is not None and row.status in BEFORE_UPLOAD",
            ),
            Branch(
                where="parjanya_dagster.control.adopt:_unknown",
                before="if row is None or row.status in (Status.PENDING_UPLOAD, Status.UPLOAD_FAILED):",
                after="if row is not None and row.status in (Status.PENDING_UPLOAD, Status.UPLOAD_FAILED):",
            ),
        ),
        checker=Told(FORGOTTEN_ROW),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="marker-not-re-asserted",
        source="incident 5",
        story="a tenant's registry marker is written at onboarding and never again",
        patches=(
            Branch(
                where="parjanya_dagster.control.uploads:request_upload",
                before="platform.control.register_tenant(token.tenant_id, now=now)",
                after="pass",
            ),
        ),
        checker=Contract(_UPLOADS, "test_upload_request_writes_a_missing_marker_again"),
        breaks="test_upload_request_writes_a_missing_marker_again",
    ),
    Mutant(
        name="tenants-from-a-static-list",
        source="incident 5",
        story="tenants are those that were deployed: whoever came later is seen by nobody",
        patches=(
            Branch(
                where="parjanya_dagster.control.arrivals:_tenants_of",
                before="tenants = platform.control.tenants()",
                after='tenants = ["acme"]',
            ),
        ),
        checker=Contract("mutants.test_truth_promises", "test_object_of_a_tenant_that_came_later_is_found"),
        breaks="test_object_of_a_tenant_that_came_later_is_found",
    ),
    Mutant(
        name="attempt-not-written-before-decoding",
        source="DESIGN 3: the attempt is written before decoding",
        story="a file that kills the decoder is tried for ever",
        patches=(
            Branch(
                where="parjanya_dagster.control.ingest:_begin",
                before="attempts=begun.attempts + 1,",
                after="attempts=begun.attempts,",
            ),
        ),
        checker=Told(DEADLY_FILE),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="outage-counts-against-the-file",
        source="DESIGN 4: only faults of the image count",
        story="an unreadable bucket costs the file an attempt each time, and the third rejects it",
        patches=(
            Branch(
                where="parjanya_dagster.control.ingest:ingest_row",
                before="attempts=begun.attempts - 1",
                after="attempts=begun.attempts",
            ),
        ),
        checker=Contract(
            "mutants.test_truth_promises", "test_file_is_not_rejected_for_a_bucket_that_did_not_answer"
        ),
        breaks="test_file_is_not_rejected_for_a_bucket_that_did_not_answer",
    ),
    Mutant(
        name="late-upload-may-overwrite",
        source="DESIGN 3: the bucket policy demands If-None-Match",
        story="a second PUT replaces the original under its row",
        patches=(
            Branch(
                where="parjanya_dagster.aws.tenant_buckets:upload_policy",
                before='"Null": {"s3:if-none-match": "true"},',
                after="",
            ),
        ),
        checker=Contract(
            "mutants.test_truth_promises", "test_bucket_policy_demands_that_nothing_is_overwritten"
        ),
        breaks="test_bucket_policy_demands_that_nothing_is_overwritten",
    ),
    Mutant(
        name="success-cannot-replace-failure",
        source="DESIGN 3: a success may replace a dead-letter failure",
        story="a worker that was slow comes back with the verdict, and the image stays failed",
        patches=(
            Branch(
                where="gpu_worker.settle:why_lost",
                before="return None if replaces_failure else standing(row, generation)",
                after="return standing(row, generation)",
            ),
        ),
        checker=Contract(
            "unit.gpu_worker.test_settle", "test_success_when_its_row_failed_meanwhile_replaces_the_failure"
        ),
        breaks="test_success_when_its_row_failed_meanwhile_replaces_the_failure",
    ),
    Mutant(
        name="rebuilt-row-starts-at-one",
        source="DESIGN 3: a rebuilt row takes clock milliseconds",
        story="a row rebuilt from its object has the generation of the forgotten one: its old jobs match",
        patches=(
            Branch(
                where="parjanya_dagster.control.ingest:row_of_object",
                before="generation=int(now.timestamp() * 1000),",
                after="generation=1,",
            ),
        ),
        checker=Contract("unit.control.test_ingest", "test_ingest_of_an_object_without_row_adopts_it"),
        breaks="test_ingest_of_an_object_without_row_adopts_it",
    ),
    Mutant(
        name="version-not-pinned",
        source="DESIGN 3: rows pin and readers use `version_id`",
        story="the original is read as it is now, not as it was when it was validated",
        patches=(
            Branch(
                where="gpu_worker.fetch:from_original", before=", version_id=job.source_version_id", after=""
            ),
        ),
        checker=Contract(
            "unit.gpu_worker.test_fetch", "test_original_when_replaced_is_read_at_the_version_of_the_job"
        ),
        breaks="test_original_when_replaced_is_read_at_the_version_of_the_job",
    ),
    Mutant(
        name="stamp-overtakes-the-worker",
        source="DESIGN 3: sparse indexes",
        story="a stamp that lands after its worker was done stays on the settled row and in the index",
        patches=(
            Branch(
                where="parjanya_dagster.aws.truth_items:head_changes",
                before="always = _WAITING if moves else frozenset()",
                after="always = frozenset()",
            ),
        ),
        checker=StoreContract("test_row_that_settles_leaves_a_stamp_behind_that_landed_since_it_was_read"),
        breaks="test_row_that_settles_leaves_a_stamp_behind_that_landed_since_it_was_read",
    ),
    Mutant(
        name="audit-looks-one-way",
        source="DESIGN 3: audit in both directions",
        story="objects are held against rows, and rows whose object is gone are not missed",
        patches=(
            Branch(
                where="parjanya_dagster.core.truth.conservation:audited",
                before='"without_object": sorted(here - stored),',
                after='"without_object": [],',
            ),
        ),
        checker=Contract(
            "unit.core.truth.test_conservation",
            "test_object_without_row_and_row_without_object_are_both_named",
        ),
        breaks="test_object_without_row_and_row_without_object_are_both_named",
    ),
)
