"""Real files, hostile ones among them, through the product's reading: the yardstick of ingestion."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from parjanya_dagster.cli.inspect import read_path, record_of
from parjanya_dagster.core.truth.technical import TechnicalReason
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reading import Ingested, Rejected
from tests.corpus.reference import CORPUS, MISSING, Comparison, Reference, compare, reason_of, references
from tests.unit.imaging.test_header import FILES

MAX_PEAK_MIB = 512
LOST_CHILD = {
    TechnicalReason.DECODER_CRASHED,
    TechnicalReason.DECODER_TIMEOUT,
    TechnicalReason.DECODER_OUT_OF_MEMORY,
    TechnicalReason.VALIDATION_CRASHED,
}

pytestmark = pytest.mark.corpus
needs_corpus = pytest.mark.skipif(not CORPUS.exists(), reason=MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The whole corpus, read once through one decoder."""

    readings: list[tuple[Reference, Ingested | Rejected]]
    peak_mib: float | None

    def comparisons(self) -> Iterator[tuple[Comparison, Reference]]:
        """Yield every field of every file by both readers."""
        for reference, reading in self.readings:
            for comparison in compare(reference, reading.facts, reading.exif):
                yield comparison, reference


@pytest.fixture(scope="module")
def walk() -> Walk:
    """Read every file of the corpus in order."""
    with Decoder() as decoder:
        readings = [(reference, read_path(reference.path, decoder)) for reference in references()]
        return Walk(readings=readings, peak_mib=decoder.peak_memory_mib())


@needs_corpus
def test_every_file_of_the_corpus_has_a_record(walk: Walk) -> None:
    """605 files, 605 JSON records; a rejection always has a reason."""
    assert len(walk.readings) == 605
    for reference, reading in walk.readings:
        record = record_of(reference.path, reading)
        assert json.loads(json.dumps(record, allow_nan=False)) == record
        assert record["valid"] == (not record["reasons"])


@needs_corpus
def test_no_file_of_the_corpus_costs_a_decoder_process(walk: Walk) -> None:
    """Corrupt and hostile files are rejected by name; none crashes, hangs or starves a decoder."""
    lost = [
        reference.row["path"]
        for reference, reading in walk.readings
        if isinstance(reading, Rejected) and LOST_CHILD & set(reading.reasons)
    ]
    assert lost == []


@needs_corpus
def test_corrupt_files_are_rejected(walk: Walk) -> None:
    """A file that its own decoder cannot load is never accepted."""
    accepted = [
        reference.row["path"]
        for reference, reading in walk.readings
        if reference.label == "corrupt" and isinstance(reading, Ingested)
    ]
    assert accepted == []


@needs_corpus
def test_validity_is_what_the_decoders_say(walk: Walk) -> None:
    """Valid is supported and fully decoded, nothing else."""
    different = [
        reference.row["path"]
        for reference, reading in walk.readings
        if isinstance(reading, Ingested) != reference.is_loadable
    ]
    assert different == []


@needs_corpus
def test_sizes_formats_and_frames_are_the_references(walk: Walk) -> None:
    """As stored, before orientation, by an independent reader."""
    different = [
        (reference.row["path"], facts)
        for reference, reading in walk.readings
        if isinstance(reading, Ingested) and (facts := reading.facts)
        if (facts.format, str(facts.width), str(facts.height))
        != (reference.format, reference.row["width"], reference.row["height"])
        or reference.row["frames"] not in ("", str(facts.frames))
    ]
    assert different == []


@needs_corpus
def test_exif_agrees_with_the_reference_per_field(walk: Walk) -> None:
    """At least 99 % of each field, where both readers see the tag."""
    both: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for comparison, _ in walk.comparisons():
        both[comparison.field] += comparison.is_seen_by_both
        agreed[comparison.field] += comparison.is_seen_by_both and comparison.agrees

    assert {
        field: agreed[field] / count for field, count in both.items() if agreed[field] < 0.99 * count
    } == {}
    assert min(both.values()) >= 9


@needs_corpus
def test_every_difference_from_the_reference_has_a_reason(walk: Walk) -> None:
    """A tag that one reader sees and the other does not is explained, not averaged away."""
    unexplained = [
        comparison
        for comparison, reference in walk.comparisons()
        if not comparison.agrees and reason_of(comparison, reference) == "unexplained"
    ]
    assert unexplained == []


@needs_corpus
def test_peak_memory_over_the_corpus_is_bounded(walk: Walk) -> None:
    """The largest of 605 files needs no more than half a gigabyte."""
    if walk.peak_mib is None:
        pytest.skip("this platform does not tell a process's peak memory")
    assert walk.peak_mib <= MAX_PEAK_MIB


def test_generated_files_and_their_ruins_are_handled(tmp_path: Path) -> None:
    """Without a corpus: every format whole, cut at every tenth, and overwritten, in one decoder."""
    with Decoder() as decoder:
        for kind, data in FILES.items():
            whole = tmp_path / f"whole.{kind.lower()}"
            whole.write_bytes(data)
            assert isinstance(read_path(whole, decoder), Ingested)
            for tenth in range(10):
                cut = len(data) * tenth // 10
                for ruin in (data[:cut], data[:cut] + b"\xff" * 64 + data[cut + 64 :]):
                    whole.write_bytes(ruin)
                    reading = read_path(whole, decoder)
                    assert isinstance(reading, Ingested) or not LOST_CHILD & set(reading.reasons)
