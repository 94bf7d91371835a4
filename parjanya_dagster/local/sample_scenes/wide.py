"""Wide scenes by day: ridges, lakes, seas, dunes, forests, fog, snow, balloons."""

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
    plain,
    ramp,
    resized,
    shifted,
    smooth,
)

Stops = tuple[tuple[float, str], ...]

DAWN: Stops = ((0.0, "27406b"), (0.3, "7f8db0"), (0.48, "f0b48c"), (0.6, "ffe2b0"))
NOON: Stops = ((0.0, "2f6fb5"), (0.35, "7fb2de"), (0.6, "d3e6f2"))
SUNSET: Stops = ((0.0, "2b2f5c"), (0.25, "8a4a70"), (0.42, "e8743b"), (0.55, "ffd27a"))
STORM: Stops = ((0.0, "3c434c"), (0.35, "79838c"), (0.6, "c6c9c4"))


def sky(
    canvas: Canvas, stops: Stops, *, clouds: float = 0.5, lit: str = "fff3e0", shade: str = "7a8798"
) -> Light:
    """Return a sky over the whole canvas.

    Args:
        stops: colours from the top down.
        clouds: share that clouds cover, 0..1.
        lit: colour of clouds towards the light.
        shade: colour of their undersides.
    """
    air = ramp(canvas.down + 0 * canvas.across, *stops)
    if clouds <= 0:
        return air
    cover = canvas.fractal(coarsest=3, roughness=0.56, stretch=2.2, finest_px=4)
    relief = canvas.fractal(coarsest=6, roughness=0.6, stretch=1.6, finest_px=2)
    cover += 0.4 * relief
    edge = 1.4 - 2.6 * clouds
    density = smooth(cover, edge, edge + 1.3)
    body = smooth(relief - shifted(relief, canvas.height // 60, 0) * 0.9, -1.0, 1.0)
    tint = over(plain(canvas, shade), colour(lit), body)
    return over(air, tint, density * 0.92)


def ridges(
    canvas: Canvas, scene: Light, *, near: str, far: str, first: float, last: float, layers: int = 5
) -> Light:
    """Return mountain ridges in front of a scene, hazier the farther.

    Args:
        near: colour of the nearest ridge.
        far: colour of the air that the farthest is lost in.
        first: how far down the farthest reaches, 0..1.
        last: the same of the nearest.
    """
    texture = canvas.fractal(coarsest=10, roughness=0.75)
    shading = 1 + 0.35 * (texture - shifted(texture, 2, 3))
    for layer in range(layers):
        nearness = layer / max(1, layers - 1)
        line = canvas.ridge_line(
            height=first + (last - first) * nearness, relief=0.05 + 0.03 * (1 - nearness), roughness=0.52
        )
        air = colour(far) * (1 - nearness) ** 1.3
        stone = colour(near) * (1 - (1 - nearness) ** 1.3)
        depth = smooth(canvas.down - line, 0, 0.5)[..., None]
        face = (air + stone * (1 + nearness * (shading[..., None] - 1))) * (1 + 0.5 * depth * (1 - nearness))
        scene = over(scene, face, smooth(canvas.down - line, 0.0, 0.0012))
    return scene


def snowy_peaks(canvas: Canvas) -> Light:
    """Return a lit mountain massif with snow on its shoulders under a clear sky."""
    scene = sky(canvas, NOON, clouds=0.35)
    height = canvas.fractal(coarsest=3, roughness=0.56)
    for base, haze in ((0.38, 0.45), (0.56, 0.15)):
        line = canvas.ridge_line(height=base, relief=0.09, roughness=0.55, coarsest=4)
        relief = 1 - np.abs(np.roll(height, canvas.width // 3, axis=1))
        slope = (relief - shifted(relief, 3, 4)) * 5
        lightness = np.clip(0.55 + 0.45 * slope, 0.05, 1.3)[..., None]
        snow = smooth(relief + 2.2 * (base + 0.22 - canvas.down) + 0.4 * slope, 0.0, 0.5)
        rock = over(plain(canvas, "5b5650"), colour("f4f7fb"), snow)
        face = rock * lightness + colour("0b1626") * (1 - np.minimum(lightness, 1)) * 2
        face = face * (1 - haze) + colour("a9c3dc") * haze
        scene = over(scene, face, smooth(canvas.down - line, 0, 0.0015))
    drift = canvas.fractal(coarsest=5, roughness=0.6, stretch=3)
    light = 0.75 + 1.5 * (drift - shifted(drift, 5, 6)) + 0.02 * canvas.rng.standard_normal(canvas.shape)
    line = canvas.ridge_line(height=0.8, relief=0.012, roughness=0.45)
    snow_light = colour("e4ecf6") * np.clip(light, 0.2, 1.2)[..., None]
    scene = over(scene, snow_light, smooth(canvas.down - line, 0, 0.003))
    return _spruces(canvas, scene, ground=0.83, tint="1b2c20", count=90)


def layered_dawn(canvas: Canvas, stops: Stops = DAWN, near: str = "141a2e", far: str = "d9a58c") -> Light:
    """Return ridge behind ridge with the sun just over them."""
    scene = sky(canvas, stops, clouds=0.42, lit="ffd9b0", shade="70688a")
    x = float(canvas.rng.uniform(0.35, 1.0))
    scene = scene + glow(canvas, x=x, y=0.47, radius=0.09)[..., None] * colour("ffcf8a") * 1.6
    return ridges(canvas, scene, near=near, far=far, first=0.46, last=0.92, layers=6)


def mirror_lake(canvas: Canvas, stops: Stops = NOON) -> Light:
    """Return mountains and their reflection in rippled water."""
    shore = int(canvas.height * 0.56)
    scene = ridges(
        canvas,
        sky(canvas, stops, clouds=0.5),
        near="2c3f35",
        far="9db4c8",
        first=0.26,
        last=0.5,
        layers=4,
    )
    scene = _spruces(canvas, scene, ground=0.555, tint="16241a", count=260, size=0.07)
    rows = np.arange(canvas.height - shore)
    ripple = canvas.fractal(coarsest=60, roughness=0.7, stretch=9)[shore:]
    depth = (rows / rows.max())[:, None]
    source = np.clip(shore - 1 - rows[:, None] * 0.95 + ripple * (2 + 22 * depth), 0, shore - 1).astype(int)
    mirrored = scene[source, np.arange(canvas.width)[None, :]]
    water = mirrored * 0.72 + colour("16323c") * (0.25 + 0.08 * ripple[..., None])
    return np.concatenate([scene[:shore], water])


def sea(canvas: Canvas, stops: Stops = SUNSET, water: str = "23324f", *, beach: bool = False) -> Light:
    """Return the open sea, with the sun's glitter or with a beach in front."""
    horizon = 0.52
    scene = sky(canvas, stops, clouds=0.55, lit="ffcf9a" if stops == SUNSET else "ffffff", shade="6f6a80")
    sun_x = canvas.width / canvas.height * float(canvas.rng.uniform(0.35, 0.65))
    if stops == SUNSET:
        halo = glow(canvas, x=sun_x, y=horizon - 0.06, radius=0.07)[..., None]
        scene = scene + halo * colour("ffb45e") * 2
        scene = over(scene, 1.6 * colour("ffe9bb"), disc(canvas, x=sun_x, y=horizon - 0.06, radius=0.035))
    waves = _receding(canvas, horizon, roughness=0.74, stretch=5)
    slope = waves - shifted(waves, 2, 0)
    mirror = np.flip(blurred(scene, 14), axis=0)
    mirror = np.roll(mirror, int((2 * horizon - 1) * canvas.height), axis=0)
    surface: Light = mirror * 0.5 + colour(water) * (0.7 + 0.35 * slope[..., None])
    track = np.exp(-(((canvas.across - sun_x) / (0.05 + 0.35 * np.maximum(canvas.down - horizon, 0))) ** 2))
    spark = smooth(slope + 0.2 * waves, 0.5, 1.6) * track * (1.5 if stops == SUNSET else 0.3)
    surface = surface + spark[..., None] * colour("ffe0a8")
    surface = over(surface, colour("f3f7f9"), smooth(waves, 1.9, 2.6) * 0.6)
    scene = over(scene, surface, smooth(canvas.down + 0 * slope, horizon, horizon + 0.002))
    return _beach(canvas, scene) if beach else scene


def dunes(canvas: Canvas) -> Light:
    """Return sand dunes in low light, rippled by wind."""
    scene = sky(canvas, ((0.0, "3f78b8"), (0.45, "c9d8e2")), clouds=0.15)
    ripples = canvas.fractal(coarsest=90, roughness=0.62, stretch=6)
    grain = canvas.rng.standard_normal(canvas.shape, np.float32)
    for layer in range(5):
        base = 0.36 + 0.14 * layer
        line = canvas.ridge_line(height=base, relief=0.045, roughness=0.3, coarsest=2)
        below = canvas.down - line
        crest = np.sin(canvas.across * (4 - layer * 0.5) + layer * 1.7) * 0.5 + 0.5
        lit = smooth(below - 0.10 * crest, 0.005, -0.03) * 0.75 + 0.2 + 0.5 * smooth(below, 0.05, 0.4)
        sand = colour("e8a868") * lit[..., None]
        sand = sand * (1 + (0.05 * layer * ripples + 0.03 * grain)[..., None]) + colour("1c1830")
        scene = over(scene, sand, smooth(below, 0.0, 0.0015))
    return scene


def autumn_slope(canvas: Canvas) -> Light:
    """Return a wooded hillside in autumn: thousands of crowns, lit from one side."""
    scene = sky(canvas, STORM, clouds=0.75, lit="eef0ee")
    hue = resized(canvas.fractal(coarsest=24, roughness=0.85), canvas.shape)
    leaves = canvas.fractal(coarsest=50, roughness=0.9)
    crowns = canvas.fractal(coarsest=26, roughness=0.6)
    shadow = np.clip(0.65 + 0.8 * (crowns - shifted(crowns, 5, 4)) + 0.25 * leaves, 0.06, 1.7)
    tint = ramp(
        hue,
        (-2, "2b3a1c"),
        (-0.7, "5d6b24"),
        (0.1, "c98a1f"),
        (0.8, "c4501a"),
        (1.6, "8c2417"),
        (2.6, "e0b33c"),
    )
    for base, haze in ((0.22, 0.55), (0.36, 0.28), (0.52, 0.0)):
        line = canvas.ridge_line(height=base, relief=0.05, roughness=0.62)
        wood = tint * shadow[..., None] * (1 - haze) + colour("b4bcc0") * haze
        scene = over(scene, wood, smooth(canvas.down - line + 0.006 * leaves, 0, 0.002))
        tint, shadow = np.roll(tint, 211, axis=1), np.roll(shadow, 211, axis=1)
    return scene


def foggy_wood(canvas: Canvas) -> Light:
    """Return trunks that fade into fog."""
    scene = ramp(canvas.down + 0 * canvas.across, (0, "dfe6e2"), (0.6, "c2ccc4"), (1, "7c8a70"))
    bark = canvas.fractal(coarsest=40, roughness=0.85, stretch=0.12)
    moss = canvas.fractal(coarsest=8, roughness=0.8)
    for layer in range(5):
        nearness = (layer + 1) / 5
        air = colour("cfd8d2") * (1 - nearness) ** 0.8
        ground = canvas.ridge_line(height=0.62 + 0.07 * layer, relief=0.012, roughness=0.6)
        cover = smooth(canvas.down - ground, 0.0, 0.01)
        for _ in range(12 - 2 * layer):
            x = float(canvas.rng.uniform(-0.05, canvas.width / canvas.height + 0.05))
            lean = float(canvas.rng.normal(0, 0.03))
            half = 0.006 + 0.022 * nearness**2 * float(canvas.rng.uniform(0.7, 1.4))
            off = np.abs(canvas.across - x - lean * (1 - canvas.down) + 0.0015 * bark)
            cover = np.maximum(cover, smooth(off / half, 1.05, 0.92) * (canvas.down < ground + 0.02))
        body = colour("2a2a20") * (1 + 0.45 * bark[..., None] + 0.2 * moss[..., None])
        green = colour("4a5a26") * np.clip(1 + 0.6 * bark + 0.5 * moss, 0.1, 3)[..., None]
        body = over(np.maximum(body, 0.004), green, smooth(canvas.down - ground, -0.01, 0.04))
        scene = over(scene, (air + body * nearness**1.2), cover)
    return scene


def balloons(canvas: Canvas) -> Light:
    """Return hot-air balloons over hills in the morning."""
    scene = layered_dawn(canvas, NOON, near="33402a", far="c4d3da")
    cloth = canvas.fractal(coarsest=20, roughness=0.7)
    palettes = (("d8382c", "f2c53d"), ("2356a8", "f4f1e8"), ("8a2f7a", "f08b2d"), ("1f8a70", "f7e08a"))
    for index, (dark, bright) in enumerate(palettes):
        size = (0.17, 0.11, 0.07, 0.045)[index]
        x, y = (0.42, 1.02, 0.78, 1.3)[index], (0.34, 0.22, 0.5, 0.42)[index]
        dx, dy = (canvas.across - x) / size, (canvas.down - y) / (size * 1.12)
        dx = dx * (1 + 0.35 * np.clip(dy, 0, 1) ** 2)
        inside = np.sqrt(np.maximum(0, 1 - dx**2 - dy**2))
        gore = np.sin(np.arctan2(dx, inside + 1e-3) * 9)
        fabric = over(plain(canvas, dark), colour(bright), smooth(gore, -0.1, 0.1))
        light = np.clip(0.35 + 0.6 * inside - 0.35 * dx - 0.2 * dy + 0.03 * cloth, 0.05, 1.4)
        light = light * (1 - 0.25 * np.abs(gore) ** 8)
        scene = over(scene, (fabric * light[..., None]), smooth(dx**2 + dy**2, 1.01, 0.99))
        basket = smooth(np.maximum(np.abs(dx) / 0.12, np.abs(dy - 1.35) / 0.1), 1.05, 0.9)
        scene = over(scene, colour("4a2f1c"), basket)
    return scene


def winter_field(canvas: Canvas) -> Light:
    """Return snow with blue shadows and dark spruces under a pale sky."""
    scene = sky(canvas, ((0.0, "8fa9c8"), (0.5, "f3dcd2")), clouds=0.4, lit="fff4ee", shade="a9b2c6")
    drift = canvas.fractal(coarsest=4, roughness=0.5, stretch=3)
    grain = canvas.rng.standard_normal(canvas.shape, np.float32)
    slope = (drift - shifted(drift, 6, 9)) * 2.4
    snow = ramp(slope + 0.05 * grain, (-1.2, "7f95bd"), (0, "cfdcee"), (1.0, "fff6ea")) * 0.92
    line = canvas.ridge_line(height=0.55, relief=0.02, roughness=0.4)
    scene = _spruces(canvas, scene, ground=0.56, tint="1c2b2a", count=140, size=0.1)
    scene = over(scene, snow, smooth(canvas.down - line, 0, 0.003))
    return _spruces(canvas, scene, ground=0.8, tint="141f1c", count=9, size=0.42)


def _spruces(
    canvas: Canvas, scene: Light, *, ground: float, tint: str, count: int, size: float = 0.16
) -> Light:
    """Return a scene with spruces standing on a line; sizes in units of the picture's height."""
    cover = np.zeros(canvas.shape, np.float32)
    for _ in range(count):
        x = int(canvas.rng.uniform(0, canvas.width))
        tall = max(8, int(canvas.height * size * canvas.rng.uniform(0.5, 1.2)))
        foot = int(canvas.height * (ground + canvas.rng.uniform(0, 0.25) * size))
        rows = np.arange(tall)
        tiers = 0.5 + 0.5 * ((rows * 9 / tall) % 1)
        half = rows * 0.24 * tiers + 1 + canvas.rng.uniform(0, 2, tall)
        for row, reach in zip(rows + foot - tall, half.astype(int), strict=True):
            if 0 <= row < canvas.height:
                cover[row, max(0, x - reach) : max(0, x + reach)] = 1
    needles = canvas.fractal(coarsest=120, roughness=0.9)
    green = colour(tint) * np.clip(1.1 + 0.6 * needles, 0.25, 3)[..., None]
    return over(scene, green, cover)


def _beach(canvas: Canvas, scene: Light) -> Light:
    """Return a scene with wet and dry sand in front."""
    grain = canvas.rng.standard_normal(canvas.shape, np.float32)
    humps = canvas.fractal(coarsest=12, roughness=0.8, stretch=2)
    line = canvas.ridge_line(height=0.78, relief=0.015, roughness=0.35, coarsest=2)
    dry = colour("e2c79a") * (0.85 + 0.07 * humps + 0.1 * grain)[..., None]
    wet = colour("8f7a5e") * (0.8 + 0.04 * grain)[..., None]
    sand = over(wet, dry, smooth(canvas.down - line, 0.04, 0.1))
    foam = smooth(np.abs(canvas.down - line + 0.004 * humps), 0.014, 0.004)
    scene = over(scene, sand, smooth(canvas.down - line, 0, 0.006))
    return over(scene, colour("f5f8f9"), foam * smooth(humps, -1.2, 0.6))


def _receding(canvas: Canvas, horizon: float, *, roughness: float, stretch: float) -> Field:
    """Return a fractal plane in perspective, larger towards the viewer; [height, width]."""
    plane = canvas.fractal(coarsest=8, roughness=roughness, stretch=stretch)
    below = np.maximum(canvas.down - horizon, 1e-3)
    row = ((0.05 / (below + 0.03)) * canvas.height * 1.6).astype(int) % canvas.height
    spread = 0.35 + 1.3 * (1 - below / (1 - horizon))
    centre = canvas.width / 2
    column = ((np.arange(canvas.width)[None, :] - centre) * spread + centre).astype(int) % canvas.width
    near: Field = plane[row, column]
    return near
