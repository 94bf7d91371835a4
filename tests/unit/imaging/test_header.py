"""Headers: format, stored size and EXIF without a decoder, from bytes that may lie."""

import io
import struct

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.imaging.header import describe, read_header
from tests.unit.imaging.pictures import a_scene, camera_exif, encoded

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIC")


def a_file(kind: str) -> bytes:
    """Return a 96 × 64 picture with camera EXIF in a format."""  # noqa: RUF002 - a sign
    if kind == "HEIC":
        container = pillow_heif.from_pillow(a_scene())
        return encoded_heif(container)
    return encoded(a_scene(), kind, exif=camera_exif().tobytes())


def encoded_heif(container: pillow_heif.HeifFile) -> bytes:
    """Return a HEIC file with camera EXIF."""
    buffer = io.BytesIO()
    container.save(buffer, exif=camera_exif().tobytes())
    return buffer.getvalue()


FILES = {kind: a_file(kind) for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_supported_format_tells_format_size_and_exif(kind: str) -> None:
    """One meaning of EXIF in six containers."""
    facts, exif = describe(FILES[kind])

    assert (facts.format, facts.width, facts.height) == (kind, 96, 64)
    assert facts.orientation == (None if kind == "AVIF" else 1)  # Pillow moves AVIF's into the container
    assert (exif.make, exif.model, exif.iso) == ("Parjanya", "One", 200)
    assert (exif.exposure_time_s, exif.fnumber) == (1 / 125, 2.8)
    assert exif.datetime_original == "2024:05:06 07:08:09"


@pytest.mark.parametrize("kind", FORMATS)
@given(cut=st.integers(0, 4000), at=st.integers(0, 4000), value=st.binary(min_size=1, max_size=8))
def test_damaged_file_is_described_without_raising(kind: str, cut: int, at: int, value: bytes) -> None:
    """Truncated anywhere and overwritten anywhere, a header gives what can be read."""
    data = FILES[kind]
    describe(data[:cut])
    describe(data[:at] + value + data[at + len(value) :])


@given(prefix=st.sampled_from([data[:12] for data in FILES.values()]), rest=st.binary(max_size=200))
def test_garbage_behind_a_true_magic_is_described_without_raising(prefix: bytes, rest: bytes) -> None:
    """A magic number promises nothing."""
    describe(prefix + rest)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a\x10\0\x08\0", "GIF"),
        (b"BM" + bytes(40), "BMP"),
        (b"8BPS\0\1", "PSD"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "CR3"),
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x18ftypisom\0\0\0\1", None),
        (b"<svg/>", None),
        (b"", None),
    ],
)
def test_other_formats_are_named_where_they_are_known(data: bytes, name: str | None) -> None:
    """A person who uploads a RAW file is told that it is one."""
    assert read_header(data).format == name


def test_tiff_directory_that_points_to_itself_ends() -> None:
    """An ExifIFD pointer back to IFD0 is read once, not for ever."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    facts, _ = describe(b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4))

    assert facts.format == "TIFF"


def test_tiff_offset_beyond_every_file_is_no_value() -> None:
    """BigTIFF can point two to the 64 bytes away."""
    facts, _ = describe(b"II+\0\x08\0\0\0" + b"\xff" * 8)

    assert (facts.format, facts.width) == ("TIFF", None)
