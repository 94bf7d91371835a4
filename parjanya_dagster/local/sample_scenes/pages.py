"""Composed images: one or two of every class that a photographers' platform has no use for."""

import io
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_INK, _PAPER, _GREY, _ACCENT, _WARM = "#1f2933", "#ffffff", "#9aa5b1", "#2563eb", "#f97316"
_WORDS: Final = (
    *("light", "shutter", "aperture", "river", "morning", "archive", "colour", "frame", "batch", "window"),
    *("policy", "quiet", "cloud", "grain", "lens", "north", "story", "field", "paper", "meadow", "harbour"),
)


class Page:
    """A drawing surface with the few shapes that composed images consist of; lengths in pixels."""

    def __init__(self, width: int, height: int, ground: str, rng: np.random.Generator) -> None:
        """Start with a plain ground."""
        self.image = Image.new("RGB", (width, height), ground)
        self.draw = ImageDraw.Draw(self.image)
        self.rng = rng

    def text(self, x: float, y: float, words: str, *, size: int = 28, fill: str = _INK) -> None:
        """Write one line, its upper left corner at a point."""
        self.draw.text((x, y), words, font=ImageFont.load_default(size), fill=fill)

    def lines(
        self, x: float, y: float, count: int, *, size: int = 22, words: int = 8, fill: str = _INK
    ) -> None:
        """Write lines of words that mean nothing."""
        for row in range(count):
            chosen = self.rng.choice(_WORDS, int(self.rng.integers(max(2, words - 3), words + 1)))
            self.text(x, y + row * size * 1.55, " ".join(chosen), size=size, fill=fill)

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        *,
        fill: str,
        radius: int = 0,
        line: str | None = None,
    ) -> None:
        """Draw a rectangle, its corners round if asked."""
        self.draw.rounded_rectangle((left, top, right, bottom), radius, fill=fill, outline=line, width=2)

    def png(self) -> bytes:
        """Return the page as a PNG."""
        buffer = io.BytesIO()
        self.image.save(buffer, "PNG")
        return buffer.getvalue()

    def webp(self) -> bytes:
        """Return the page as a lossy WebP."""
        buffer = io.BytesIO()
        self.image.save(buffer, "WEBP", quality=88)
        return buffer.getvalue()


def desktop_screenshot(rng: np.random.Generator) -> bytes:
    """Return a screenshot of a file manager."""
    page = Page(1680, 1050, "#f5f6f8", rng)
    page.box(0, 0, 1680, 56, fill="#e3e7ec")
    for index, light in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        page.draw.ellipse((24 + 34 * index, 20, 42 + 34 * index, 38), fill=light)
    page.text(720, 14, "Library / 2026 / June", size=24)
    page.box(0, 56, 320, 1050, fill="#eceff3")
    for row, word in enumerate(_WORDS[:16]):
        if row == 3:  # noqa: PLR2004 - any row may be the selected one
            page.box(12, 92 + row * 52, 308, 136 + row * 52, fill="#cfe0fb", radius=8)
        page.text(40, 98 + row * 52, word.title(), size=24)
    for row in range(17):
        top = 130 + row * 52
        page.draw.line((320, top - 14, 1680, top - 14), fill="#dde2e8")
        page.text(350, top, f"IMG_{4210 + row * 7}.JPG", size=22)
        page.text(
            820, top, f"{int(rng.integers(2, 14))}.{int(rng.integers(0, 9))} MB", size=22, fill="#52606d"
        )
        page.text(
            1180,
            top,
            f"2026-06-{row + 3:02d}  1{row % 10}:{int(rng.integers(10, 59))}",
            size=22,
            fill="#52606d",
        )
    return page.png()


def terminal_screenshot(rng: np.random.Generator) -> bytes:
    """Return a screenshot of a terminal."""
    page = Page(1440, 900, "#11151c", rng)
    for row in range(29):
        fill = ("#7ee787", "#c9d1d9", "#c9d1d9", "#79c0ff", "#ffa657")[int(rng.integers(5))]
        page.text(24, 18 + row * 30, "$ " if row % 6 == 0 else "  ", size=20, fill="#7ee787")
        page.text(
            52, 18 + row * 30, " ".join(rng.choice(_WORDS, int(rng.integers(3, 13)))), size=20, fill=fill
        )
    return page.png()


def banner(rng: np.random.Generator) -> bytes:
    """Return a wide header with a slogan."""
    page = Page(1600, 480, "#0f3d5c", rng)
    for index in range(7):
        x = 1000 + index * 90
        page.draw.polygon(
            [(x, 480), (x + 160, 120 + 30 * index), (x + 320, 480)], fill=("#14557f", "#1b6ea3")[index % 2]
        )
    page.draw.ellipse((1330, 60, 1430, 160), fill="#ffd166")
    page.text(90, 140, "Every photo counted", size=92, fill=_PAPER)
    page.text(94, 270, "Upload. Judge. Publish.", size=46, fill="#9fd3f5")
    return page.png()


def social_card(rng: np.random.Generator) -> bytes:
    """Return a link preview: a title on a plain ground."""
    page = Page(1200, 630, "#fff7ed", rng)
    page.box(0, 0, 24, 630, fill=_WARM)
    page.text(90, 150, "How we sort ten thousand", size=74)
    page.text(90, 240, "photos before breakfast", size=74)
    page.draw.ellipse((90, 420, 180, 510), fill=_WARM)
    page.text(210, 428, "The curation desk", size=34)
    page.text(210, 474, "7 min read", size=26, fill="#7b8794")
    return page.png()


def infographic(rng: np.random.Generator) -> bytes:
    """Return a chart with numbers and captions."""
    page = Page(1200, 1600, _PAPER, rng)
    page.text(80, 70, "A season in numbers", size=78)
    page.lines(84, 180, 2, size=28, words=9, fill="#52606d")
    colours = ("#2563eb", "#f97316", "#10b981", "#a855f7", "#e11d48", "#0ea5e9")
    for index, value in enumerate(rng.integers(90, 420, 6)):
        left = 120 + index * 170
        page.box(left, 800 - int(value), left + 110, 800, fill=colours[index])
        page.text(left + 18, 755 - int(value), str(value), size=32)
        page.text(left, 815, _WORDS[index][:7], size=26)
    page.draw.line((90, 800, 1120, 800), fill=_INK, width=3)
    start = 0.0
    for index, share in enumerate(rng.dirichlet(np.full(5, 3.0)) * 360):
        page.draw.pieslice((110, 960, 560, 1410), start, start + share, fill=colours[index])
        start += share
    for index in range(5):
        page.box(660, 1000 + 80 * index, 700, 1040 + 80 * index, fill=colours[index])
        page.text(725, 1002 + 80 * index, f"{_WORDS[index + 8].title()} and {_WORDS[index]}", size=30)
    return page.png()


def slide(rng: np.random.Generator) -> bytes:
    """Return a slide with a title and points."""
    page = Page(1600, 900, _PAPER, rng)
    page.box(0, 0, 1600, 150, fill="#1e3a5f")
    page.text(80, 44, "What changes this quarter", size=62, fill=_PAPER)
    for row in range(6):
        page.draw.ellipse((100, 238 + row * 94, 120, 258 + row * 94), fill=_WARM)
        page.text(150, 224 + row * 94, " ".join(rng.choice(_WORDS, 6)).capitalize(), size=42)
    page.text(1440, 840, "7 / 24", size=26, fill=_GREY)
    return page.webp()


def illustration(rng: np.random.Generator) -> bytes:
    """Return a flat drawing of a fox in the hills."""
    page = Page(1400, 1050, "#fde8c8", rng)
    page.draw.ellipse((930, 110, 1150, 330), fill="#f9a03f")
    for index, tint in enumerate(("#a7c4a0", "#7fa87a", "#56825a")):
        hills = [(x, 620 + 90 * index - 90 * np.sin(x / 230 + index * 1.9)) for x in range(0, 1401, 10)]
        page.draw.polygon([*hills, (1400, 1050), (0, 1050)], fill=tint)
    fox, cream = "#d9622b", "#fff4e6"
    page.draw.ellipse((430, 640, 850, 930), fill=fox)
    page.draw.polygon([(780, 800), (1080, 640), (1040, 830), (850, 900)], fill=fox)
    page.draw.polygon([(1080, 640), (1010, 690), (1040, 770)], fill=cream)
    page.draw.polygon([(360, 470), (400, 620), (490, 560)], fill=fox)
    page.draw.polygon([(640, 470), (510, 560), (600, 620)], fill=fox)
    page.draw.ellipse((370, 520, 630, 760), fill=fox)
    page.draw.polygon([(400, 660), (600, 660), (500, 770)], fill=cream)
    for x in (440, 540):
        page.draw.ellipse((x, 610, x + 24, 640), fill=_INK)
    page.draw.ellipse((482, 742, 518, 772), fill=_INK)
    return page.png()


def mockup(rng: np.random.Generator) -> bytes:
    """Return two screens of an app as a designer shows them."""
    page = Page(1500, 1100, "#dfe7f2", rng)
    for index in range(2):
        left = 270 + index * 500
        page.box(left, 70, left + 460, 1030, fill="#15181e", radius=60)
        page.box(left + 18, 88, left + 442, 1012, fill=_PAPER, radius=46)
        page.text(left + 60, 150, ("Your albums", "Upload")[index], size=44)
        for row in range(4):
            top = 250 + row * 150
            page.box(left + 50, top, left + 410, top + 126, fill="#eef2f7", radius=18)
            page.box(
                left + 66,
                top + 18,
                left + 156,
                top + 108,
                fill=("#93c5fd", "#fcd34d", "#86efac", "#fca5a5")[row],
                radius=12,
            )
            page.text(left + 180, top + 26, _WORDS[row + index * 5].title(), size=28)
            page.text(left + 180, top + 68, f"{int(rng.integers(3, 90))} photos", size=22, fill="#7b8794")
        page.box(left + 50, 880, left + 410, 960, fill=_ACCENT, radius=40)
        page.text(left + 180, 900, "Continue", size=30, fill=_PAPER)
    return page.webp()
