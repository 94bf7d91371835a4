"""The default photos: generated, so that a first look at the platform downloads nothing.

Scenes with the EXIF of the camera that took them, some of them spoilt as photos get spoilt; one or two of
every kind of image that is no photograph; a truncated file and one of an unsupported format. No engine has
learnt from them.
"""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from parjanya_dagster.local.sample_scenes import near, night, pages, wide
from parjanya_dagster.local.sample_scenes.camera import COMPACT, FULL_FRAME, MIRRORLESS, PHONE, Shot, take
from parjanya_dagster.local.sample_scenes.canvas import Canvas, Light

DEFAULT_SEED: Final = 2026

_LANDSCAPE, _PORTRAIT, _WIDE = (1536, 1024), (1120, 1488), (1920, 1080)
_FIRST_SHOT: Final = datetime(2026, 6, 14, 4, 52, 10, tzinfo=timezone(timedelta(hours=2)))
_THREADS: Final = 2  # numpy and Pillow compute outside the interpreter's lock
_OUT_OF_ORDER: Final = 7
"""Samples are numbered in this stride of the catalogue, so that the first few already show every kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photo of the catalogue: what is seen, and how it is taken."""

    name: str
    scene: Callable[[Canvas], Light]
    shot: Shot
    size: tuple[int, int] = _LANDSCAPE


_DAY = Shot(body=FULL_FRAME, at=_FIRST_SHOT)
_NEAR = Shot(body=MIRRORLESS, at=_FIRST_SHOT, exposure_s=(1, 500), fnumber=2.8, focal_length_mm=50.0)
_DUSK = Shot(body=COMPACT, at=_FIRST_SHOT, iso=400, exposure_s=(1, 60), fnumber=4.0, focal_length_mm=23.0)
_NIGHT = Shot(
    body=FULL_FRAME, at=_FIRST_SHOT, iso=1600, exposure_s=(15, 1), fnumber=4.0, focal_length_mm=24.0
)
_POCKET = Shot(body=PHONE, at=_FIRST_SHOT, iso=64, exposure_s=(1, 1200), fnumber=1.8, focal_length_mm=6.8)


def _catalogue() -> tuple[Photo, ...]:
    return (
        Photo(
            name="ridges-at-dawn", scene=wide.layered_dawn, shot=replace(_DUSK, position=(46.5197, 7.9594))
        ),
        Photo(name="peaks", scene=wide.snowy_peaks, shot=replace(_DAY, position=(45.8326, 6.8652))),
        Photo(name="mirror-lake", scene=wide.mirror_lake, shot=_DAY, size=_WIDE),
        Photo(name="sunset-at-sea", scene=wide.sea, shot=_DUSK),
        Photo(name="beach", scene=_beach, shot=replace(_POCKET, position=(-33.8915, 151.2767))),
        Photo(name="dunes", scene=wide.dunes, shot=_DAY),
        Photo(name="autumn-slope", scene=wide.autumn_slope, shot=_DAY),
        Photo(name="fog-in-the-wood", scene=wide.foggy_wood, shot=_DUSK, size=_PORTRAIT),
        Photo(name="balloons", scene=wide.balloons, shot=replace(_DAY, position=(38.6431, 34.8289))),
        Photo(name="winter-field", scene=wide.winter_field, shot=_DAY),
        Photo(name="poppy-meadow", scene=near.meadow, shot=_DAY),
        Photo(name="rose-daisy", scene=near.flower, shot=replace(_NEAR, turned=True), size=_PORTRAIT),
        Photo(name="blue-aster", scene=_aster, shot=_NEAR),
        Photo(name="wet-leaf", scene=near.wet_leaf, shot=_NEAR),
        Photo(name="pebbles", scene=near.pebbles, shot=_POCKET),
        Photo(
            name="rainy-street",
            scene=near.rainy_street,
            shot=replace(_NIGHT, exposure_s=(1, 60), fnumber=1.8),
        ),
        Photo(name="against-the-light", scene=near.backlit_person, shot=_DUSK),
        Photo(name="milky-way", scene=night.milky_way, shot=replace(_NIGHT, stops=0.7)),
        Photo(
            name="northern-lights",
            scene=night.northern_lights,
            shot=replace(_NIGHT, position=(69.6492, 18.9553)),
        ),
        Photo(name="moonrise", scene=night.moonrise, shot=_DUSK),
        Photo(
            name="city-at-blue-hour", scene=night.city_over_water, shot=replace(_NIGHT, iso=200), size=_WIDE
        ),
        Photo(name="overexposed-beach", scene=_beach, shot=replace(_POCKET, stops=2.8)),
        Photo(name="underexposed-ridges", scene=wide.layered_dawn, shot=replace(_DUSK, stops=-5.2)),
        Photo(name="out-of-focus-meadow", scene=near.meadow, shot=replace(_NEAR, defocus_px=9.0)),
        Photo(
            name="noisy-balloons",
            scene=wide.balloons,
            shot=replace(_NIGHT, iso=204800, exposure_s=(1, 4000), fnumber=8.0),
        ),
    )


_PAGES: Final[tuple[tuple[str, Callable[[np.random.Generator], bytes]], ...]] = (
    ("screenshot-files.png", pages.desktop_screenshot),
    ("screenshot-terminal.png", pages.terminal_screenshot),
    ("banner.png", pages.banner),
    ("social-card.png", pages.social_card),
    ("infographic.png", pages.infographic),
    ("slide.webp", pages.slide),
    ("illustration.png", pages.illustration),
    ("mockup.webp", pages.mockup),
)


def write_samples(directory: Path, *, count: int | None = None, seed: int = DEFAULT_SEED) -> list[Path]:
    """Write the samples that are not there yet, and return the paths of all, in order.

    The same seed gives the same bytes, on the same versions of numpy and Pillow.

    Args:
        directory: created if need be; other files in it are left alone.
        count: how many, ≥ 1; all if None. The first few are already of many kinds.
        seed: of everything that is left to chance.

    Raises:
        OSError: the directory can't be written, or the disk is full.
    """
    directory.mkdir(parents=True, exist_ok=True)
    makers = _sample_makers(seed)[:count]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda maker: _written(directory / maker[0], maker[1]), makers))


def _written(path: Path, make: Callable[[], bytes]) -> Path:
    """Return a path that exists as a whole: an interrupted start leaves no half of a photo."""
    if not path.exists():
        half_written = path.with_suffix(".part")
        half_written.write_bytes(make())
        half_written.replace(path)
    return path


def _sample_makers(seed: int) -> list[tuple[str, Callable[[], bytes]]]:
    """Return file names and what makes their bytes, numbered in the order of writing."""
    photos: list[tuple[str, Callable[[], bytes]]] = [
        (f"{photo.name}.jpg", _maker_of(photo, index, seed)) for index, photo in enumerate(_catalogue())
    ]
    others: list[tuple[str, Callable[[], bytes]]] = [
        (name, _page_maker(make, index, seed)) for index, (name, make) in enumerate(_PAGES)
    ]
    others += [("truncated.jpg", lambda: _truncated(photos[0][1]())), ("animation.gif", _gif)]
    makers: list[tuple[str, Callable[[], bytes]]] = []
    for index, photo in enumerate(photos[at] for at in _strided(len(photos))):
        makers.append(photo)
        if index % 2 and others:
            makers.append(others.pop(0))
    makers += others
    return [(f"{number:02d}-{name}", make) for number, (name, make) in enumerate(makers, start=1)]


def _strided(length: int) -> list[int]:
    return sorted(range(length), key=lambda at: (at % _OUT_OF_ORDER, at))


def _maker_of(photo: Photo, index: int, seed: int) -> Callable[[], bytes]:
    def make() -> bytes:
        width, height = photo.size
        canvas = Canvas(width=width, height=height, rng=np.random.default_rng([seed, index]))
        shot = replace(photo.shot, at=photo.shot.at + timedelta(hours=3 * index, minutes=7 * index))
        return take(photo.scene(canvas), canvas, shot)

    return make


def _page_maker(make: Callable[[np.random.Generator], bytes], index: int, seed: int) -> Callable[[], bytes]:
    return lambda: make(np.random.default_rng([seed, 1000 + index]))


def _beach(canvas: Canvas) -> Light:
    return wide.sea(canvas, wide.NOON, "1f7f8c", beach=True)


def _aster(canvas: Canvas) -> Light:
    return near.flower(canvas, petal="7a4ac0", heart="f5d76e", petals=13)


def _truncated(photo: bytes) -> bytes:
    """Return a JPEG that ends in the middle of its pixels, as an interrupted copy does."""
    return photo[: len(photo) // 2]


def _gif() -> bytes:
    frames = [Image.new("P", (320, 240), shade) for shade in (0, 60, 120)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=200)
    return buffer.getvalue()
