"""The welding scene: one MAG bead over a lap or butt joint, with its defects and harmless look-alikes.

A `Seam` holds the part while it is drawn: maps of the position along (`u_px`) and across (`v_px`) the
joint, a height field in mm and the reflectances. Shapes that stick out or sink in go into the height
and get their light and shadow from there; stains and openings go into `tint` and `opening`.
`python welding.py --sheet OUT.png --seed N` writes a contact sheet for looking.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import cv2
import numpy as np
import surface

MM_FROM_PX = 0.08
CLASSES = ["porosity", "undercut", "spatter", "burn_through", "crack", "missing_seam"]
HARD = ["soot", "reflection", "grinding_marks", "pen_mark"]
REACH_PX = 720  # tables along the joint run from -REACH_PX to REACH_PX, past every corner of the picture


@dataclass
class Seam:
    """One part while it is being drawn; maps are float32 of surface.SHAPE, tables run along the joint."""

    origin_px: np.ndarray
    angle_rad: float
    u_px: np.ndarray
    v_px: np.ndarray
    middle_px: np.ndarray  # table: v of the bead's middle
    half_px: np.ndarray  # table: half width of the bead where it is whole
    cap: np.ndarray  # table: 1 where the bead is whole, 0 where it is absent, round ends between
    travel: int  # welding direction along u, +1 or -1
    crater_u_px: float | None  # where the bead ends, when that is in the picture
    height_mm: np.ndarray | None = None
    diffuse: np.ndarray | None = None
    gloss: np.ndarray | None = None
    bead: np.ndarray | None = None  # coverage by weld metal, 0 to 1
    tint: np.ndarray | None = None  # stains: multiplies the radiance
    opening: np.ndarray | None = None  # 1 = closed surface, 0 = black hole; nothing shines in there
    flash: np.ndarray | None = None  # light added on top, for the reflection
    mask: np.ndarray | None = None

    def at(self, table: np.ndarray, u_px: float) -> float:
        return float(np.interp(u_px, np.arange(-REACH_PX, REACH_PX + 1), table))

    def xy(self, u_px, v_px) -> np.ndarray:
        """Picture position of points given along and across the joint, N x 2."""
        cos, sin = np.cos(self.angle_rad), np.sin(self.angle_rad)
        uv = np.column_stack([np.atleast_1d(u_px), np.atleast_1d(v_px)])
        return (uv @ np.array([[cos, sin], [-sin, cos]]) + self.origin_px).astype(np.float32)

    def mark(self, where: np.ndarray, name: str, box=np.s_[:, :]) -> None:
        self.mask[box][where] = CLASSES.index(name) + 1


def lookup(table: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The table's value, linearly between its entries, for a whole map of positions at once."""
    row = table.astype(np.float32)[None]
    return cv2.remap(row, position, np.zeros_like(position), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def wave(rng, scale_px: float, octaves: int = 3) -> np.ndarray:
    """Smooth random table along the joint, mean 0, deviation 1."""
    return surface.fractal_noise(rng, scale_px, octaves, (1, 2 * REACH_PX + 1))[0]


def streaks(rng, angle_rad: float, length_px: float) -> np.ndarray:
    """Fine parallel brush lines at an angle, mean 0, deviation about 1."""
    side = 1320
    small = rng.standard_normal((side, int(side / length_px) + 3), dtype=np.float32)
    straight = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), -np.degrees(angle_rad), 1.0)
    turn[:, 2] += [surface.WIDTH_PX / 2 - side / 2, surface.HEIGHT_PX / 2 - side / 2]
    return cv2.warpAffine(straight, turn, (surface.WIDTH_PX, surface.HEIGHT_PX)) * 1.4


def round_ends(u_px: np.ndarray, start_px: float, end_px: float, radius_px: float) -> np.ndarray:
    """Table that is 1 between start and end and closes with an ellipse over `radius_px` inside both."""
    inside = np.minimum(u_px - start_px, end_px - u_px) / radius_px
    return np.sqrt(np.clip(1 - (1 - np.clip(inside, 0, 1)) ** 2, 0, 1))


def lay_out(rng, missing: bool) -> Seam:
    """Pose of the joint and course of the bead along it."""
    angle = np.radians(rng.uniform(-3, 3))
    origin = np.array([surface.WIDTH_PX / 2, surface.HEIGHT_PX / 2]) + rng.uniform(-25, 25, 2)
    x, y = surface.grid_px()
    dx, dy = x - np.float32(origin[0]), y - np.float32(origin[1])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along = np.arange(-REACH_PX, REACH_PX + 1, dtype=np.float32)
    half = rng.uniform(2.5, 4.0) / MM_FROM_PX
    half_table = half * (1 + rng.uniform(0.015, 0.09) * wave(rng, 90) + 0.012 * wave(rng, 14))
    middle = rng.uniform(-0.12, 0.12) * half + rng.uniform(1.0, 3.0) * wave(rng, 220)
    ends_px = np.array([-2000.0, 2000.0])
    whole = rng.random() < 0.6
    if not whole:
        ends_px = np.array([-rng.uniform(330, 440), rng.uniform(330, 440)])
    cap = round_ends(along, *ends_px, half * rng.uniform(0.7, 1.1))
    travel = int(rng.choice([-1, 1]))
    if missing:  # at least 8 mm of bead stays on both sides, so that it is a gap and not a shorter weld
        length = rng.uniform(10, 40) / MM_FROM_PX
        room = (620 - length) / 2
        at = rng.uniform(-room, room) * 0.9
        left = round_ends(along, -2000, at - length / 2, half * rng.uniform(0.5, 1.1))
        right = round_ends(along, at + length / 2, 2000, half * rng.uniform(0.5, 1.1))
        cap = cap * np.maximum(left, right)
    crater = None if whole else float(ends_px[1] - half if travel > 0 else ends_px[0] + half)
    return Seam(origin, angle, dx * cos + dy * sin, dy * cos - dx * sin, middle, half_table, cap, travel, crater)


def lay_sheets(rng, seam: Seam) -> float:
    """Height, texture and joint edge of the two sheets; returns how far the sheet at positive v is higher, in mm."""
    material = rng.choice(["mill_scale", "brushed", "galvanised", "pickled", "rusted"])
    cloud, grain = surface.fractal_noise(rng, 160, 7, persistence=0.8), surface.fractal_noise(rng, 5, 3)
    lap = rng.random() < 0.6
    side = rng.choice([-1, 1])
    edge = lookup(0.7 * wave(rng, 60), seam.u_px + REACH_PX)
    upper = np.clip((side * seam.v_px - edge) / 2.5 + 0.5, 0, 1)
    step_mm = rng.uniform(0.8, 2.0) if lap else rng.uniform(0, 0.12)
    micro_mm = 0.0035 * grain + 0.025 * cloud
    if material == "mill_scale":
        flakes = np.clip(surface.fractal_noise(rng, 40, 5) * 2.5 - 3.2, 0, 1)
        diffuse, gloss = 0.30 * (1 + 0.10 * cloud + 0.05 * grain) + 0.12 * flakes, 0.25 - 0.1 * flakes
    elif material == "brushed":
        lines = streaks(rng, seam.angle_rad + rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.05), rng.uniform(60, 200))
        micro_mm = micro_mm + 0.0035 * lines
        diffuse, gloss = 0.42 * (1 + 0.05 * cloud + 0.07 * lines + 0.02 * grain), 0.5 + 0.08 * lines
    elif material == "galvanised":
        seeds = (rng.random(surface.SHAPE, dtype=np.float32) > rng.uniform(0.0006, 0.003)).astype(np.uint8)
        _, cells = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
        spangle = rng.normal(0, 1, int(cells.max()) + 1).astype(np.float32)[cells]
        diffuse, gloss = 0.45 * (1 + 0.04 * cloud + 0.05 * spangle + 0.02 * grain), 0.4 + 0.1 * spangle
    elif material == "rusted":  # what most coupons of the real set are: mottled, with bare and black places
        rust = surface.fractal_noise(rng, rng.uniform(60, 200), 8, persistence=0.9)
        bare = np.clip(rust - rng.uniform(0.8, 1.8), 0, 1)
        pits = np.clip(surface.fractal_noise(rng, 12, 3) * 2 - rng.uniform(4.5, 6), 0, 1)
        diffuse = 0.26 * (1 + rng.uniform(0.08, 0.22) * rust) * (1 - 0.6 * pits) + 0.1 * bare
        gloss = 0.12 + 0.25 * bare
    else:
        diffuse, gloss = 0.42 * (1 + 0.035 * cloud + 0.05 * grain), np.full(surface.SHAPE, 0.25, np.float32)
    seam.diffuse = (diffuse * (1 + (upper - 0.5) * rng.normal(0, 0.12))).astype(np.float32)
    seam.gloss = np.clip(gloss, 0.02, 1).astype(np.float32)
    seam.height_mm = (micro_mm + step_mm * upper).astype(np.float32)
    # The slit between the sheets: under the lap's edge, or the gap of the butt joint.
    slit_px = rng.uniform(2.0, 4.5) if lap else rng.uniform(2.5, 8.0)
    middle = edge - (2.5 if lap else 0.0)
    slit = np.clip((slit_px - np.abs(side * seam.v_px - middle)) / 1.5, 0, 1)
    seam.opening = (1 - rng.uniform(0.75, 0.93) * slit).astype(np.float32)
    return step_mm * side


def lay_bead(rng, seam: Seam, step_mm: float) -> None:
    """The weld metal: convex, with overlapping crescent scales, a crater at its end and slag islands."""
    reach_px = 1.15 * float(seam.half_px.max() + np.abs(seam.middle_px).max()) + 6
    near = np.flatnonzero((np.abs(seam.v_px) < reach_px).any(axis=1))
    rows = np.s_[near[0] : near[-1] + 1]  # only these rows can hold weld metal; the rest would cost time
    u_at, v = seam.u_px[rows] + REACH_PX, seam.v_px[rows]
    pitch_px = rng.uniform(0.9, 2.4) / MM_FROM_PX
    phase = np.cumsum(1 / (pitch_px * np.clip(1 + 0.16 * wave(rng, 40), 0.5, 2)))
    scallop = 1 + 0.03 * np.abs(np.sin(np.pi * phase))  # each scale bulges the toe a little
    half, cap = lookup(seam.half_px * scallop, u_at), lookup(seam.cap, u_at)
    across_px = v - lookup(seam.middle_px, u_at)
    reach = half * cap
    s = across_px / np.maximum(reach, 0.5)
    s2 = np.clip(s * s, 0, 1)
    bead = np.where(cap > 0.02, np.clip((reach - np.abs(across_px)) / 1.6 + 0.5, 0, 1), 0).astype(np.float32)
    wobble = surface.fractal_noise(rng, 30, 4, v.shape)
    bow_px = rng.uniform(0.5, 1.15) * float(np.mean(seam.half_px))
    bent = u_at + seam.travel * bow_px * (1 - np.sqrt(1 - 0.92 * s2)) + 1.6 * wobble
    turn = lookup(phase, bent) % 1
    skewed = (turn if seam.travel > 0 else 1 - turn) ** rng.uniform(1.1, 1.7)  # steeper on the side that froze last
    scale_height = np.clip(np.sin(np.pi * skewed), 0, 1) ** 0.8
    strength = lookup(np.clip(1 + 0.35 * wave(rng, 25), 0.3, 2), bent)
    crown_mm = rng.uniform(0.9, 2.0) * (1 + 0.06 * lookup(wave(rng, 70), u_at))
    ripple_mm = rng.uniform(0.06, 0.13) * pitch_px / 18 * strength * (1 - 0.75 * s2)
    grain = surface.fractal_noise(rng, 9, 4, v.shape)
    ramp = 0.5 + 0.5 * np.clip(s, -1, 1)
    metal_mm = step_mm * ramp if step_mm > 0 else -step_mm * (1 - ramp)
    metal_mm = metal_mm + crown_mm * (1 - s2) ** rng.uniform(0.8, 1.15) * cap**0.7
    metal_mm = metal_mm + ripple_mm * scale_height + 0.009 * grain
    if seam.crater_u_px is not None:
        d2 = (seam.u_px[rows] - seam.crater_u_px) ** 2 + across_px**2
        metal_mm = metal_mm - 0.55 * crown_mm * np.exp(-d2 / (0.45 * half) ** 2)
    valley = 1 - scale_height
    tone = rng.uniform(0.22, 0.36) * (1 - 0.28 * valley**2 * strength + 0.07 * grain + 0.08 * wobble)
    # Glassy slag islands: a little darker than the metal and shiny, never as dark as a pore.
    slag = np.clip(surface.fractal_noise(rng, 34, 3, v.shape) * 2 - rng.uniform(3.2, 5.5), 0, 1) * (s2 < 0.9)
    shine = rng.uniform(0.7, 1.2) * (1 + 0.25 * wobble) * (1 - 0.3 * valley) * (1 + 0.3 * slag)
    for layer, metal in (
        (seam.height_mm, metal_mm),
        (seam.diffuse, tone * (1 - 0.35 * slag)),
        (seam.gloss, np.clip(shine, 0.1, 2)),
        (seam.opening, 1.0),
    ):
        layer[rows] += (metal - layer[rows]) * bead
    seam.bead = np.zeros(surface.SHAPE, np.float32)
    seam.bead[rows] = bead


def heat_sheet(rng, seam: Seam) -> None:
    """The heat-affected bands round the bead: dark at the toe, burnt clean further out, an oxide line at the rim."""
    zone_px = rng.uniform(3.0, 8.0) / MM_FROM_PX
    t = np.arange(0, 3, 0.01)
    toe, clean, rim = rng.uniform(0.25, 0.55), rng.uniform(0.0, 0.30), rng.uniform(0.05, 0.22)
    rim_width = rng.uniform(0.14, 0.28)
    bands = 1 - toe * np.exp(-((t / 0.3) ** 2)) + clean * np.exp(-(((t - 0.55) / 0.22) ** 2))
    bands = bands - rim * np.exp(-(((t - 1.0) / rim_width) ** 2)) - 0.05 * np.exp(-(((t - 1.45) / 0.25) ** 2))
    from_toe_px = cv2.distanceTransform((seam.bead < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    position = from_toe_px / zone_px * (1 + 0.06 * surface.fractal_noise(rng, 110, 3))
    seam.tint = 1 + (lookup(bands, np.clip(position, 0, 2.9) * 100) - 1) * (1 - seam.bead)


def spot_on_bead(rng, seam: Seam, length_px: float) -> tuple[float, float]:
    """Start and end along the joint of a free stretch of whole bead; shorter when there is no room."""
    along = np.arange(-REACH_PX, REACH_PX + 1)
    for attempt in range(60):
        length = length_px * 0.97**attempt
        start = rng.uniform(-450, 450 - length)
        stretch = (along >= start - 8) & (along <= start + length + 8)
        u = np.linspace(start, start + length, 24)
        x, y = np.round(seam.xy(u, np.interp(u, along, seam.middle_px))).astype(int).T
        taken = seam.mask[np.clip(y, 0, surface.HEIGHT_PX - 1), np.clip(x, 0, surface.WIDTH_PX - 1)].any()
        if seam.cap[stretch].min() > 0.97 and not taken:
            break
    return start, start + length


def patch(seam: Seam, x: float, y: float, radius_px: float):
    """Box around a point and, inside it, the offsets from that point."""
    x0, y0 = max(int(x - radius_px), 0), max(int(y - radius_px), 0)
    x1, y1 = min(int(x + radius_px) + 2, surface.WIDTH_PX), min(int(y + radius_px) + 2, surface.HEIGHT_PX)
    dy, dx = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    return np.s_[y0:y1, x0:x1], dx - np.float32(x), dy - np.float32(y)


def add_porosity(rng, seam: Seam) -> None:
    """Gas pores: round pits with a slightly raised bright rim, alone or as a nest."""
    dark = rng.uniform(0.55, 0.93)
    start, end = spot_on_bead(rng, seam, rng.uniform(20, 220))
    for _ in range(rng.integers(1, 9)):
        radius = rng.uniform(0.25, 0.5 + 0.5 * rng.random()) / MM_FROM_PX
        u = rng.uniform(start, end)
        v = seam.at(seam.middle_px, u) + rng.uniform(-0.6, 0.6) * (seam.at(seam.half_px, u) - radius)
        (x, y), = seam.xy(u, v)
        box, dx, dy = patch(seam, x, y, 2.2 * radius + 3)
        lean, flat = rng.uniform(0, np.pi), rng.uniform(0.8, 1.0)
        a, b = dx * np.cos(lean) + dy * np.sin(lean), dy * np.cos(lean) - dx * np.sin(lean)
        d = np.sqrt(a * a + (b / flat) ** 2) / radius
        inside = np.clip((1 - d) * radius / 1.2 + 0.5, 0, 1)
        rim = np.exp(-(((d - 1.18) / 0.22) ** 2))
        seam.height_mm[box] += MM_FROM_PX * radius * (0.16 * rim - 0.7 * np.sqrt(np.clip(1 - d * d, 0, 1)))
        seam.opening[box] *= 1 - dark * inside
        seam.gloss[box] *= 1 + 0.8 * rim
        seam.diffuse[box] *= 1 + 0.35 * rim
        seam.mark(d < 1.05, "porosity", box)


def add_undercut(rng, seam: Seam) -> None:
    """A groove melted into the sheet along one toe and not filled."""
    start, end = spot_on_bead(rng, seam, rng.uniform(8, 30) / MM_FROM_PX)
    side = rng.choice([-1, 1])
    half_width_px = rng.uniform(0.15, 0.4) / MM_FROM_PX
    along = np.arange(-REACH_PX, REACH_PX + 1)
    course = seam.middle_px + side * (seam.half_px * 1.02 + 0.6 * half_width_px) + 0.8 * wave(rng, 20)
    taper = round_ends(along, start, end, 0.3 * (end - start)) * np.clip(1 + 0.2 * wave(rng, 25), 0.5, 1.5)
    u_at = seam.u_px + REACH_PX
    width = np.maximum(lookup(half_width_px * taper, u_at), 1e-3)
    d = np.abs(seam.v_px - lookup(course, u_at))
    groove = np.clip((width - d) / 1.6 + 0.5, 0, 1) * np.clip(width - 0.5, 0, 1)
    depth = lookup(np.clip(0.85 + 0.2 * wave(rng, 30), 0.6, 1.1), u_at)
    seam.height_mm -= rng.uniform(0.15, 0.45) * cv2.GaussianBlur(groove, (0, 0), 1.2)
    seam.opening *= 1 - rng.uniform(0.55, 0.88) * groove * depth
    seam.mark(groove > 0.4, "undercut")


def add_spatter(rng, seam: Seam) -> None:
    """Metal droplets that froze on the sheet: domes with a highlight, a shadow and a scorched ring."""
    for _ in range(rng.integers(1, 6)):
        radius = rng.uniform(0.3, 1.25) / MM_FROM_PX
        for _ in range(30):
            x, y = rng.uniform(40, surface.WIDTH_PX - 40), rng.uniform(40, surface.HEIGHT_PX - 40)
            u, v = seam.u_px[int(y), int(x)], seam.v_px[int(y), int(x)]
            away = abs(v - seam.at(seam.middle_px, u)) - seam.at(seam.half_px, u) - radius
            if 12 < away < rng.exponential(160) + 40:  # most drops land near the weld
                break
        box, dx, dy = patch(seam, x, y, 2.6 * radius + 4)
        angle = np.arctan2(dy, dx)
        d = np.hypot(dx, dy) / radius / (1 + 0.07 * np.cos(2 * angle + rng.uniform(0, 6)) + 0.03 * np.cos(3 * angle))
        dome = np.sqrt(np.clip(1 - d * d, 0, 1))
        cover = np.clip((1 - d) * radius / 1.2 + 0.5, 0, 1)
        seam.height_mm[box] += MM_FROM_PX * radius * rng.uniform(0.6, 1.0) * dome
        seam.diffuse[box] = seam.diffuse[box] * (1 - cover) + rng.uniform(0.16, 0.34) * cover
        seam.gloss[box] = seam.gloss[box] * (1 - cover) + rng.uniform(1.8, 3.2) * cover
        seam.tint[box] *= 1 - 0.35 * np.exp(-((np.maximum(d - 1, 0) / 0.35) ** 2)) * (1 - cover)
        seam.mark(d < 1.03, "spatter", box)


def add_burn_through(rng, seam: Seam) -> None:
    """The pool fell through: an irregular hole, sagging metal around it and a molten rim."""
    radius = rng.uniform(1.0, 3.0) / MM_FROM_PX
    start, end = spot_on_bead(rng, seam, 2.5 * radius)
    u = (start + end) / 2
    v = seam.at(seam.middle_px, u) + rng.uniform(-0.5, 0.5) * seam.at(seam.half_px, u)
    (x, y), = seam.xy(u, v)
    box, dx, dy = patch(seam, x, y, 3.5 * radius)
    angle = np.arctan2(dy, dx)
    outline = 1.0 + sum(rng.normal(0, 0.26 / k**0.8) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 8))
    d = np.hypot(dx, dy) / (radius * np.clip(outline, 0.55, 1.5))
    inside = np.clip((1 - d) * radius / 1.8 + 0.5, 0, 1)
    lip = np.exp(-(((d - 1.22) / 0.17) ** 2))
    sag = np.exp(-((d / 1.7) ** 2))
    seam.height_mm[box] += (rng.uniform(0.15, 0.35) * lip - 0.5 * sag - 1.6 * inside).astype(np.float32)
    wall = np.clip((d - 0.55) / 0.45, 0, 1) ** 2  # a little light still reaches the wall of the hole
    seam.opening[box] *= 1 - inside * (0.95 - rng.uniform(0.1, 0.35) * wall)
    seam.diffuse[box] *= 1 - 0.25 * np.exp(-(((d - 1.5) / 0.3) ** 2))
    seam.gloss[box] *= 1 + 0.5 * lip
    seam.mark(d < 1.04, "burn_through", box)


def jagged(rng, start_u, start_v, angle_rad: float, length_px: float) -> np.ndarray:
    """A crack's course along and across the joint: short straight bits that keep coming back to one direction."""
    points, done = [(start_u, start_v)], 0.0
    while done < length_px:
        bit, turn = rng.uniform(3, 10), angle_rad + rng.normal(0, 0.5)
        points.append((points[-1][0] + bit * np.cos(turn), points[-1][1] + bit * np.sin(turn)))
        done += bit
    return np.array(points)


def add_crack(rng, seam: Seam) -> None:
    """A hot crack along the middle, a cross crack, or a star in the crater."""
    kind = rng.choice(["along", "across", "crater"])
    length = rng.uniform(5, 25) / MM_FROM_PX
    courses = []
    if kind == "crater" and seam.crater_u_px is not None:
        u, v = seam.crater_u_px, seam.at(seam.middle_px, seam.crater_u_px)
        turn = rng.uniform(0, 6.3)
        for arm in range(rng.integers(2, 5)):
            courses.append(jagged(rng, u, v, turn + arm * 2.1 + rng.normal(0, 0.3), rng.uniform(25, 40)))
    elif kind == "across":
        u, _ = spot_on_bead(rng, seam, 30)
        half = seam.at(seam.half_px, u)
        lean = np.pi / 2 + rng.normal(0, 0.2)
        courses.append(jagged(rng, u, seam.at(seam.middle_px, u) - half * 0.95, lean, max(1.9 * half, 63)))
    else:
        start, end = spot_on_bead(rng, seam, length)
        v = seam.at(seam.middle_px, start) + rng.uniform(-0.35, 0.35) * seam.at(seam.half_px, start)
        courses.append(jagged(rng, start, v, rng.normal(0, 0.02), end - start))
        if rng.random() < 0.5:
            u, v = courses[0][len(courses[0]) // 2]
            courses.append(jagged(rng, u, v, rng.choice([-1, 1]) * rng.uniform(0.4, 0.9), rng.uniform(15, 40)))
    crack = np.zeros(surface.SHAPE, np.float32)
    for points in courses:
        cut = int(len(points) * rng.uniform(0.3, 0.7))  # wider in one part than in the other
        first, second = rng.permutation([1, rng.integers(2, 4)])
        xy = seam.xy(points[:, 0], points[:, 1])
        crack = np.maximum(crack, surface.stroke(xy[: cut + 1], first, soft_px=0.5))
        crack = np.maximum(crack, surface.stroke(xy[cut:], second, soft_px=0.5))
    crack = np.clip(crack * 1.4, 0, 1)
    seam.height_mm -= 0.08 * crack
    seam.opening *= 1 - rng.uniform(0.6, 0.92) * crack
    seam.mark(crack > 0.35, "crack")


def mark_missing(seam: Seam) -> None:
    """Mark where the bead should be: inside the course of the toes, in the gap and not beyond the ends."""
    along = np.arange(-REACH_PX, REACH_PX + 1)
    there = along[seam.cap > 0.5]
    widest = int(np.argmax(np.diff(there)))
    u_at = seam.u_px + REACH_PX
    inside = np.abs(seam.v_px - lookup(seam.middle_px, u_at)) < lookup(seam.half_px, u_at)
    between = (seam.u_px > there[widest] - 40) & (seam.u_px < there[widest + 1] + 40)
    seam.mark(inside & between & (seam.bead < 0.5), "missing_seam")


def free_spot(rng, seam: Seam, radius_px: float, near_px: float, far_px: float) -> tuple[float, float]:
    """A place `near_px` to `far_px` outside a toe that touches no defect, as far as there is one."""
    best, least = (0.0, 0.0), np.inf
    for _ in range(12):
        u = rng.uniform(-400, 400)
        v = seam.at(seam.middle_px, u) + rng.choice([-1, 1]) * (seam.at(seam.half_px, u) + rng.uniform(near_px, far_px))
        (x, y), = seam.xy(u, v)
        box, _, _ = patch(seam, x, y, radius_px)
        touched = np.count_nonzero(seam.mask[box])
        if touched < least:
            best, least = (float(x), float(y)), touched
        if least == 0:
            break
    return best


def blob(seam: Seam, x, y, long_px: float, short_px: float, angle_rad: float, power: float = 1.0) -> np.ndarray:
    """A soft elliptic patch, 1 in its middle; a high `power` makes it flat with a short edge."""
    gx, gy = surface.grid_px()
    a = (gx - x) * np.cos(angle_rad) + (gy - y) * np.sin(angle_rad)
    b = (gy - y) * np.cos(angle_rad) - (gx - x) * np.sin(angle_rad)
    return np.exp(-(((a / long_px) ** 2 + (b / short_px) ** 2) ** power)).astype(np.float32)


def add_hard(rng, seam: Seam, name: str) -> None:
    """One harmless thing; it stays off the defects where the picture has room, so that both can be seen."""
    if name == "soot":
        x, y = free_spot(rng, seam, 90, 0, 40)
        smear = blob(seam, x, y, rng.uniform(90, 220), rng.uniform(35, 80), seam.angle_rad + rng.normal(0, 0.15))
        smear = smear * np.clip(0.95 + 0.3 * surface.fractal_noise(rng, 45, 4), 0, 1.4)
        seam.tint *= 1 - np.clip(rng.uniform(0.45, 0.8) * smear, 0, 0.85) * (1 - 0.5 * seam.bead)
    elif name == "reflection":
        x, y = free_spot(rng, seam, 60, -60, 120)
        turn, power = rng.uniform(0, np.pi), rng.uniform(0.8, 2.5)
        patch_map = blob(seam, x, y, rng.uniform(30, 110), rng.uniform(15, 45), turn, power)
        seam.flash = patch_map * rng.uniform(0.35, 0.9)
    elif name == "grinding_marks":
        x, y = free_spot(rng, seam, 80, 50, 200)
        turn = rng.uniform(0, np.pi)
        zone = blob(seam, x, y, rng.uniform(70, 150), rng.uniform(45, 90), turn + rng.normal(0, 0.4), 2.0)
        lines = streaks(rng, turn, rng.uniform(90, 250))
        zone = zone * (1 - seam.bead) * rng.uniform(0.5, 1.0)
        seam.height_mm += 0.006 * lines * zone
        seam.diffuse *= 1 + zone * (0.25 + 0.28 * np.clip(lines, -2, 2.5))
        seam.gloss *= 1 + 0.6 * zone
        seam.tint += (1 - seam.tint) * 0.7 * np.clip(zone, 0, 1)  # the grinder takes the oxide away
    else:
        x, y = free_spot(rng, seam, 60, 60, 190)
        size, turn = rng.uniform(40, 90), rng.normal(0, 0.4)
        shapes = {
            "tick": [[-0.5, 0.0], [-0.42, 0.12], [-0.2, 0.42], [-0.1, 0.25], [0.2, -0.3], [0.6, -0.7]],
            "line": [[-1.0, 0.05], [-0.3, -0.02], [0.3, 0.03], [1.0, -0.05]],
            "ring": [[np.cos(t) * 0.8, np.sin(t) * 0.7] for t in np.linspace(0.2, 6.6, 40)],
        }
        points = np.array(shapes[str(rng.choice(list(shapes)))]) * size
        points = points + rng.normal(0, 0.4, points.shape)
        points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + [x, y]
        ink = surface.stroke(points, rng.uniform(7, 16), soft_px=1.1)
        seam.tint *= 1 - rng.uniform(0.55, 0.85) * ink * np.clip(0.93 + 0.1 * surface.fractal_noise(rng, 8, 2), 0, 1)
        seam.gloss *= 1 - 0.5 * ink


def lamps(rng) -> list[tuple[np.ndarray, float, bool]]:
    """The lighting of the station: direction, power and whether the lamp throws a visible shadow."""
    elevation, azimuth = rng.uniform(25, 50), rng.uniform(0, 360)
    if rng.random() < 0.5:  # ring of sixteen segments that aged differently
        power = 1 + 0.35 * np.cos(np.linspace(0, 2 * np.pi, 16, endpoint=False) + rng.uniform(0, 6.3))
        return [(surface.light(azimuth + 22.5 * k, elevation), p / 16, False) for k, p in enumerate(power)]
    spread = np.linspace(-25, 25, 7)  # a bar is long, so its highlight is too
    bar = [(surface.light(azimuth + a, elevation), 0.75 / 7, a == 0) for a in spread]
    return bar + [(surface.light(azimuth + 180 + a, rng.uniform(25, 50)), 0.25 / 3, False) for a in (-20, 0, 20)]


def shadow(height_mm: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Where something nearer to the lamp stands in the way, 0 to 1; at half size, which softens it too."""
    small = cv2.resize(height_mm, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    flat = towards[:2] / np.linalg.norm(towards[:2])
    climb = towards[2] / np.linalg.norm(towards[:2])
    highest = small.copy()
    for step in range(1, 15):
        move = np.float32([[1, 0, -flat[0] * 2 * step], [0, 1, -flat[1] * 2 * step]])
        size = (small.shape[1], small.shape[0])
        other = cv2.warpAffine(small, move, size, borderMode=cv2.BORDER_REPLICATE)
        np.maximum(highest, other - np.float32(climb * 4 * step * MM_FROM_PX), out=highest)
    dark = cv2.GaussianBlur(np.clip((highest - small) / 0.12, 0, 1), (0, 0), 1.0)
    return cv2.resize(dark, (surface.WIDTH_PX, surface.HEIGHT_PX))


def lit(rng, seam: Seam) -> np.ndarray:
    """Radiance. What each direction of normal sends back is tabulated once, so many lamps cost nothing."""
    side = 129
    nx, ny = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    tilt = np.clip(np.hypot(nx, ny), 1e-6, None)
    shrink = np.minimum(1, 0.999 / tilt)
    table = np.dstack([nx * shrink, ny * shrink, np.sqrt(np.clip(1 - (tilt * shrink) ** 2, 0, 1))]).astype(np.float32)
    station = lamps(rng)
    sheen, shiny = rng.uniform(10, 25), rng.uniform(30, 80)
    dull = sum(p * surface.shade(table, way, 1.0, 0.0, 1.0) for way, p, _ in station) + 0.10
    wide = sum(p * surface.shade(table, way, 0.0, 1.0, sheen) for way, p, _ in station)
    narrow = sum(p * surface.shade(table, way, 0.0, 2.2, shiny) for way, p, _ in station) + 0.25 * wide
    at_x, at_y = normal_xy(seam.height_mm) * np.float32(side // 2) + np.float32(side // 2)
    look = [cv2.remap(t.astype(np.float32), at_x, at_y, cv2.INTER_LINEAR) for t in (dull, wide, narrow)]
    blend = np.clip(seam.gloss - 0.3, 0, 1)
    radiance = seam.diffuse * look[0] + 0.5 * seam.gloss * (look[1] * (1 - blend) + look[2] * blend)
    hollow = cv2.GaussianBlur(cv2.resize(seam.height_mm, None, fx=0.25, fy=0.25), (0, 0), 2.2)
    hollow = cv2.resize(hollow, (surface.WIDTH_PX, surface.HEIGHT_PX)) - seam.height_mm
    radiance *= np.clip(1 - 0.9 * np.clip(hollow, 0, None), 0.35, 1)  # light does not get into corners
    for way, _, throws in station:
        if throws:
            radiance *= 1 - 0.62 * shadow(seam.height_mm, way)
    radiance *= seam.tint
    if seam.flash is not None:
        radiance += seam.flash * (0.6 + 0.8 * radiance)
    return radiance * seam.opening


def normal_xy(height_mm: np.ndarray) -> np.ndarray:
    """The two lying components of the unit normals, 2 x H x W; like surface.normals but without the third."""
    dx = cv2.Sobel(height_mm, cv2.CV_32F, 1, 0, ksize=3, scale=-1 / 8 / MM_FROM_PX)
    dy = cv2.Sobel(height_mm, cv2.CV_32F, 0, 1, ksize=3, scale=-1 / 8 / MM_FROM_PX)
    return np.stack([dx, dy]) / np.sqrt(1 + dx * dx + dy * dy)


def draw(rng: np.random.Generator, defects: list[str], hard: list[str]) -> surface.Part:
    """One part with each named defect and each named harmless thing on it."""
    seam = lay_out(rng, "missing_seam" in defects)
    seam.mask = np.zeros(surface.SHAPE, np.uint8)
    step_mm = lay_sheets(rng, seam)
    lay_bead(rng, seam, step_mm)
    heat_sheet(rng, seam)
    if "missing_seam" in defects:
        mark_missing(seam)
    makers = {"burn_through": add_burn_through, "porosity": add_porosity, "crack": add_crack}
    makers |= {"undercut": add_undercut, "spatter": add_spatter}
    for name, add in makers.items():  # the large ones first, so that the small ones find room beside them
        if name in defects:
            add(rng, seam)
    for name in HARD:
        if name in hard:
            add_hard(rng, seam, name)
    radiance = lit(rng, seam)
    exposure = rng.uniform(0.26, 0.46) / float(np.median(radiance[::8, ::8]))
    image, mask = surface.photograph(rng, radiance, seam.mask, exposure, rng.uniform(0.6, 1.1), rng.uniform(0.7, 2.0),
                                     uneven=rng.uniform(0.1, 0.6))
    return surface.Part(image, mask, sorted(set(defects)), sorted(set(hard)))


def contact_sheet(seed: int, outline: bool = True) -> np.ndarray:
    """Sixteen parts at half size: good, every defect, every harmless thing and mixtures."""
    plan = [([], [])] * 2 + [([name], []) for name in CLASSES] + [([], [name]) for name in HARD]
    plan += [(["crack"], []), (["undercut"], ["soot"]), (["porosity", "spatter"], ["pen_mark"]), (["missing_seam"], [])]
    tiles = []
    for index, (defects, hard) in enumerate(plan):
        part = draw(np.random.default_rng([seed, index]), defects, hard)
        half_size = (surface.WIDTH_PX // 2, surface.HEIGHT_PX // 2)
        tile = cv2.cvtColor(cv2.resize(part.image, half_size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
        grown = cv2.resize(cv2.dilate(part.mask, np.ones((17, 17))), half_size, interpolation=cv2.INTER_NEAREST)
        if outline:  # drawn a few pixels outside, so that the defect itself stays visible
            shapes, _ = cv2.findContours((grown > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(tile, shapes, -1, (0, 200, 255), 1)
        text = "+".join(defects + hard) or "good"
        cv2.putText(tile, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (80, 255, 80), 1, cv2.LINE_AA)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[row : row + 4]) for row in range(0, 16, 4)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a contact sheet of drawn weld seams.")
    parser.add_argument("--sheet", required=True, help="png to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.imwrite(options.sheet, contact_sheet(options.seed))
