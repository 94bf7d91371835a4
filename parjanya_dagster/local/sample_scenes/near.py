"""Near scenes: a meadow, flowers, leaves, pebbles, a street in the rain, a person against the light."""

import numpy as np

from parjanya_dagster.local.sample_scenes.canvas import (
    Canvas,
    Field,
    Light,
    blurred,
    colour,
    glow,
    over,
    plain,
    ramp,
    smooth,
)
from parjanya_dagster.local.sample_scenes.wide import NOON, SUNSET, sky

_PETAL_GAP = -0.2
_PETAL_GAP = -0.2
_POPPY, _CORNFLOWER, _DAISY, _ROSE = "d3301f", "4660c8", "f6f2e6", "e06a8c"


def bokeh(
    canvas: Canvas, *, ground: str, lights: tuple[str, ...], count: int = 60, size: float = 0.035
) -> Light:
    """Return a background out of focus: discs of light over soft tones."""
    tones = canvas.fractal(coarsest=2, roughness=0.35)
    scene: Light = colour(ground) * np.clip(1 + 0.5 * tones, 0.1, 3)[..., None]
    for _ in range(count):
        x = float(canvas.rng.uniform(0, canvas.width / canvas.height))
        y = float(np.clip(canvas.rng.normal(0.45, 0.22), 0, 1))
        radius = size * float(canvas.rng.uniform(0.5, 1.4))
        rows, columns = _around(canvas, x=x, y=y, reach=1.1 * radius)
        distance = np.hypot(canvas.across[:, columns] - x, canvas.down[rows] - y) / radius
        cover = smooth(distance, 1.03, 0.95) * (0.55 + 0.45 * smooth(distance, 0.6, 1.0))
        light = colour(lights[int(canvas.rng.integers(len(lights)))])
        scene[rows, columns] += cover[..., None] * light * float(canvas.rng.uniform(0.25, 0.9))
    return scene


def meadow(canvas: Canvas) -> Light:
    """Return a summer meadow: blades and flowers, smaller and paler with distance."""
    scene = sky(canvas, NOON, clouds=0.5)
    horizon = 0.4
    trees = canvas.ridge_line(height=horizon - 0.035, relief=0.02, roughness=0.75, coarsest=12)
    leaves = canvas.fractal(coarsest=60, roughness=0.9)
    wood = colour("2f4a2a") * np.clip(1 + 0.55 * leaves, 0.2, 3)[..., None]
    scene = over(scene, wood + colour("4a5c66") * 0.5, smooth(canvas.down - trees, 0, 0.003))
    depth = np.clip((canvas.down - horizon) / (1 - horizon), 0, 1)
    blades = _mix(
        canvas.fractal(coarsest=120, roughness=0.8, stretch=0.2),
        canvas.fractal(coarsest=30, stretch=0.3, roughness=0.8),
        depth,
    )
    lawn = ramp(blades + 0.4 * leaves, (-2.2, "1c2f10"), (-0.5, "466a22"), (0.6, "86a83a"), (2.2, "d6d98a"))
    lawn = lawn * (0.75 + 0.35 * depth)[..., None] + colour("8fa78a") * ((1 - depth) ** 3 * 0.5)[..., None]
    scene = over(scene, lawn, smooth(canvas.down + 0.01 * blades, horizon, horizon + 0.008))
    return _blossoms(canvas, scene, horizon=horizon, count=900)


def flower(canvas: Canvas, *, petal: str = _ROSE, heart: str = "f2c53d", petals: int = 9) -> Light:
    """Return one blossom in focus before a green blur."""
    scene = bokeh(canvas, ground="3c5a2a", lights=("a9c46a", "6f9a4a", "dfe8a8"), count=45, size=0.09)
    x, y = canvas.width / canvas.height * 0.5, 0.5
    near = max(1.0, 0.85 * canvas.height / canvas.width)  # as far away as an upright frame needs
    dx, dy = (canvas.across - x) * near, (canvas.down - y) * 1.1 * near
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    veins = canvas.fractal(coarsest=70, roughness=0.85)
    stem = smooth(np.abs(dx + 0.03 * np.sin(canvas.down * 5)), 0.014, 0.010) * (canvas.down > y)
    scene = over(scene, (colour("58803a") * (1 + 0.2 * veins[..., None])), stem)
    for ring, reach in ((1, 0.40), (0, 0.31)):
        wave = np.cos(petals * angle / 1.0 + ring * np.pi)
        rim = reach * (0.62 + 0.38 * np.abs(wave) ** 0.5 * (wave > _PETAL_GAP) + 0.02 * np.sin(23 * angle))
        streaks = np.sin(angle * 90 + 6 * veins * radius) * 0.12
        fold = 0.55 + 0.6 * smooth(wave, -0.6, 0.9) * (radius / reach) ** 0.5
        shade = np.clip(fold + streaks + 0.06 * veins - 0.25 * ring + 0.25 * (dx - dy), 0.08, 1.6)
        body = over(
            plain(canvas, petal),
            colour("fff1ea"),
            smooth(radius, reach, reach * 0.2) * 0.35,
        )
        scene = over(scene, (body * shade[..., None]), smooth(radius - rim, 0.003, -0.003))
    seeds = canvas.fractal(coarsest=160, roughness=1.0)
    dome = np.clip(1.1 - (radius / 0.1) ** 2 * 0.7 + 0.35 * seeds - 2 * dx, 0.05, 1.6)
    return over(
        scene,
        (colour(heart) * dome[..., None]),
        smooth(radius + 0.004 * seeds, 0.102, 0.094),
    )


def wet_leaf(canvas: Canvas) -> Light:
    """Return a leaf from very near, with veins and drops of water."""
    x = canvas.across - 0.35 * canvas.down - 0.45
    veins = canvas.fractal(coarsest=40, roughness=0.8)
    cells = canvas.fractal(coarsest=150, roughness=0.9)
    side = np.abs(((np.abs(x) * 1.1 - canvas.down * 0.9 + 0.012 * veins) * 9) % 1 - 0.5)
    main = smooth(np.abs(x + 0.003 * veins), 0.022, 0.004)
    net = np.maximum(main, smooth(side, 0.07, 0.0) * 0.7)
    bulge = np.sin(side * np.pi) * 0.25
    tone = 0.55 + bulge + 0.07 * cells + 0.1 * veins + 0.25 * (1 - canvas.down)
    scene = over(colour("3f7a2c") * tone[..., None], colour("a9c86a"), net * 0.6)
    for _ in range(70):
        cx, cy = float(canvas.rng.uniform(0, 1.6)), float(canvas.rng.uniform(0, 1))
        scene = _drop(canvas, scene, x=cx, y=cy, radius=0.008 + 0.045 * float(canvas.rng.uniform()) ** 4)
    return scene


def pebbles(canvas: Canvas) -> Light:
    """Return pebbles on a shore, seen from above."""
    count = 520
    aspect = canvas.width / canvas.height
    xs, ys = canvas.rng.uniform(-0.05, aspect + 0.05, count), canvas.rng.uniform(-0.05, 1.05, count)
    grain = canvas.fractal(coarsest=200, roughness=1.0)
    bands = canvas.fractal(coarsest=14, roughness=0.6, stretch=4)
    scene: Light = colour("3a332b") * np.clip(1 + 0.5 * grain, 0.1, 3)[..., None]
    tints = ("8d8880", "b9aa94", "6b6f74", "a37a5f", "d8d2c4", "4d5257", "9c8f6d")
    for x, y in zip(xs, ys, strict=True):
        radius = 0.03 + 0.035 * float(canvas.rng.uniform()) ** 2
        rows, columns = _around(canvas, x=x, y=y, reach=1.7 * radius)
        dx, dy = canvas.across[:, columns] - x, canvas.down[rows] - y
        turn, flat = float(canvas.rng.uniform(0, 3.1)), float(canvas.rng.uniform(1.0, 1.6))
        a, b = dx * np.cos(turn) + dy * np.sin(turn), (dy * np.cos(turn) - dx * np.sin(turn)) * flat
        shape = (np.abs(a) ** 2.4 + np.abs(b) ** 2.4) / radius**2.4
        shadow = smooth(((dx - 0.008) ** 2 + (dy - 0.01) ** 2) / radius**2, 1.5, 0.7)
        scene[rows, columns] *= (1 - 0.65 * shadow)[..., None]
        dome = np.sqrt(np.clip(1 - shape, 0, 1))
        light = 0.35 + 0.55 * dome - 5 * (dx + dy) + 0.09 * grain[rows, columns] + 0.1 * bands[rows, columns]
        tint = colour(tints[int(canvas.rng.integers(len(tints)))])
        stone = tint * np.clip(light, 0.05, 1.5)[..., None]
        scene[rows, columns] = over(scene[rows, columns], stone, smooth(shape, 1.04, 0.94))
    return scene


def rainy_street(canvas: Canvas) -> Light:
    """Return a street at night: lights out of focus above, mirrored in wet asphalt below."""
    horizon = 0.56
    upper = bokeh(
        canvas,
        ground="0d1420",
        lights=("ffb04a", "ff5a3c", "ffe2a8", "6ab0ff", "58d68a"),
        count=110,
        size=0.03,
    )
    upper = upper + colour("33405a") * (glow(canvas, x=0.75, y=0.5, radius=0.3)[..., None] * 0.5)
    stones = canvas.fractal(coarsest=110, roughness=0.85, stretch=2.5)
    puddles = smooth(canvas.fractal(coarsest=5, roughness=0.5, stretch=3), -0.4, 0.5)
    mirrored = np.roll(np.flip(upper, axis=0), int((2 * horizon - 1) * canvas.height), axis=0)
    smeared = mirrored * 0.3
    for step in range(1, 12):
        smeared = smeared + np.roll(mirrored, step * canvas.height // 55, axis=0) * 0.11
    asphalt = colour("2b2d33") * np.clip(0.7 + 0.45 * stones, 0.05, 2.5)[..., None] * 0.5
    shine = smeared * (0.25 + 0.6 * puddles + 0.22 * np.clip(stones, -1, 2))[..., None]
    street = asphalt + np.maximum(shine, 0)
    return over(upper, street, smooth(canvas.down + 0 * stones, horizon - 0.01, horizon + 0.03))


def backlit_person(canvas: Canvas) -> Light:
    """Return a person's silhouette with a rim of light, before a sunset out of focus."""
    scene = blurred(sky(canvas, SUNSET, clouds=0.6, lit="ffb27a", shade="6a4a6a"), 16)
    x = canvas.width / canvas.height * 0.55
    scene = scene + glow(canvas, x=x - 0.18, y=0.5, radius=0.2)[..., None] * colour("ffc06a") * 1.5
    hair = canvas.fractal(coarsest=40, roughness=0.85, stretch=0.3)
    dx = canvas.across - x
    head = np.hypot(dx / 0.105, (canvas.down - 0.4) / 0.145) + 0.008 * hair
    bun = np.hypot((dx - 0.075) / 0.06, (canvas.down - 0.285) / 0.055) + 0.02 * hair
    neck = np.maximum(
        np.abs(dx) / (0.055 + 0.6 * np.maximum(canvas.down - 0.54, 0) ** 1.2),
        np.abs(canvas.down - 0.56) / 0.12,
    )
    slope = 0.6 + 0.9 * np.abs(dx) ** 2 + np.maximum(np.abs(dx) - 0.24, 0) ** 1.5 * 6
    body = 1 + (slope - canvas.down) * 8 + 0.01 * hair
    shape = np.minimum(np.minimum(head, bun), np.minimum(neck, body))
    weave = canvas.fractal(coarsest=180, roughness=0.95)
    tone = colour("3a2620") * np.clip(0.55 + 0.22 * weave + 0.2 * hair, 0.05, 2)[..., None]
    rim = smooth(shape, 0.86, 1.0) * smooth(dx, 0.2, -0.15)
    figure = tone + rim[..., None] * colour("ffb871") * np.clip(0.9 + 0.3 * hair, 0, 2)[..., None]
    return over(scene, figure, smooth(shape, 1.01, 0.985))


def _blossoms(canvas: Canvas, scene: Light, *, horizon: float, count: int) -> Light:
    order = np.sort(canvas.rng.uniform(0.0, 1.0, count) ** 0.7)
    for near in order:
        y = horizon + 0.02 + (1 - horizon) * float(near)
        radius = 0.0015 + 0.011 * float(near) ** 1.6 * float(canvas.rng.uniform(0.6, 1.3))
        x = float(canvas.rng.uniform(0, canvas.width / canvas.height))
        tint = (_POPPY, _POPPY, _CORNFLOWER, _DAISY)[int(canvas.rng.integers(4))]
        rows, columns = _around(canvas, x=x, y=y, reach=1.1 * radius)
        dx, dy = (canvas.across[:, columns] - x) / radius, (canvas.down[rows] - y) / (radius * 0.8)
        angle = np.arctan2(dy, dx)
        cover = smooth(np.hypot(dx, dy) - 0.15 * np.cos(5 * angle), 1.0, 0.8)
        light = colour(tint) * np.clip(0.9 - 0.4 * dy + 0.25 * np.cos(5 * angle), 0.2, 1.6)[..., None]
        scene[rows, columns] = over(scene[rows, columns], light, cover)
    return scene


def _drop(canvas: Canvas, scene: Light, *, x: float, y: float, radius: float) -> Light:
    """Return a leaf with a drop on it: darker towards the light, brighter away from it, a glint."""
    rows, columns = _around(canvas, x=x, y=y, reach=1.7 * radius)
    dx, dy = (canvas.across[:, columns] - x) / radius, (canvas.down[rows] - y) / radius
    distance = np.hypot(dx, dy)
    lens = np.clip(0.75 + 0.5 * (dx + dy) * distance, 0.25, 1.9)
    inside = smooth(distance, 1.02, 0.97)
    shadow = smooth(np.hypot(dx - 0.25, dy - 0.25), 1.25, 0.85) * (1 - inside)
    part = scene[rows, columns] * (1 - 0.45 * shadow)[..., None] * (1 + (lens - 1) * inside)[..., None]
    scene[rows, columns] = over(
        part, 1.25 * colour("fbffff"), smooth(np.hypot(dx + 0.35, dy + 0.35), 0.18, 0.14)
    )
    return scene


def _around(canvas: Canvas, *, x: float, y: float, reach: float) -> tuple[slice, slice]:
    """Return the rows and columns within `reach` of a point, so that small things cost little."""
    top, bottom = (max(0, int((y + way * reach) * canvas.height)) for way in (-1, 1))
    left, right = (max(0, int((x + way * reach) * canvas.height)) for way in (-1, 1))
    return slice(top, bottom + 1), slice(left, right + 1)


def _mix(far: Field, near: Field, share: Field) -> Field:
    return far * (1 - share) + near * share
