"""The press-shop scene: a drawn and pierced sheet steel panel under one grazing light, seen in grey.

The panel is always the same (a gate knows its part); pose, light, surface and defects vary. Everything is
drawn in the panel's own frame, in mm on the part plane; the light is turned instead of the part, and the
finished radiance is moved to its pose just before the camera. x runs right, y down, heights towards
the camera. `stamping.py --sheet OUT.png --seed N` draws a contact sheet to look at.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

try:
    from . import surface
except ImportError:  # run or imported as a plain file
    sys.path.insert(0, str(Path(__file__).parent))
    import surface

MM_FROM_PX = 0.2
CLASSES = ["scratch", "dent", "crack", "wrinkle", "burr"]
HARD = ["oil_film", "water_drop", "fingerprint", "highlight"]
BENCH_MM = -9.0  # height of the dark nest under the panel


@dataclass
class Panel:
    """The nominal panel; the `_mm` maps hold signed distances, negative inside."""

    x: np.ndarray
    y: np.ndarray
    height_mm: np.ndarray
    edge_mm: np.ndarray  # to the nearest cut edge, negative on metal
    pocket_mm: np.ndarray  # to the middle of the drawn wall, negative on the floor
    bead_mm: np.ndarray
    clear_mm: np.ndarray  # distance to the nearest edge, wall or embossing
    metal: np.ndarray  # coverage 0 to 1
    normal: np.ndarray


@dataclass
class Scene:
    """One panel while it is drawn."""

    panel: Panel
    to_light: np.ndarray
    lit: np.ndarray  # 1 = sees the light, 0 = in cast shadow
    facing: np.ndarray  # cosine between the nominal normal and the light
    height_mm: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    metal: np.ndarray
    glow: np.ndarray
    texture: np.ndarray  # how strongly the rolled texture shows
    mask: np.ndarray
    taken: np.ndarray = field(default_factory=lambda: np.zeros(surface.SHAPE, np.uint8))

    def mark(self, region: np.ndarray, name: str) -> None:
        region = region & (self.mask == 0)
        self.mask[region] = CLASSES.index(name) + 1
        self.taken |= cv2.dilate(region.astype(np.uint8), np.ones((25, 25), np.uint8))

    def pick(self, rng, allowed: np.ndarray) -> np.ndarray:
        """A random lit cell (x y, px) of `allowed`, away from what is already drawn where that is possible."""
        for region in (allowed & (self.lit > 0.85) & (self.taken == 0), allowed & (self.lit > 0.85), allowed):
            cells = np.flatnonzero(region)
            if len(cells):
                row, column = divmod(int(rng.choice(cells)), surface.WIDTH_PX)
                return np.array([column, row], np.float32)
        raise ValueError("no cell is allowed")


# ---- the panel ---------------------------------------------------------------------------------


def rounded_polygon(x, y, centres_mm, round_mm: float) -> np.ndarray:
    """Signed distance to the polygon through the corner-circle centres, grown by `round_mm`."""
    corners = np.array(centres_mm, np.float32)
    nearest, sign = np.full(x.shape, np.inf, np.float32), np.ones(x.shape, np.float32)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0)):
        ex, ey, wx, wy = bx - ax, by - ay, x - ax, y - ay
        along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (wx - ex * along) ** 2 + (wy - ey * along) ** 2)
        crossing = ((ay <= y) != (by <= y)) & ((ex * wy - ey * wx > 0) == (by > ay))
        sign[crossing] *= -1
    return sign * np.sqrt(nearest) - round_mm


def ramp(distance_mm, run_mm: float, radius_mm: float) -> np.ndarray:
    """0 inside to 1 outside, a straight wall of `run_mm` blended by radii at foot and head."""

    def bend(v):
        return 0.5 * (v + np.sqrt(v * v + radius_mm**2))

    return (bend(distance_mm + run_mm / 2) - bend(distance_mm - run_mm / 2)) / run_mm


@lru_cache(maxsize=1)
def nominal_panel() -> Panel:
    column, row = surface.grid_px()
    x, y = (column - 511.5) * MM_FROM_PX, (row - 383.5) * MM_FROM_PX
    outline = rounded_polygon(x, y, [(-82, -56), (50, -56), (82, -38), (82, 56), (-70, 56), (-82, 44)], 6)
    pocket = rounded_polygon(x, y, [(-58, -34), (42, -34), (58, -24), (58, 34), (-50, 34), (-58, 26)], 9)
    opening = rounded_polygon(x, y, [(20, -2), (44, -6), (49, 2), (49, 24), (28, 26)], 6)
    beads = [((-48, -25), (34, -25), 6.0, 2.0), ((-4, -8), (-4, 30), 5.0, 1.6)]  # from, to, half width, height
    holes = [(-38, 14, 8.0), (-20, 30, 3.0), (-77, -30, 4.0), (77, 34, 3.0), (-58, 8, 2.5)]
    cuts = [np.hypot(x - cx, y - cy) - r for cx, cy, r in holes]
    cuts += [opening, rounded_polygon(x, y, [(-14, -53), (10, -53)], 3.0)]
    edge = np.maximum(outline, -np.minimum.reduce(cuts))

    height = 4.0 * ramp(pocket, 3.4, 1.5) - (x**2 + 0.6 * y**2) / 2400
    crease = (y + 4 + 0.09 * x) * 0.995  # the character line runs across the whole panel
    height += 0.035 * np.sqrt(crease**2 + 1.5**2)
    bead = np.full(x.shape, np.inf, np.float32)
    for start, end, half_mm, high_mm in beads:
        axis = np.abs(rounded_polygon(x, y, [start, end], 0))
        height += high_mm * np.where(axis < half_mm, 0.5 + 0.5 * np.cos(np.pi * axis / half_mm), 0)
        bead = np.minimum(bead, axis - half_mm)
    height += 1.1 * (1 - ramp(opening - 3.5, 2.0, 0.8))  # the opening stands on a raised collar
    height -= 1.2 * (1 - ramp(cuts[0] - 3.0, 2.0, 0.8))  # the big hole sits in a dimple
    height -= 0.22 * np.exp(-((np.minimum(edge, 0) / 0.45) ** 2))  # the shear rolls every edge over
    features = np.minimum.reduce([opening - 5, cuts[0] - 5, bead])
    clear = np.minimum.reduce([-edge, np.abs(pocket) - 3, features])
    metal = np.clip(0.5 - edge / MM_FROM_PX, 0, 1)
    normal = surface.normals(height, MM_FROM_PX)
    return Panel(*(a.astype(np.float32) for a in (x, y, height, edge, pocket, bead, clear, metal, normal)))


def cast_shadow(panel: Panel, to_light: np.ndarray) -> np.ndarray:
    """1 where a cell sees the light. Half size is enough: a real lamp's penumbra is wider than that."""
    stepped = np.where(panel.edge_mm < 0, panel.height_mm, BENCH_MM).astype(np.float32)
    height = cv2.resize(stepped, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    flat = to_light[:2] / np.linalg.norm(to_light[:2])
    rise = to_light[2] / np.linalg.norm(to_light[:2])
    over = np.zeros_like(height)  # how far, in lamp widths, something stands above the ray
    for way_mm in np.geomspace(0.8, 40, 30):
        dx, dy = flat * way_mm / (2 * MM_FROM_PX)
        shift = np.float32([[1, 0, -dx], [0, 1, -dy]])
        seen = cv2.warpAffine(height, shift, height.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        over = np.maximum(over, (seen - way_mm * rise - height) / (0.1 + 0.04 * way_mm))
    lit = cv2.GaussianBlur(1 - np.clip(over, 0, 1), (0, 0), 1.0)
    return cv2.resize(lit, (surface.WIDTH_PX, surface.HEIGHT_PX), interpolation=cv2.INTER_LINEAR)


# ---- helpers for things that follow an edge or a radius ----------------------------------------------


def direction(distance_mm: np.ndarray, at_px) -> np.ndarray:
    """Unit vector (x y) in which a distance map grows."""
    column = int(np.clip(at_px[0], 2, surface.WIDTH_PX - 3))
    row = int(np.clip(at_px[1], 2, surface.HEIGHT_PX - 3))
    dx = distance_mm[row, column + 2] - distance_mm[row, column - 2]
    dy = distance_mm[row + 2, column] - distance_mm[row - 2, column]
    return np.array([dx, dy], np.float32) / (np.hypot(dx, dy) + 1e-6)


def follow(distance_mm: np.ndarray, start_px, level_mm: float, length_mm: float):
    """Points 2 px apart along a contour of a distance map, and the outward normals there."""
    points, outward, at = [], [], np.array(start_px, np.float32)
    for _ in range(max(4, int(length_mm / MM_FROM_PX / 2))):
        grow = direction(distance_mm, at)
        here = cv2.getRectSubPix(distance_mm, (1, 1), (float(at[0]), float(at[1])))[0, 0]
        at = at + grow * (level_mm - here) / MM_FROM_PX
        points.append(at)
        outward.append(grow)
        at = at + 2 * np.array([-grow[1], grow[0]])
    return np.array(points), np.array(outward)


def ribbon(points, across, low_px, high_px) -> np.ndarray:
    """Coverage of the strip between two ragged borders beside a line."""
    border = np.vstack([points + across * low_px[:, None], (points + across * high_px[:, None])[::-1]])
    canvas = np.zeros(surface.SHAPE, np.uint8)
    cv2.fillPoly(canvas, [np.round(border * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255


def ragged(rng, n: int) -> np.ndarray:
    """Uneven positive profile along a torn edge, mean about 1."""
    coarse = np.interp(np.arange(n), np.arange(0, n + 6, 6), rng.uniform(0.3, 1.7, len(range(0, n + 6, 6))))
    return coarse * rng.uniform(0.6, 1.4, n)


# ---- defects ---------------------------------------------------------------------------------------


def add_relief(scene: Scene, relief: np.ndarray, contrast: float, limits_mm, name: str) -> None:
    """Scale a relief of 1 mm so that its brightest flank shows `contrast`, add it and mark where it shows."""
    relief = relief.astype(np.float32)
    dy, dx = np.gradient(relief, MM_FROM_PX)
    change = np.abs(dx * scene.to_light[0] + dy * scene.to_light[1]) / np.maximum(scene.facing, 0.08)
    change *= (scene.lit > 0.5) * (scene.metal > 0.5)
    scale = float(np.clip(contrast / (np.percentile(change[change > 0.02 * change.max()], 98) + 1e-6), *limits_mm))
    scene.height_mm += scale * relief
    shows = (change * scale > max(0.035, 0.2 * contrast)).astype(np.uint8)
    hull = np.zeros_like(shows)
    if shows.any():
        cv2.fillConvexPoly(hull, cv2.convexHull(cv2.findNonZero(shows)), 1)
    scene.mark((hull > 0) & (scene.metal > 0.5), name)


def add_scratch(rng, scene: Scene) -> None:
    glaring = scene.facing > 1.5 * scene.to_light[2]  # flanks that turn to the lamp are burnt out
    on_panel = (scene.panel.edge_mm < -1) & ~glaring
    for _ in range(40):  # a line that leaves the metal or runs in shadow or glare would hardly be seen
        start, length_mm = scene.pick(rng, on_panel), np.exp(rng.uniform(np.log(8), np.log(60)))
        line = surface.wandering_line(rng, start, rng.uniform(0, 2 * np.pi), length_mm / MM_FROM_PX, 0.015)
        cells = np.clip(line.astype(int), 0, [surface.WIDTH_PX - 1, surface.HEIGHT_PX - 1])
        if np.mean((scene.lit * on_panel)[cells[:, 1], cells[:, 0]] > 0.6) > 0.85:
            break
    width_px, severity = rng.uniform(1, 3), rng.uniform(0.3, 1)
    # Real scratches come and go: the tool chatters, and some lines nearly vanish on their way.
    pressure = np.clip(0.9 + rng.uniform(0.2, 0.5) * surface.fractal_noise(rng, 60, 3), 0.1, 1.3)
    run_in = max(1, len(line) // 7)  # the tool lands and leaves softly
    groove = sum(surface.stroke(part, width_px, soft_px=0.6) for part in (line, line[run_in:-run_in]))
    groove = groove / groove.max() * pressure
    ridge = surface.stroke(line, width_px + 3, soft_px=0.8) * pressure
    scene.height_mm += severity * (0.015 * ridge - 0.05 * groove)
    fresh = rng.choice([-0.5, 0.35, 0.6]) * (0.45 + 0.55 * severity)  # bare bright metal or a dirty dark groove
    scene.albedo *= np.maximum(1 + fresh * groove, 0.15)
    scene.mark((groove > 0.25) & (scene.metal > 0.5), "scratch")


def add_dent(rng, scene: Scene) -> None:
    panel = scene.panel
    at = scene.pick(rng, panel.clear_mm > 4)
    room_mm = float(panel.clear_mm[int(at[1]), int(at[0])])
    across_mm = min(rng.uniform(6, 25), 2.4 * room_mm)
    r = polar(scene, at, rng.uniform(0, np.pi), rng.uniform(0.7, 1))[2] / (across_mm / 2)
    bowl = -(np.exp(-((r / 0.62) ** 2)) - 0.12 * np.exp(-(((r - 1.05) / 0.25) ** 2)))  # metal piles up at the rim
    sign = 1 if rng.random() < 0.8 else -1  # a pimple from a chip under the blank
    add_relief(scene, sign * bowl, np.exp(rng.uniform(np.log(0.13), np.log(0.6))), (0.04, 0.5), "dent")


def add_crack(rng, scene: Scene) -> None:
    panel, severity = scene.panel, rng.uniform(0.2, 1)
    if rng.random() < 0.6:  # a split along a drawn radius
        level_mm = rng.choice([-2.2, -1.4, 1.6, 2.2])
        start = scene.pick(rng, (np.abs(panel.pocket_mm - level_mm) < 0.3) & (scene.facing > 0.12))
        points, across = follow(panel.pocket_mm, start, level_mm, rng.uniform(8, 14 + 18 * severity))
        s = np.linspace(0, 1, len(points))
        opening_px = (1.2 + 5.0 * severity) * np.sin(np.pi * s) ** 0.8
    else:  # from a cut edge into the sheet
        start = scene.pick(rng, (np.abs(panel.edge_mm) < 0.2) & (cv2.erode(scene.lit, np.ones((15, 15))) > 0.6))
        inward = -direction(panel.edge_mm, start)
        angle = np.arctan2(inward[1], inward[0]) + rng.normal(0, 0.25)
        points = surface.wandering_line(rng, start - inward * 2, angle, rng.uniform(4, 8 + 6 * severity) * 5, 0.12)
        across = np.tile([-inward[1], inward[0]], (len(points), 1))
        opening_px = (1.4 + 4.5 * severity) * (1 - np.linspace(0, 1, len(points))) ** 0.7
    n = len(points)
    zigzag = np.cumsum(rng.normal(0, 0.9, n))
    zigzag = (zigzag - np.linspace(zigzag[0], zigzag[-1], n)) * 0.6 + rng.normal(0, 0.5, n)
    half_px = 0.5 * opening_px
    low_px, high_px = -half_px * ragged(rng, n) - 0.3, half_px * ragged(rng, n) + 0.3
    tear = ribbon(points + across * zigzag[:, None], across, low_px, high_px)
    tear = cv2.GaussianBlur(tear, (0, 0), 0.5)
    neck, lip = cv2.GaussianBlur(tear, (0, 0), 6), cv2.GaussianBlur(tear, (0, 0), 1.6)
    scene.height_mm -= (0.08 + 0.22 * severity) * neck / (neck.max() + 1e-6)  # the sheet thins before it tears
    scene.height_mm += (0.04 + 0.08 * severity) * lip / (lip.max() + 1e-6)
    scene.albedo *= 1 - 0.15 * lip / (lip.max() + 1e-6)
    scene.mark((tear > 0.25) & (panel.metal > 0.5) & (scene.lit > 0.25), "crack")  # not black on black
    scene.metal *= 1 - np.clip(1.25 * tear, 0, 1)


def add_wrinkle(rng, scene: Scene) -> None:
    panel, flat = scene.panel, scene.to_light[:2] / np.linalg.norm(scene.to_light[:2])
    flange = (panel.pocket_mm > 4) & (panel.edge_mm < -4)
    for _ in range(30):  # waves whose crests point at the light throw no shade
        at = scene.pick(rng, flange)
        out = direction(panel.pocket_mm, at)
        if abs(-out[1] * flat[0] + out[0] * flat[1]) > 0.5:
            break
    away, along, _ = polar(scene, at, np.arctan2(out[1], out[0]))
    length_mm, count, wide_mm = rng.uniform(3.5, 7), rng.integers(3, 7), rng.uniform(5, 8)
    along = along + rng.uniform(-0.25, 0.25) * away  # crests lean a little, and are not ruled with a ruler
    phase = 2 * np.pi * along / length_mm + 0.55 * surface.fractal_noise(rng, 80, 2)
    packet = np.exp(-((np.abs(along) / (0.4 * count * length_mm)) ** 4)) * np.exp(-((np.abs(away) / wide_mm) ** 3))
    packet *= np.clip(panel.pocket_mm / 2.5, 0, 1) * (0.8 + 0.25 * surface.fractal_noise(rng, 60, 2))
    add_relief(scene, packet * np.cos(phase), np.exp(rng.uniform(np.log(0.14), np.log(0.7))), (0.015, 0.3), "wrinkle")


def add_burr(rng, scene: Scene) -> None:
    panel, severity = scene.panel, rng.uniform(0.15, 1)
    near_light = cv2.erode(scene.lit, np.ones((11, 11))) if rng.random() < 0.5 else scene.lit
    rim = np.abs(panel.edge_mm) < 0.15
    if rng.random() < 0.5:  # the outline is much longer than all rims, so ask for a pierced hole half the time
        rim &= panel.pocket_mm < -2
    start = scene.pick(rng, rim & (near_light > 0.5))
    points, outward = follow(panel.edge_mm, start, 0.0, rng.uniform(4, 10 + 12 * severity))
    n = len(points)
    swell = np.sin(np.pi * np.linspace(0.04, 0.96, n)) ** 0.5
    out_px = (0.9 + 2.4 * severity) * swell * ragged(rng, n)
    sliver = cv2.GaussianBlur(ribbon(points, outward, np.full(n, -0.8), out_px), (0, 0), 0.4)
    facets = cv2.GaussianBlur(rng.standard_normal(surface.SHAPE, np.float32), (0, 0), 2.0) * 7  # sd about 1
    scene.metal = np.maximum(scene.metal, sliver)
    scene.lit = np.maximum(scene.lit, 0.85 * sliver)  # it stands proud of the edge and catches the light
    scene.albedo *= 1 + sliver * np.clip(rng.uniform(0.1, 0.8) + 0.45 * facets, -0.6, 1.5)
    scene.height_mm += sliver * (0.1 + 0.05 * facets)
    scene.mark((cv2.dilate(sliver, np.ones((2, 2))) > 0.4), "burr")


# ---- harmless things -----------------------------------------------------------------------------


def polar(scene: Scene, at_px, turn: float = 0.0, squeeze: float = 1.0):
    dx = scene.panel.x - scene.panel.x[0, int(at_px[0])]
    dy = scene.panel.y - scene.panel.y[int(at_px[1]), 0]
    u, v = dx * np.cos(turn) + dy * np.sin(turn), (dy * np.cos(turn) - dx * np.sin(turn)) / squeeze
    return u, v, np.hypot(u, v)


def add_oil_film(rng, scene: Scene) -> None:
    _, _, r = polar(scene, scene.pick(rng, scene.panel.edge_mm < -6), rng.uniform(0, np.pi), rng.uniform(0.4, 1))
    film = 1.6 - 1.6 * r / rng.uniform(9, 24) + 0.45 * surface.fractal_noise(rng, 90, 3)
    film = cv2.GaussianBlur(np.clip(film * 1.5, 0, 1) * (r < 60), (0, 0), rng.uniform(3, 7))
    scene.albedo *= 1 + film * rng.choice([-1, -1, 1]) * rng.uniform(0.1, 0.26)
    scene.gloss *= 1 + 0.6 * film
    scene.texture *= 1 - 0.7 * film  # oil levels the roughness, so the rolled grain fades under it


def add_water_drop(rng, scene: Scene) -> None:
    flat = scene.to_light[:2] / np.linalg.norm(scene.to_light[:2])
    at = scene.pick(rng, scene.panel.clear_mm > 4.5)
    for i in range(int(rng.integers(1, 4))):
        radius_mm = rng.uniform(1.6, 4) if i == 0 else rng.uniform(0.5, 1.5)
        bearing, away_px = rng.uniform(0, 2 * np.pi), 0 if i == 0 else rng.uniform(24, 50)
        centre = at + away_px * np.array([np.cos(bearing), np.sin(bearing)])
        u, v, r = polar(scene, centre)
        r = r / radius_mm * (1 + 0.07 * np.cos(2 * np.arctan2(v, u) + rng.uniform(0, 6)))
        inside = np.clip((1 - r) * radius_mm / MM_FROM_PX + 0.5, 0, 1) * scene.metal
        toward = (u * flat[0] + v * flat[1]) / radius_mm
        lens = 0.72 - 0.55 * toward + 0.6 * np.exp(-(((toward + 0.72) / 0.16) ** 2)) * (r < 0.95)
        lens -= 0.35 * np.exp(-(((r - 0.97) / 0.07) ** 2))
        cast = np.exp(-(((r - 1.0) / 0.2) ** 2)) * np.clip(-toward, 0, 1) * (1 - inside)
        scene.albedo *= (1 + inside * (np.clip(lens, 0.2, 2) - 1)) * (1 - 0.3 * cast)
        scene.texture *= 1 - 0.8 * inside
        _, _, spark = polar(scene, centre + flat * 0.55 * radius_mm / MM_FROM_PX)
        scene.glow += rng.uniform(1.2, 2) * np.exp(-((spark / (0.13 * radius_mm)) ** 2))


def add_fingerprint(rng, scene: Scene) -> None:
    at = scene.pick(rng, scene.panel.clear_mm > 5)
    u, v, r = polar(scene, at, rng.uniform(0, np.pi), 1.35)
    warp = surface.fractal_noise(rng, 70, 2)
    whorl = np.hypot(u + 1.5, v * 1.35 * 0.8 - 0.06 * u**2) + rng.uniform(0.4, 0.9) * warp
    ridge = np.clip(0.5 + 0.8 * np.cos(2 * np.pi * whorl / rng.uniform(0.72, 0.9)), 0, 1)
    touch = np.clip((7 - r) / 3 + 0.3 * warp, 0, 1) * np.clip(0.75 + 0.4 * surface.fractal_noise(rng, 30, 2), 0, 1)
    tone = rng.choice([-1, 1]) * rng.uniform(0.16, 0.34)
    scene.albedo *= 1 + touch * tone * (ridge + 0.1)


def add_highlight(rng, scene: Scene) -> None:
    panel, kind = scene.panel, rng.integers(3)
    if kind == 0:  # a mirror-like patch on the flat
        _, _, r = polar(scene, scene.pick(rng, panel.clear_mm > 3), rng.uniform(0, np.pi), rng.uniform(0.25, 0.8))
        r = r / rng.uniform(4, 11)
        scene.glow += rng.uniform(0.9, 1.7) * (np.exp(-(r**2)) + 0.6 * np.exp(-((r * 2.2) ** 2)))
        return
    field_mm, level_mm = (panel.pocket_mm, rng.choice([-2.8, 3.0])) if kind == 1 else (panel.bead_mm, -3.5)
    at = scene.pick(rng, (np.abs(field_mm - level_mm) < 0.3) & (scene.facing > 0.1) & (panel.edge_mm < -2))
    _, _, r = polar(scene, at)
    band = np.exp(-(((field_mm - level_mm) / rng.uniform(0.35, 0.9)) ** 2))
    scene.glow += rng.uniform(1.2, 2.2) * band * np.exp(-((r / rng.uniform(5, 16)) ** 4))


# ---- the frame --------------------------------------------------------------------------------------


def rolled_texture(rng) -> tuple[np.ndarray, np.ndarray]:
    """Rolling streaks along x, and the mottled grain of steel (power law -2); both of standard deviation 1."""
    streak = np.zeros(surface.SHAPE, np.float32)
    for length_px, weight in ((18, 0.5), (90, 0.6), (400, 0.6)):
        rows = rng.standard_normal((surface.HEIGHT_PX, surface.WIDTH_PX // length_px + 2), np.float32)
        streak += weight * cv2.resize(rows, surface.SHAPE[::-1], interpolation=cv2.INTER_LINEAR)
    return streak / streak.std(), surface.fractal_noise(rng, 160, 7, persistence=1.0)


def new_scene(rng, panel: Panel, azimuth_deg: float, elevation_deg: float) -> Scene:
    to_light = surface.light(azimuth_deg, elevation_deg)
    ones, zeros = np.ones(surface.SHAPE, np.float32), np.zeros(surface.SHAPE, np.float32)
    skid = panel.pocket_mm - 3.6 + 0.25 * surface.fractal_noise(rng, 200, 2)  # where the sheet slid over the die
    albedo = 1 + 0.03 * surface.fractal_noise(rng, 260, 3) + rng.uniform(0, 0.06) * np.exp(-((skid / 0.5) ** 2))
    height = panel.height_mm + rng.uniform(0.01, 0.03) * surface.fractal_noise(rng, 350, 2)
    return Scene(
        panel, to_light, cast_shadow(panel, to_light), panel.normal @ to_light,
        height, albedo, ones.copy(), panel.metal.copy(), zeros.copy(), ones.copy(), np.zeros(surface.SHAPE, np.uint8),
    )  # fmt: skip


def radiance_of(rng, scene: Scene) -> np.ndarray:
    """Radiance with flat sheet at 1.0: direct light, hall light in the shadows, dark nest below."""
    panel, to_light = scene.panel, scene.to_light
    streak, grain = rolled_texture(rng)
    strength = rng.uniform(0.6, 1.3) * scene.texture
    height = scene.height_mm + strength * (0.0008 * streak + 0.0006 * grain)
    albedo = scene.albedo * (1 + strength * (0.022 * streak + 0.03 * grain))
    normal = surface.normals(height.astype(np.float32), MM_FROM_PX)
    specular, shininess = rng.uniform(0.25, 0.9), rng.uniform(8, 18)
    flat_sheet = surface.shade(np.array([0, 0, 1], np.float32), to_light, 1.0, specular, shininess)
    direct = surface.shade(normal, to_light, albedo, specular * scene.gloss * albedo, shininess) / flat_sheet
    near = 1 + rng.uniform(0.08, 0.28) * (panel.x * to_light[0] + panel.y * to_light[1]) / 100  # lamp is close
    hall = rng.uniform(0.1, 0.22) * albedo * normal[..., 2] ** 2
    sheet = scene.lit * direct * near + hall + 0.8 * scene.glow * (0.3 + 0.7 * scene.lit)
    nest = (0.05 + 0.09 * scene.lit) * (1 + 0.2 * grain + 0.15 * surface.fractal_noise(rng, 120, 3))
    return scene.metal * sheet + (1 - scene.metal) * nest


def draw(rng: np.random.Generator, defects: list[str], hard: list[str]) -> surface.Part:
    """One frame with every named defect and every named harmless thing on it."""
    turn_deg, shift_px = rng.uniform(-3, 3), rng.uniform(-25, 25, 2)
    azimuth_deg, elevation_deg = rng.uniform(195, 235), rng.uniform(12, 25)  # the lamp stands at the upper left
    scene = new_scene(rng, nominal_panel(), azimuth_deg + turn_deg, elevation_deg)
    for name in sorted(set(defects)):
        for _ in range(2 if name in ("scratch", "burr") and rng.random() < 0.25 else 1):
            globals()[f"add_{name}"](rng, scene)
    for name in sorted(set(hard)):
        globals()[f"add_{name}"](rng, scene)
    radiance = radiance_of(rng, scene).astype(np.float32)  # OpenCV 5 pads float64 with black, not by reflection
    pose = cv2.getRotationMatrix2D((511.5, 383.5), turn_deg, 1.0)
    pose[:, 2] += shift_px
    size = (surface.WIDTH_PX, surface.HEIGHT_PX)
    radiance = cv2.warpAffine(radiance, pose, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    mask = cv2.warpAffine(scene.mask, pose, size, flags=cv2.INTER_NEAREST)
    image, truth = surface.photograph(
        rng, radiance, mask, rng.uniform(0.32, 0.5), rng.uniform(0.55, 1.0), noise=rng.uniform(0.6, 1.6), uneven=rng.uniform(0, 0.25)
    )
    return surface.Part(image, truth, sorted(set(defects)), sorted(set(hard)))


def contact_sheet(seed: int) -> np.ndarray:
    """4 x 4 parts at half size, truth outlined in colour, names written on top."""
    colours = [(60, 60, 255), (0, 200, 255), (255, 0, 255), (0, 255, 0), (255, 180, 0)]
    tiles = []
    for i in range(16):
        rng = np.random.default_rng([seed, i])
        defects, hard = ([CLASSES[i % 5]] if i < 10 else []), ([HARD[i % 4]] if i >= 6 else [])
        part = draw(rng, defects, hard)
        tile = cv2.cvtColor(part.image, cv2.COLOR_GRAY2BGR)
        for k, colour in enumerate(colours, start=1):
            found = cv2.dilate((part.mask == k).astype(np.uint8), np.ones((15, 15), np.uint8))  # outline clear of it
            outlines, _ = cv2.findContours(found, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(tile, outlines, -1, colour, 2)
        tile = cv2.resize(tile, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        cv2.putText(tile, " ".join(defects + hard), (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 255), 1)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[row : row + 4]) for row in range(0, 16, 4)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", required=True, metavar="OUT.png")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.imwrite(options.sheet, contact_sheet(options.seed))
