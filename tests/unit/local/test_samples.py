"""The generated samples: the same for everybody, with the EXIF of what was done, judged as a person would."""

from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpu_worker.engines.engine import ScorableImage, engine_named
from gpu_worker.prompts.pack import shipped_pack
from parjanya_dagster.core.policy.decide import compile_policy
from parjanya_dagster.core.policy.facts import facts_of
from parjanya_dagster.core.truth.row import Decision, Verdict
from parjanya_dagster.core.truth.technical import TechnicalLimits, TechnicalReason
from parjanya_dagster.imaging.decode import decode
from parjanya_dagster.imaging.reading import Ingested, Rejected
from parjanya_dagster.local.samples import write_samples
from parjanya_dagster.policies.shipped import shipped_policy

SPOILT = {
    "overexposed": "overexposed",
    "underexposed": "underexposed",
    "out-of-focus": "blurred",
    "noisy": "too_noisy",
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return all samples, written once."""
    return write_samples(tmp_path_factory.mktemp("samples"))


def reading_of(path: Path) -> Ingested | Rejected:
    """Return what ingest makes of a file."""
    return decode(path.read_bytes(), TechnicalLimits())


def decision_of(path: Path) -> Decision:
    """Return what the house decides about a file."""
    reading = reading_of(path)
    assert isinstance(reading, Ingested)
    with Image.open(BytesIO(reading.model_grid.content)) as grid:
        image = ScorableImage(pixels=np.asarray(grid), native=asdict(reading.facts)["statistics"])
    answers = engine_named("cpu").answer([image], shipped_pack())[0]
    facts = facts_of(
        tenant="t",
        priority="normal",
        answers=answers.to_document(),
        technical=asdict(reading.facts),
        exif=asdict(reading.exif),
    )
    return compile_policy(shipped_policy()).decide_one(facts)


def is_sound_photo(path: Path) -> bool:
    """Whether a sample's name says that it is a photo without a flaw."""
    return path.suffix == ".jpg" and not any(word in path.name for word in (*SPOILT, "truncated"))


def test_samples_show_every_kind_of_file(samples: list[Path]) -> None:
    """A first look meets acceptance, every reason to reject, and files that are no images."""
    names = " ".join(path.name for path in samples)

    assert sum(map(is_sound_photo, samples)) >= 20
    for word in ("screenshot", "banner", "social-card", "infographic", "slide", "illustration", "mockup"):
        assert word in names
    assert all(word in names for word in SPOILT)


def test_sample_photos_are_accepted_but_for_two(samples: list[Path]) -> None:
    """The engine never saw them; scenes that look like photos pass."""
    refused = [p.name for p in samples if is_sound_photo(p) and decision_of(p).verdict is not Verdict.ACCEPT]

    assert len(refused) <= 2, refused


def test_sample_photos_that_are_spoilt_are_refused_for_their_flaw(samples: list[Path]) -> None:
    """The reason names what went wrong at the camera."""
    for flaw, reason in SPOILT.items():
        path = next(path for path in samples if flaw in path.name)
        decision = decision_of(path)
        assert decision.verdict is Verdict.REJECT
        assert reason in decision.reason_codes, path.name


def test_samples_that_are_no_photographs_are_rejected(samples: list[Path]) -> None:
    """One of every class."""
    for path in samples:
        if path.suffix in (".png", ".webp"):
            decision = decision_of(path)
            assert decision.verdict is Verdict.REJECT, path.name
            assert "not_a_photograph" in decision.reason_codes


def test_sample_files_that_are_broken_are_rejected_technically(samples: list[Path]) -> None:
    """A torn JPEG and an unsupported format, each by its name."""
    torn = reading_of(next(path for path in samples if "truncated" in path.name))
    other = reading_of(next(path for path in samples if path.suffix == ".gif"))

    assert isinstance(torn, Rejected)
    assert torn.reasons == (TechnicalReason.TRUNCATED,)
    assert isinstance(other, Rejected)
    assert other.reasons == (TechnicalReason.UNSUPPORTED_FORMAT,)


def test_sample_photos_carry_the_exif_of_their_exposure(samples: list[Path]) -> None:
    """Every sound photo names camera, lens, time with offset, and exposure; some know where they were."""
    photos = [reading_of(path) for path in samples if is_sound_photo(path)]

    assert all(isinstance(photo, Ingested) for photo in photos)
    for photo in photos:
        values = asdict(photo.exif)
        position = ("gps_latitude", "gps_longitude")
        assert [name for name, value in values.items() if value is None and name not in position] == []
    latitudes = [photo.exif.gps_latitude for photo in photos if photo.exif.gps_latitude is not None]
    assert min(latitudes) < 0 < max(latitudes)
    assert sum(photo.facts.orientation == 6 for photo in photos) == 1


def test_turned_sample_is_shown_upright(samples: list[Path]) -> None:
    """It is stored lying, and its preview stands."""
    turned = reading_of(next(path for path in samples if "rose-daisy" in path.name))

    assert isinstance(turned, Ingested)
    assert turned.facts.width is not None
    assert turned.facts.height is not None
    assert turned.facts.width > turned.facts.height
    assert turned.preview.width < turned.preview.height


def test_samples_when_written_again_are_the_same_bytes(tmp_path: Path) -> None:
    """A bug report about sample 3 means the same picture everywhere."""
    first = write_samples(tmp_path / "first", count=3)
    second = write_samples(tmp_path / "second", count=3)
    other = write_samples(tmp_path / "other", count=1, seed=1)

    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert other[0].read_bytes() != first[0].read_bytes()


def test_samples_that_are_there_already_are_left_alone(tmp_path: Path) -> None:
    """A second start is quick, and a torn first one is finished."""
    paths = write_samples(tmp_path, count=2)
    paths[0].write_bytes(b"mine")
    paths[1].unlink()

    again = write_samples(tmp_path, count=2)

    assert again == paths
    assert paths[0].read_bytes() == b"mine"
    assert paths[1].stat().st_size > 10_000
    assert sorted(tmp_path.iterdir()) == sorted(paths)
