"""The pipeline itself, and the comparisons that its stages rest on; nothing is loaded here."""

from datetime import UTC, datetime
from itertools import count

import pytest

from gpu_worker.boot.compatibility import require_compatible
from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.golden import Golden, Said, require_golden
from gpu_worker.boot.manifest import Compatibility, PackEntry, Versions
from gpu_worker.boot.pipeline import Stage, Trace, run_stages
from gpu_worker.boot.reports import document_of, table_of
from gpu_worker.boot.shards import TensorForm, require_expected
from gpu_worker.prompts.pack import shipped_pack
from parjanya_dagster.core.belief.boot import BootFailure, BootStage, TracedStage


class Log:
    """A witness that writes down what it is told, and stages that write down that they ran."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def reach(self, stage: BootStage, *, trace: Trace) -> None:
        """See `Witness`."""
        self.lines.append(f"{stage}: {trace[-1].name} begins")

    def note(self, trace: Trace) -> None:
        """See `Witness`."""
        self.lines.append(f"{trace[-1].name} ended")

    def stage(self, name: str, *, error: Exception | None = None) -> Stage:
        """Return a stage that ends well, or with this error."""

        def run() -> str:
            self.lines.append(f"{name} runs")
            if error is not None:
                raise error
            return f"{name} is well"

        return Stage(name=name, standing=BootStage.VERIFYING, run=run)


def test_pipeline_reports_each_stage_before_it_runs_and_times_it() -> None:
    """Silence has a name: whatever hangs was reported first."""
    log, ticks = Log(), count()

    run = run_stages([log.stage("one"), log.stage("two")], witness=log, clock=lambda: float(next(ticks)))

    assert log.lines == [
        *("verifying: one begins", "one runs", "one ended"),
        *("verifying: two begins", "two runs", "two ended"),
    ]
    assert run.failed is None
    assert run.trace == (
        TracedStage(name="one", seconds=1.0, detail="one is well"),
        TracedStage(name="two", seconds=1.0, detail="two is well"),
    )
    assert run.seconds == 2


def test_pipeline_when_a_stage_fails_runs_no_other() -> None:
    """The first failure ends the boot, and its stage is the last of the trace."""
    log = Log()

    run = run_stages([log.stage("one", error=KeyError("x")), log.stage("two")], witness=log)

    assert "two runs" not in log.lines
    assert run.failed is not None
    assert run.failed.failure is BootFailure.UNEXPECTED
    assert [(each.name, each.detail) for each in run.trace] == [("one", "unexpected")]


def test_report_of_a_boot_shows_its_stages_and_what_ended_it() -> None:
    """One form for people, one for programs."""
    log = Log()
    failed = BootFailedError(BootFailure.HASH_DIFFERS, "x.safetensors", "sha256 is another")

    run = run_stages([log.stage("files"), log.stage("hashes", error=failed)])

    *_, hashes, total, error = table_of(run).splitlines()
    assert hashes.split()[::2] == ["hashes", "hash_differs"]
    assert total.split()[::2] == ["all", "refused"]
    assert error == str(failed)
    document = document_of(run)
    assert (document["ready"], document["failure"], len(document["stages"])) == (False, "hash_differs", 2)


def _golden(p: float, *, dtype: str = "float32", tolerance: float = 1e-4) -> Golden:
    pack = shipped_pack()
    return Golden(
        made_at=datetime(2026, 11, 22, tzinfo=UTC),
        model="0" * 64,
        dtype=dtype,
        engine="test",
        hardware="cpu",
        tolerance=tolerance,
        images={"a.png": "0" * 64},
        answers={pack.fingerprint_part: _said(p)},
    )


def _said(p: float) -> Said:
    return {"a.png": {"photograph": {"yes": p, "no": 1 - p}}}


@pytest.mark.parametrize(
    ("golden", "found", "dtype", "differs"),
    [
        (_golden(0.3), 0.3, "float32", False),
        (_golden(0.3), 0.2999, "float32", False),  # at the tolerance
        (_golden(0.3), 0.2998, "float32", True),
        (_golden(0.3), 0.281, "bfloat16", False),
        (_golden(0.3, dtype="bfloat16", tolerance=0.02), 0.319, "float32", False),
        (_golden(0.3), 0.321, "bfloat16", True),
    ],
)
def test_golden_answers_differ_beyond_the_tolerance_of_the_coarser_arithmetic(
    golden: Golden, found: float, dtype: str, *, differs: bool
) -> None:
    """Made in float32 on a CPU, they still judge a GPU in bfloat16, and the other way round."""
    pack = shipped_pack()

    if differs:
        with pytest.raises(BootFailedError, match=r"^golden_differs: a\.png/photograph/"):
            require_golden(golden, _said(found), pack, dtype=dtype)
    else:
        assert "1 images" in require_golden(golden, _said(found), pack, dtype=dtype)


def test_golden_answers_differ_when_a_label_is_another() -> None:
    """One that was renamed has no probability to compare."""
    said: Said = {"a.png": {"photograph": {"yes": 0.3, "maybe": 0.7}}}

    with pytest.raises(BootFailedError, match=r"^golden_differs: .*only one side has an answer"):
        require_golden(_golden(0.3), said, shipped_pack(), dtype="float32")


def test_checkpoint_without_a_tensor_of_its_model_is_refused() -> None:
    """Field: transformers loads it with random numbers and a log line."""
    form = TensorForm(dtype="BF16", shape=(4,))
    expected = dict.fromkeys(("a", "b", "c", "d", "e"), form)

    require_expected(expected, expected)
    with pytest.raises(
        BootFailedError, match=r"^load_incomplete: tensors: b, c, d and 1 more missing; x unexp"
    ):
        require_expected({"a": form, "x": form}, expected)


def test_checkpoint_of_any_type_will_do_where_its_configuration_names_none() -> None:
    """Old configurations say nothing; the shape still counts."""
    found = {"a": TensorForm(dtype="BF16", shape=(4,))}

    require_expected(found, {"a": TensorForm(dtype=None, shape=(4,))})
    with pytest.raises(BootFailedError, match=r"^dtype_or_shape_differs: a: BF16 \[4\] there, any \[5\]"):
        require_expected(found, {"a": TensorForm(dtype=None, shape=(5,))})


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("5.22.9", False),
        ("5.23", False),
        ("5.23.0", True),
        ("5.23.7+cu12", True),
        ("5.24.0", False),
        ("nightly", False),
        (None, False),
    ],
)
def test_folder_fits_the_versions_that_it_is_for(version: str | None, *, fits: bool) -> None:
    """From the first, up to but without the second; a library that is not there fits nothing."""
    pack = shipped_pack()
    wanted = Compatibility(
        engine="e",
        model_type="m",
        libraries={"transformers": Versions(at_least="5.23.0", below="5.24")},
        packs={pack.id: PackEntry(content_hash=pack.content_hash, label_tokens={})},
    )

    def check() -> None:
        require_compatible(wanted, engine="e", model_type="m", pack=pack, version_of=lambda _name: version)

    if fits:
        check()
    else:
        with pytest.raises(BootFailedError, match=r"^incompatible: .*transformers from 5\.23\.0 below 5\.24"):
            check()
