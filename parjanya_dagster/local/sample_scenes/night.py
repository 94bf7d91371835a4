"""Scenes by night: stars, northern lights, a moonrise, a city over water."""

import numpy as np

from parjanya_dagster.local.sample_scenes.canvas import (
    Canvas,
    Field,
    Light,
    blurred,
    colour,
    disc,
    glow,
    over,
    ramp,
    shifted,
    smooth,
)
from parjanya_dagster.local.sample_scenes.wide import ridges

_LIT_WINDOWS = 0.42


def milky_way(canvas: Canvas) -> Light:
    """Return the Milky Way over a dark ridge."""
    scene = ramp(canvas.down + 0 * canvas.across, (0, "101a38"), (0.6, "2c3a5e"), (0.85, "7a6a6a"))
    along = canvas.across * 0.62 + canvas.down * 0.95 - 1.0
    clouds = canvas.fractal(coarsest=5, roughness=0.62)
    band = np.exp(-(((along + 0.05 * clouds) / 0.17) ** 2))
    lanes = smooth(canvas.fractal(coarsest=8, roughness=0.68), 0.1, 1.3) * np.exp(-((along / 0.07) ** 2))
    dust = np.clip(0.7 + 0.5 * clouds, 0, 2.2) * band * (1 - 0.75 * lanes)
    scene = scene + dust[..., None] * colour("b9a7c4") * 0.55
    scene = scene + (band**3 * (1 - 0.6 * lanes))[..., None] * colour("e0b48a") * 0.25
    scene = stars(canvas, scene, count=5200, crowding=band)
    return ridges(canvas, scene, near="05070c", far="1c2230", first=0.8, last=0.9, layers=3)


def stars(canvas: Canvas, scene: Light, *, count: int, crowding: Field | None = None) -> Light:
    """Return a sky with stars, more of them where `crowding` [height, width] is high."""
    rows = canvas.rng.integers(0, canvas.height - 3, count * 2)
    columns = canvas.rng.integers(0, canvas.width - 3, count * 2)
    if crowding is not None:
        kept = canvas.rng.uniform(0, 1, count * 2) < 0.25 + 0.75 * crowding[rows, columns]
        rows, columns = rows[kept], columns[kept]
    rows, columns = rows[:count], columns[:count]
    light = (0.05 + 0.08 * canvas.rng.pareto(1.6, len(rows))).clip(0, 4)
    warmth = canvas.rng.uniform(-0.25, 0.25, len(rows))
    tint = np.stack([1 + warmth, np.ones_like(warmth), 1 - warmth], axis=-1) * light[:, None]
    field = np.zeros_like(scene)
    for dy, dx, share in ((0, 0, 1.0), (0, 1, 0.55), (1, 0, 0.55), (1, 1, 0.3)):
        np.add.at(field, (rows + dy, columns + dx), tint * share)
    return scene + field


def northern_lights(canvas: Canvas) -> Light:
    """Return green curtains of light over snow."""
    scene = ramp(canvas.down + 0 * canvas.across, (0, "070b1e"), (0.55, "12284a"), (0.75, "28506a"))
    scene = stars(canvas, scene, count=1500)
    folds = canvas.fractal(coarsest=3, roughness=0.5, stretch=1.4)[:1]
    rays = canvas.fractal(coarsest=30, roughness=0.7, stretch=0.5)[:1]
    for index, (tint, level) in enumerate((("3cf08a", 0.5), ("58e0c0", 0.4), ("b060e0", 0.3))):
        foot = (
            level + 0.09 * np.roll(folds, 300 * index, axis=1) + 0.05 * np.sin(canvas.across * 3 + index * 2)
        )
        above = foot - canvas.down
        curtain = smooth(above, -0.015, 0.02) * np.exp(-np.maximum(above, 0) / (0.13 + 0.02 * rays))
        light = curtain * np.clip(0.75 + 0.35 * np.roll(rays, 170 * index, axis=1), 0, 2)
        scene = scene + light[..., None] * colour(tint) * (0.9 - 0.2 * index)
    drift = canvas.fractal(coarsest=5, roughness=0.55, stretch=3)
    slope = drift - shifted(drift, 4, 3)
    grain = canvas.rng.standard_normal(canvas.shape, np.float32)
    snow = colour("7fb8b4") * np.clip(0.5 + 1.6 * slope + 0.05 * grain, 0.05, 2)[..., None]
    scene = ridges(canvas, scene, near="0a1420", far="1e3a4c", first=0.66, last=0.76, layers=3)
    line = canvas.ridge_line(height=0.8, relief=0.02, roughness=0.4)
    return over(scene, snow, smooth(canvas.down - line, 0, 0.004))


def moonrise(canvas: Canvas) -> Light:
    """Return a full moon over violet hills."""
    scene = ramp(canvas.down + 0 * canvas.across, (0, "24305c"), (0.4, "7a6a9a"), (0.65, "e8a8a0"))
    x, y = canvas.width / canvas.height * 0.62, 0.34
    seas = canvas.fractal(coarsest=16, roughness=0.62)
    scene = scene + glow(canvas, x=x, y=y, radius=0.12)[..., None] * colour("ffe8cc") * 0.35
    face = (
        colour("fff4de") * np.clip(1.05 - 0.28 * smooth(seas, -0.2, 1.2) + 0.04 * seas, 0.3, 1.4)[..., None]
    )
    scene = over(scene, face, disc(canvas, x=x, y=y, radius=0.085))
    haze = smooth(canvas.fractal(coarsest=4, roughness=0.5, stretch=6), 0.3, 1.6) * 0.5
    scene = over(scene, colour("c79ab0"), haze)
    return ridges(canvas, scene, near="1a1830", far="b58aa4", first=0.6, last=0.93, layers=5)


def city_over_water(canvas: Canvas) -> Light:
    """Return a skyline at the blue hour and its lights in the river."""
    shore = int(canvas.height * 0.62)
    scene = ramp(canvas.down + 0 * canvas.across, (0, "17264d"), (0.4, "4a5f92"), (0.62, "e09a6a"))
    scene = over(scene, colour("6f7396"), smooth(canvas.fractal(coarsest=3, stretch=4), 0.4, 2.2) * 0.5)
    grime = canvas.fractal(coarsest=90, roughness=0.85)
    for layer, (tint, dim) in enumerate((("4d5878", 0.25), ("2a3250", 0.6), ("141a2c", 1.0))):
        scene = _houses(
            canvas, scene, shore=shore, tint=tint, brightness=dim, grime=grime, tall=0.42 - 0.09 * layer
        )
    scene = scene + blurred(np.maximum(scene - 0.5, 0), 9) * 1.2
    rows = np.arange(canvas.height - shore)[:, None]
    ripple = canvas.fractal(coarsest=50, roughness=0.75, stretch=7)[shore:]
    source = np.clip(shore - 1 - rows * 1.05 + ripple * (4 + 16 * rows / rows.max()), 0, shore - 1).astype(
        int
    )
    sway = np.clip(np.arange(canvas.width)[None, :] + ripple * 2, 0, canvas.width - 1).astype(int)
    water = blurred(scene, 4)[source, sway] * 0.75 + colour("101c30") * (1 + 0.3 * ripple[..., None])
    return np.concatenate([scene[:shore], water])


def _houses(
    canvas: Canvas, scene: Light, *, shore: int, tint: str, brightness: float, grime: Field, tall: float
) -> Light:
    """Return a scene with one row of buildings, their windows lit by chance."""
    cover = np.zeros(canvas.shape, np.float32)
    lamps = np.zeros((*canvas.shape, 3), np.float32)
    left = -20
    while left < canvas.width:
        wide = int(canvas.rng.uniform(0.035, 0.1) * canvas.height)
        top = shore - int(canvas.height * tall * float(canvas.rng.beta(2, 3)) + 0.06 * canvas.height)
        cover[top:shore, max(0, left) : max(0, left + wide)] = 1
        pitch_x, pitch_y = int(canvas.rng.integers(9, 15)), int(canvas.rng.integers(12, 18))
        for row in range(top + 8, shore - 10, pitch_y):
            for column in range(max(0, left + 5), min(canvas.width, left + wide) - 6, pitch_x):
                if canvas.rng.uniform() < _LIT_WINDOWS:
                    warm = colour(("ffcf7a", "ffe6b8", "cfe0ff")[int(canvas.rng.integers(3))])
                    level = brightness * float(canvas.rng.uniform(0.15, 1.5))
                    lamps[row : row + pitch_y // 2, column : column + pitch_x // 2] = warm * level
        left += wide + int(canvas.rng.uniform(-0.01, 0.02) * canvas.height)
    wall = colour(tint) * np.clip(1 + 0.25 * grime, 0.3, 2)[..., None]
    return over(scene, (wall + blurred(lamps, 0.8)), cover)
