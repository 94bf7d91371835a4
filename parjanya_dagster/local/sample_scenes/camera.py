"""A camera: scene light through lens and sensor into a JPEG with the EXIF that such an exposure writes.

What the EXIF says is what was done: a high ISO is noisy, a fast lens vignettes, a portrait is turned.
"""

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from parjanya_dagster.local.sample_scenes.canvas import Canvas, Light, blurred, smooth

_TURN_RIGHT: Final = 6
_JPEG_QUALITY: Final = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A camera body with its lens, as they name themselves."""

    make: str
    model: str
    lens: str


FULL_FRAME = Body(make="Canon", model="Canon EOS R6", lens="RF24-105mm F4 L IS USM")
MIRRORLESS = Body(make="NIKON CORPORATION", model="NIKON Z 6_2", lens="NIKKOR Z 50mm f/1.8 S")
COMPACT = Body(make="FUJIFILM", model="X100V", lens="FUJINON 23mm f/2")
PHONE = Body(make="Apple", model="iPhone 15 Pro", lens="iPhone 15 Pro back triple camera 6.765mm f/1.78")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """How one photo is taken.

    Args:
        at: local time, aware, so that its offset is written too.
        exposure_s: seconds as numerator and denominator.
        stops: error of the exposure; negative is too dark.
        defocus_px: radius by which the focus was missed.
        position: latitude and longitude in degrees, if the camera knew.
        turned: held upright, which the file states instead of turning the pixels.
    """

    body: Body
    at: datetime
    iso: int = 100
    exposure_s: tuple[int, int] = (1, 250)
    fnumber: float = 8.0
    focal_length_mm: float = 35.0
    stops: float = 0.0
    defocus_px: float = 0.0
    position: tuple[float, float] | None = None
    turned: bool = False


def take(scene: Light, canvas: Canvas, shot: Shot) -> bytes:
    """Return the JPEG that the camera writes."""
    pixels = _develop(_expose(scene, canvas, shot))
    picture = Image.fromarray(pixels)
    if shot.turned:
        picture = picture.transpose(Image.Transpose.ROTATE_90)  # stored lying, to be turned right again
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=1, exif=_exif(shot))
    return buffer.getvalue()


def _expose(scene: Light, canvas: Canvas, shot: Shot) -> Light:
    """Return what the sensor reads: falloff to the corners, blur, shot noise and read noise."""
    light = blurred(scene, shot.defocus_px) if shot.defocus_px else scene
    middle = canvas.width / canvas.height / 2
    corner = (canvas.across - middle) ** 2 + (canvas.down - 0.5) ** 2
    falloff = 1 - (0.1 + 0.45 / shot.fnumber) * smooth(corner, 0.0, 1.1)
    light = np.maximum(light, 0) * falloff[..., None] * np.float32(2.0**shot.stops)
    gain = shot.iso / 100
    deviation = np.sqrt(light * (1.2e-5 * gain) + (3e-4 * gain**0.8) ** 2)
    noise: Light = canvas.rng.standard_normal(light.shape, np.float32)
    noise *= deviation
    noise += light
    return noise


def _develop(light: Light) -> npt.NDArray[np.uint8]:
    """Return sRGB pixels: white where a sensor clips, with a shoulder before it."""
    kept = np.clip(light, 0, 2.5)
    toned = np.minimum(kept * (1 + kept / 4) / (1 + kept * 0.55), 1)
    display: Light = toned ** np.float32(1 / 2.2) * 255
    pixels = np.empty(display.shape, np.uint8)
    np.clip(display + 0.5, 0, 255, out=pixels, casting="unsafe")
    return pixels


def _exif(shot: Shot) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = shot.body.make
    exif[ExifTags.Base.Model] = shot.body.model
    exif[ExifTags.Base.Orientation] = _TURN_RIGHT if shot.turned else 1
    exif[ExifTags.Base.DateTime] = shot.at.strftime("%Y:%m:%d %H:%M:%S")
    offset = shot.at.strftime("%z")
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExposureTime] = IFDRational(*shot.exposure_s)
    details[ExifTags.Base.FNumber] = IFDRational(round(shot.fnumber * 10), 10)
    details[ExifTags.Base.ISOSpeedRatings] = shot.iso
    details[ExifTags.Base.DateTimeOriginal] = shot.at.strftime("%Y:%m:%d %H:%M:%S")
    details[ExifTags.Base.OffsetTimeOriginal] = f"{offset[:3]}:{offset[3:]}"
    details[ExifTags.Base.OffsetTime] = f"{offset[:3]}:{offset[3:]}"
    details[ExifTags.Base.FocalLength] = IFDRational(round(shot.focal_length_mm * 10), 10)
    details[ExifTags.Base.LensModel] = shot.body.lens
    if shot.position is not None:
        latitude, longitude = shot.position
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        gps[ExifTags.GPS.GPSVersionID] = b"\x02\x03\x00\x00"
        gps[ExifTags.GPS.GPSLatitudeRef] = "N" if latitude >= 0 else "S"
        gps[ExifTags.GPS.GPSLatitude] = _degrees(abs(latitude))
        gps[ExifTags.GPS.GPSLongitudeRef] = "E" if longitude >= 0 else "W"
        gps[ExifTags.GPS.GPSLongitude] = _degrees(abs(longitude))
    return exif


def _degrees(value: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Return degrees, minutes and seconds to a hundredth of a second."""
    hundredths = round(value * 360_000)
    minutes, seconds = divmod(hundredths, 6_000)
    degrees, minutes = divmod(minutes, 60)
    return IFDRational(degrees, 1), IFDRational(minutes, 1), IFDRational(seconds, 100)
