"""Clear-coated body panels under a stripe light: what the colour camera of a paint inspection tunnel sees.

The light tubes hang `TUNNEL_MM` above the panel. Each pixel looks along its mirrored direction to a place
in the tunnel's ceiling and takes the brightness found there, so that slopes of a few thousandths already
bend the reflected lines. Under that mirror lies the base coat: diffuse colour, a blurred sheen and flake.
Defects and harmless things are drawn as relief, as lost gloss or as something that lies on top.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import surface  # noqa: E402

MM_FROM_PX = 0.25
CLASSES = ["inclusion", "crater", "run", "scratch", "orange_peel"]
HARD = ["water_drop", "lint", "fingerprint", "emblem_edge"]

TUNNEL_MM = 800.0
SIZE_MM = np.array([surface.WIDTH_PX, surface.HEIGHT_PX]) * MM_FROM_PX
MAGNIFICATION = 1.5  # mm in the ceiling for each mm on a flat panel: tunnel and camera distance together

# Base coat: diffuse BGR, then how metallic (0 = solid colour).
COLOURS = {
    "white": ((0.48, 0.49, 0.49), 0.0), "pearl": ((0.42, 0.45, 0.46), 0.4), "silver": ((0.33, 0.33, 0.32), 1.0),
    "grey": ((0.15, 0.145, 0.14), 0.9), "black": ((0.020, 0.018, 0.018), 0.2), "night": ((0.06, 0.04, 0.03), 0.7),
    "red": ((0.05, 0.04, 0.36), 0.3), "wine": ((0.05, 0.03, 0.17), 0.8), "blue": ((0.34, 0.14, 0.05), 0.7),
    "green": ((0.09, 0.14, 0.06), 0.7), "orange": ((0.04, 0.22, 0.50), 0.3), "sand": ((0.26, 0.35, 0.40), 0.8),
}  # fmt: skip


@dataclass
class Panel:
    """The panel while it is being drawn; all fields are maps on the part plane."""

    rng: np.random.Generator
    tilt: np.ndarray  # 2xHxW, slope of the good panel's normal
    relief_mm: np.ndarray = field(default_factory=lambda: np.zeros(surface.SHAPE, np.float32))
    gloss: np.ndarray = field(default_factory=lambda: np.ones(surface.SHAPE, np.float32))
    scatter: np.ndarray = field(default_factory=lambda: np.zeros(surface.SHAPE, np.float32))  # grey light added
    dimming: np.ndarray = field(default_factory=lambda: np.ones(surface.SHAPE, np.float32))
    mask: np.ndarray = field(default_factory=lambda: np.zeros(surface.SHAPE, np.uint8))
    taken: np.ndarray = field(default_factory=lambda: np.zeros(surface.SHAPE, np.uint8))
    covers: list = field(default_factory=list)  # (alpha map, BGR colour or None for chrome)

    def place(self, radius_mm: float) -> tuple[float, float]:
        """A centre (x, y in px) with as little as possible already there within `radius_mm`."""
        radius = int(radius_mm / MM_FROM_PX) + 6
        best, best_taken = None, np.inf
        for _ in range(40):
            x = self.rng.uniform(radius, surface.WIDTH_PX - radius)
            y = self.rng.uniform(min(radius, 380), max(surface.HEIGHT_PX - radius, 388))
            top, left = max(int(y) - radius, 0), max(int(x) - radius, 0)
            taken = self.taken[top : int(y) + radius, left : int(x) + radius : 2].sum()
            if taken < best_taken:
                best, best_taken = (x, y), taken
            if taken == 0:
                break
        return best

    def window(self, centre, radius_mm: float):
        """Slices around `centre` and there the x and y in mm from it."""
        radius = int(radius_mm / MM_FROM_PX) + 2
        x0, y0 = (int(c) - radius for c in centre)
        columns = np.arange(max(x0, 0), min(x0 + 2 * radius + 1, surface.WIDTH_PX))
        rows = np.arange(max(y0, 0), min(y0 + 2 * radius + 1, surface.HEIGHT_PX))
        x_mm, y_mm = np.meshgrid((columns - centre[0]) * MM_FROM_PX, (rows - centre[1]) * MM_FROM_PX)
        place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return place, x_mm.astype(np.float32), y_mm.astype(np.float32)

    def mark(self, name: str, place, where: np.ndarray) -> None:
        """Enter the visible defect into the truth mask."""
        self.mask[place][where] = CLASSES.index(name) + 1
        self.taken[place][where] = 1


def blob_radius(rng, x_mm, y_mm, squash: float = 0.85, lobes: float = 0.06) -> np.ndarray:
    """Distance from the centre in mm, of a slightly squashed and lobed round shape."""
    angle = rng.uniform(0, np.pi)
    along, across = x_mm * np.cos(angle) + y_mm * np.sin(angle), y_mm * np.cos(angle) - x_mm * np.sin(angle)
    around = np.arctan2(across, along)
    wobble = 1 + lobes * np.cos(3 * around + rng.uniform(0, 6)) + lobes * np.cos(2 * around + rng.uniform(0, 6))
    return np.hypot(along * rng.uniform(squash, 1), across) / wobble


def hill(q: np.ndarray, power: float = 3) -> np.ndarray:
    """Smooth hill of height 1 that ends exactly at q = 1."""
    return np.clip(1 - q * q, 0, None) ** power


def inclusion(panel: Panel) -> None:
    rng = panel.rng
    for _ in range(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1])):
        core_mm = rng.uniform(0.6, 2.5)
        reach_mm = 0.55 + 0.85 * core_mm  # the lacquer climbs up to the grain from further out
        centre = panel.place(reach_mm + 3)
        place, x_mm, y_mm = panel.window(centre, reach_mm + 1)
        distance = blob_radius(rng, x_mm, y_mm, 0.7)
        steepness = np.exp(rng.uniform(np.log(0.008), np.log(0.055)))
        panel.relief_mm[place] += steepness * reach_mm / 1.7 * hill(distance / reach_mm)
        if rng.random() < 0.6 or steepness < 0.016:  # the grain shows through; a flat bump shows by nothing else
            core = hill(distance / (0.5 * core_mm + 0.15), 1)
            panel.dimming[place] *= 1 - rng.uniform(0.3, 0.8) * core
            panel.gloss[place] *= 1 - 0.6 * core
            panel.scatter[place] += rng.uniform(0.02, 0.08) * core
        panel.mark("inclusion", place, distance < reach_mm * 0.95 + 0.2)


def crater(panel: Panel) -> None:
    rng = panel.rng
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        radius_mm = rng.uniform(1.0, 4.0) / 2
        centre = panel.place(radius_mm * 1.6 + 3)
        place, x_mm, y_mm = panel.window(centre, radius_mm * 1.8 + 1)
        q = blob_radius(rng, x_mm, y_mm, 0.9, 0.03) / radius_mm
        steepness = np.exp(rng.uniform(np.log(0.006), np.log(0.05)))
        depth_mm = steepness * radius_mm
        rim = np.exp(-(((q - 1.1) / 0.28) ** 2))
        panel.relief_mm[place] += depth_mm * (rng.uniform(0.25, 0.5) * rim - hill(q / 1.1, 2))
        floor = hill(q / rng.uniform(0.4, 0.65), 1)
        if steepness < 0.014 or rng.random() < 0.5:  # the pale primer shows; never dim too, the two would cancel out
            panel.scatter[place] += rng.uniform(0.12, 0.2) * floor
        elif rng.random() < 0.3:
            panel.dimming[place] *= 1 - rng.uniform(0.25, 0.55) * floor
        panel.mark("crater", place, q < 1.65)


def run(panel: Panel) -> None:
    """A curtain drop: thin at its start, thick rounded bulb where it stopped flowing."""
    rng = panel.rng
    length_mm, half_mm = rng.uniform(15, 50), rng.uniform(4, 10) / 2
    centre = panel.place(length_mm / 2 + half_mm)
    place, x_mm, y_mm = panel.window(centre, length_mm / 2 + half_mm + 4)
    lean = rng.normal(0, 0.12)
    down, across = y_mm * np.cos(lean) + x_mm * np.sin(lean), x_mm * np.cos(lean) - y_mm * np.sin(lean)
    across = across + rng.uniform(0, 0.8) * np.sin(down / rng.uniform(6, 12) + rng.uniform(0, 6))
    t = np.clip(down / length_mm + 0.5, 0, 1)
    end_mm = length_mm / 2 - half_mm  # centre of the bulb
    bulb = np.exp(-(((down - end_mm) / (1.6 * half_mm)) ** 2))
    width = half_mm * (0.45 + 0.25 * t + 0.3 * bulb)
    beyond = np.clip(down - end_mm, 0, None) / half_mm
    before = np.clip(-down - length_mm / 2 + 6, 0, None) / 6
    q = np.sqrt((across / width) ** 2 + beyond**2 + before**2)
    thick_mm = np.exp(rng.uniform(np.log(0.009), np.log(0.045))) * half_mm / 2
    body = hill(q, 1.6) * (0.4 + 0.25 * t + 0.75 * bulb)
    panel.relief_mm[place] += thick_mm * body
    panel.dimming[place] *= 1 - 0.10 * np.clip(body, 0, 1)  # thick clear coat is a little darker
    panel.scatter[place] += rng.uniform(0.05, 0.09) * bulb * np.exp(-(((q - 0.75) / 0.15) ** 2))  # light in its edge
    reach = np.sqrt((across / (width + 0.5)) ** 2 + (beyond * 0.85) ** 2 + before**2)
    panel.mark("run", place, reach < 1)


def scratch(panel: Panel) -> None:
    """Hair lines and scores, alone or as a few that something rough drew side by side; they come and go."""
    rng = panel.rng
    length_mm, angle = rng.uniform(8, 60), rng.uniform(0, 2 * np.pi)
    middle = np.array(panel.place(length_mm / 2))
    widest_px, depth = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.4, 0.2, 0.1])), rng.uniform(0.7, 1.0)
    for number in range(rng.choice([1, 2, 3, 5], p=[0.6, 0.2, 0.12, 0.08])):
        if number:
            length_mm = max(length_mm * rng.uniform(0.4, 1.1), 6)
        centre = middle + (rng.normal(0, 14, 2) if number else 0)
        half_px = length_mm / 2 / MM_FROM_PX * np.array([np.cos(angle), np.sin(angle)])
        points = surface.wandering_line(rng, centre - half_px, angle + rng.normal(0, 0.05), length_mm / MM_FROM_PX, 0.008)
        points += np.clip(-points.min(0) + 3, 0, None) - np.clip(points.max(0) - SIZE_MM / MM_FROM_PX + 4, 0, None)
        width_px = max(widest_px - (rng.integers(0, 2) if number else 0), 1)
        line = surface.stroke(points, width_px, soft_px=0.5)
        pressure = np.clip(0.75 + rng.uniform(0.2, 0.5) * surface.fractal_noise(rng, 60, 2), 0.25, 1) * depth
        damage = np.clip(line * 1.9, 0, 1) * pressure
        panel.gloss *= 1 - damage
        panel.dimming *= 1 - 0.35 * damage  # on bright paint the broken gloss reads dark, on dark paint bright
        panel.scatter += damage * rng.uniform(0.22, 0.36)
        panel.mark("scratch", np.s_[:, :], surface.stroke(points, width_px + 2, soft_px=0) > 0.5)


def waviness_mm(rng, wavelength_mm: float, slope_rms: float, shape=surface.SHAPE) -> np.ndarray:
    """Height field of one dominant wavelength whose slope has the given root mean square."""
    sigma_px = wavelength_mm / MM_FROM_PX / 5
    step = max(int(sigma_px), 1)  # coarse white noise enlarged: the same spectrum for less work
    small = rng.standard_normal((shape[0] // step + 2, shape[1] // step + 2)).astype(np.float32)
    near = cv2.GaussianBlur(small, (0, 0), sigma_px / step)
    band = near - cv2.GaussianBlur(small, (0, 0), 2 * sigma_px / step)
    height = cv2.resize(band, shape[::-1], interpolation=cv2.INTER_CUBIC)
    slope = np.diff(height, axis=1).std() / MM_FROM_PX
    return height * (slope_rms / (slope + 1e-12))


def orange_peel(panel: Panel) -> None:
    rng = panel.rng
    half_mm = rng.uniform(25, 70) / 2
    centre = panel.place(half_mm)
    place, x_mm, y_mm = panel.window(centre, half_mm * 1.3)
    q = blob_radius(rng, x_mm, y_mm, 0.8, 0.08) / half_mm
    extent = 1 / (1 + np.exp((q - 0.95) / 0.06))
    rough = waviness_mm(rng, rng.uniform(2.2, 6), rng.uniform(0.0009, 0.0032), x_mm.shape)
    panel.relief_mm[place] += rough * extent
    panel.mark("orange_peel", place, (extent > 0.3) & (panel.mask[place] == 0))


def water_drop(panel: Panel) -> None:
    rng = panel.rng
    for _ in range(rng.choice([1, 2, 3, 4], p=[0.4, 0.3, 0.2, 0.1])):
        radius_mm = rng.uniform(5, 12) / 2
        centre = panel.place(radius_mm + 3)
        place, x_mm, y_mm = panel.window(centre, radius_mm * 1.3 + 1)
        q = blob_radius(rng, x_mm, y_mm, 0.85, 0.04) / radius_mm
        inside = np.clip((1 - q) * radius_mm / MM_FROM_PX + 0.5, 0, 1)
        panel.relief_mm[place] += rng.uniform(0.22, 0.34) * radius_mm * np.clip(1 - q * q, 0, None)
        # the drop is a lens: the base coat is dark on the lamp's side and has a caustic on the other
        angle = rng.uniform(0, 2 * np.pi)
        side = (x_mm * np.cos(angle) + y_mm * np.sin(angle)) / radius_mm
        rim = np.exp(-(((q - 0.97) / 0.07) ** 2))
        panel.dimming[place] *= (1 - inside * np.clip(0.25 - 0.35 * side, 0, 0.6)) * (1 - 0.55 * rim)
        panel.scatter[place] += inside * 0.30 * np.exp(-(((q - 0.8) / 0.13) ** 2)) * np.clip(side, 0, 1) ** 2
        spot = np.hypot(x_mm + 0.35 * radius_mm * np.cos(angle), y_mm + 0.35 * radius_mm * np.sin(angle))
        panel.scatter[place] += rng.uniform(0.6, 1.0) * np.exp(-((spot / (0.10 * radius_mm)) ** 2))
        panel.taken[place] |= (q < 1.1).astype(np.uint8)


def lint(panel: Panel) -> None:
    rng = panel.rng
    alpha = np.zeros(surface.SHAPE, np.float32)
    for _ in range(rng.integers(1, 4)):
        length_mm = rng.uniform(9, 32)
        start = np.array(panel.place(length_mm / 2))
        points = surface.wandering_line(rng, start, rng.uniform(0, 6.3), length_mm / MM_FROM_PX, 0.35)
        points = cv2.GaussianBlur(points, (1, 13), 3)  # a fibre bends, it has no corners
        points += start - points.mean(0)
        fibre = 1.4 * surface.stroke(points, 2, soft_px=rng.uniform(0.9, 1.7))  # lies above the focus: blurry
        alpha = np.maximum(alpha, np.clip(fibre, 0, 1) * rng.uniform(0.4, 0.85))
        panel.taken |= (fibre > 0.1).astype(np.uint8)
    shift_px = np.float32([[1, 0, rng.uniform(2, 5)], [0, 1, rng.uniform(-3, 4)]])
    shadow = cv2.warpAffine(alpha, shift_px, surface.SHAPE[::-1])  # the fibre's own mirror image hides the lamp
    panel.gloss *= 1 - 0.45 * shadow
    tint = rng.choice([[0.75, 0.75, 0.75], [0.75, 0.60, 0.50], [0.55, 0.62, 0.70]])
    panel.covers.append((alpha, tint))


def fingerprint(panel: Panel) -> None:
    rng = panel.rng
    half_mm = rng.uniform(8, 11)
    centre = panel.place(half_mm)
    place, x_mm, y_mm = panel.window(centre, half_mm * 1.2)
    angle = rng.uniform(0, 2 * np.pi)
    along, across = x_mm * np.cos(angle) + y_mm * np.sin(angle), y_mm * np.cos(angle) - x_mm * np.sin(angle)
    warp = surface.fractal_noise(rng, 24, 2, x_mm.shape)
    loop = np.hypot(np.where(along > 0, along * 0.55, along), across) + 0.25 * warp
    ridges = 0.5 + 0.5 * np.cos(2 * np.pi * loop / rng.uniform(0.7, 0.95))
    pressed = 1 / (1 + np.exp((np.hypot(along / 1.3, across) / half_mm - 0.85) / 0.05))
    patchy = np.clip(0.7 + 0.35 * surface.fractal_noise(rng, 30, 2, x_mm.shape), 0, 1)
    grease = pressed * patchy * (0.2 + 0.8 * ridges)
    strength = rng.uniform(0.3, 0.75)
    panel.gloss[place] *= 1 - strength * grease
    panel.scatter[place] += strength * 0.15 * grease
    panel.taken[place] |= (pressed > 0.3).astype(np.uint8)


def emblem_edge(panel: Panel) -> None:
    """Chrome or black trim that enters from the border, or the gap to the neighbouring panel."""
    rng = panel.rng
    x, y = surface.grid_px()
    side = rng.integers(4)
    inward_px = [x, surface.WIDTH_PX - 1 - x, y, surface.HEIGHT_PX - 1 - y][side]
    along_px = (y - surface.HEIGHT_PX / 2) if side < 2 else (x - surface.WIDTH_PX / 2)
    depth_px = inward_px + along_px * np.tan(rng.uniform(-0.12, 0.12)) - rng.uniform(70, 170)
    kind = rng.choice(["chrome", "black", "gap", "emblem"])
    if kind == "emblem":  # a bar with a rounded corner instead of a strip over the whole border
        sideways = np.abs(along_px - rng.uniform(-150, 150)) - rng.uniform(60, 140)
        corner_px = rng.uniform(10, 30)
        outside = np.hypot(np.clip(depth_px + corner_px, 0, None), np.clip(sideways + corner_px, 0, None))
        depth_px = outside - corner_px + np.minimum(np.maximum(depth_px, sideways) + corner_px, 0)
    gap_px = rng.uniform(12, 20)
    alpha = np.clip(0.5 - depth_px, 0, 1) * (np.clip(depth_px + gap_px, 0, 1) if kind == "gap" else 1)
    if kind == "gap":
        edge_px = np.maximum(depth_px, -gap_px - depth_px)
        panel.relief_mm -= 0.35 * np.exp(-np.clip(edge_px, 0, None) / 5)  # hemmed edge rolls away
        panel.tilt += np.where(depth_px < 0, 1, 0) * rng.normal(0, 0.012, (2, 1, 1)).astype(np.float32)
        panel.covers.append((alpha, (0.015, 0.015, 0.015)))
    else:
        panel.dimming *= 1 - 0.6 * np.exp(-np.clip(depth_px, 0, None) / 5)  # its shadow on the paint
        rounding = np.exp(-np.clip(-depth_px, 0, None) / 7)
        colour = None if kind != "black" else (0.05 + 0.12 * rounding)[..., None] * np.ones(3, np.float32)
        panel.covers.append((alpha, colour))
    panel.taken |= (depth_px < 14).astype(np.uint8)


def good_panel(rng: np.random.Generator) -> Panel:
    """Gently curved, sometimes with a feature line, always with a little long and short waviness."""
    x, y = surface.grid_px()
    x, y = x / surface.WIDTH_PX * 2 - 1, (y / surface.HEIGHT_PX * 2 - 1) * 0.75
    half_mm = SIZE_MM[0] / 2
    tilt = np.empty((2, *surface.SHAPE), np.float32)
    for axis, own in enumerate((x, y)):
        bend = rng.normal(0, 1, 4) * np.array([0.010, 0.014, 0.014, 0.012])
        tilt[axis] = own * half_mm / rng.uniform(900, 4000) + bend[0] * (x + y)
        tilt[axis] += bend[1] * x * x + bend[2] * y * y + bend[3] * x * y
        tilt[axis] += rng.uniform(0, 0.0012) * surface.fractal_noise(rng, 220, 1)
    if rng.random() < 0.18:
        angle = rng.uniform(0, np.pi)
        across = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.5, 0.5)
        step = rng.uniform(0.01, 0.035) * np.tanh(across / rng.uniform(0.08, 0.2))
        tilt += np.array([np.cos(angle), np.sin(angle)], np.float32)[:, None, None] * step
    panel = Panel(rng, tilt)
    panel.relief_mm += waviness_mm(rng, rng.uniform(3.5, 8), rng.uniform(0.00003, 0.0002))
    panel.relief_mm += waviness_mm(rng, rng.uniform(10, 25), rng.uniform(0.0001, 0.0006))
    return panel


def reflection(rng, slope: np.ndarray) -> tuple[np.ndarray, float]:
    """Brightness of the ceiling where each pixel's mirrored ray ends, and the lit share of the ceiling."""
    x, y = surface.grid_px()
    hit_x = (x * MM_FROM_PX - SIZE_MM[0] / 2) * MAGNIFICATION + 2 * TUNNEL_MM * slope[0]
    hit_y = (y * MM_FROM_PX - SIZE_MM[1] / 2) * MAGNIFICATION + 2 * TUNNEL_MM * slope[1]
    angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.25) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    u = hit_x * np.cos(angle) + hit_y * np.sin(angle)
    spread = np.quantile(u[::32, ::32], [0.1, 0.9])  # the pitch is chosen as seen on the panel
    seen_stripes = rng.uniform(5, 13)
    pitch_mm = (spread[1] - spread[0]) / 0.8 / seen_stripes
    lit_share, soft = rng.uniform(0.3, 0.55), rng.uniform(0.05, 0.16)
    turns = u / pitch_mm + rng.uniform(0, 1)
    change = np.maximum(*(np.abs(cv2.Sobel(turns, -1, *d, scale=1 / 8)) for d in ((1, 0), (0, 1))))
    soft = np.maximum(soft, change)  # steep relief squeezes many tubes into a pixel: show their average
    index = np.floor(turns)
    from_middle = np.abs(turns - index - 0.5)
    lit = np.clip((lit_share / 2 - from_middle) / soft + 0.5, 0, 1)
    lit *= lit * (3 - 2 * lit)
    lit *= 1 - 0.8 * from_middle * from_middle / lit_share  # a tube is brightest along its axis
    lit += (lit_share - lit) * np.clip((change - 0.35) / 0.5, 0, 1)
    tube_gain = rng.normal(1, 0.06, 64).astype(np.float32)
    lit *= tube_gain[index.astype(np.int32) % 64]
    wall = np.float32(rng.uniform(0.03, 0.10))  # light scattered between the tubes
    # beyond the tunnel's ceiling it is dark; only steep things such as drops look there
    end = np.clip((950 - np.maximum(np.abs(hit_x), np.abs(hit_y))) / 250, 0, 1)
    return (wall + (1 - wall) * lit) * end, lit_share


def radiance(panel: Panel) -> np.ndarray:
    """Base coat, mirror image and what lies on top, together as BGR."""
    rng = panel.rng
    relief_slope = -np.stack([cv2.Sobel(panel.relief_mm, -1, *d, scale=1 / 8 / MM_FROM_PX) for d in ((1, 0), (0, 1))])
    mirror, lit_share = reflection(rng, panel.tilt + relief_slope)
    colour, metallic = COLOURS[rng.choice(list(COLOURS))]
    colour = np.float32(colour) * np.float32(rng.normal(1, 0.015, 3) * rng.uniform(0.8, 1.1))
    # a far lamp at the tunnel's end makes relief visible even in the middle of a stripe
    lamp = rng.uniform(0, 2 * np.pi)
    facing = relief_slope[0] * np.float32(np.cos(lamp)) + relief_slope[1] * np.float32(np.sin(lamp))
    sideways = relief_slope[1] * np.float32(np.cos(lamp)) - relief_slope[0] * np.float32(np.sin(lamp))
    glint = np.exp(-(((facing - 0.03) / 0.010) ** 2) - (sideways / 0.014) ** 2) * np.float32(0.35)
    shading = np.clip(1 + 5 * facing + 2.0 * (panel.tilt[0] + panel.tilt[1]), 0.4, 1.6)
    # metallic base coats have a wide lobe of their own: a blurred copy of the stripes, and flake
    quarter = cv2.resize(mirror, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    lobe = cv2.resize(cv2.GaussianBlur(quarter, (0, 0), rng.uniform(1.5, 4)), surface.SHAPE[::-1]) / lit_share
    sheen = np.float32(0.25 + 0.4 * metallic)
    grain = rng.standard_normal(surface.SHAPE, np.float32)
    flake = 1 + np.float32(rng.uniform(0.015, 0.04) * metallic) * (grain + 0.15 * grain**3)
    base = (1 - sheen + sheen * lobe) * shading * flake
    warmth = rng.normal(0, 0.04)
    white = np.float32([1 - warmth, 1 + rng.normal(0, 0.006), 1 + warmth])
    gain = np.float32(rng.uniform(0.40, 0.68) * (1 - 0.55 * colour.mean()))  # cameras are set to not clip
    gloss_light = (mirror * panel.gloss * gain + glint) * panel.dimming + panel.scatter
    picture = cv2.merge([base * panel.dimming * c + gloss_light * w for c, w in zip(colour, white, strict=True)])
    for alpha, cover in panel.covers:
        if cover is None:  # chrome repeats the ceiling, compressed by its own curvature
            shifted = cv2.flip(mirror, -1)
            cover = cv2.GaussianBlur(shifted, (0, 0), 2)[..., None] * np.float32([0.75, 0.74, 0.72]) + 0.12
        picture += alpha[..., None] * (np.asarray(cover, np.float32) - picture)
    return picture


# Trim first, since all else must find its place beside it; then big things before small ones.
PAINTERS = [emblem_edge, orange_peel, run, scratch, fingerprint, water_drop, crater, inclusion, lint]


def draw(rng: np.random.Generator, defects: list[str], hard: list[str]) -> surface.Part:
    """One panel with every named defect and harmless thing on it."""
    panel = good_panel(rng)
    for painter in PAINTERS:
        if painter.__name__ in defects or painter.__name__ in hard:
            painter(panel)
    picture = radiance(panel)
    # the operator sets the exposure so that the stripes just do not clip: clipped stripes hide shallow defects
    exposure = min(rng.uniform(0.8, 1.15), 1.0 / np.quantile(picture[::16, ::16].max(2), 0.95))
    blur_px, noise, uneven = rng.uniform(0.5, 0.9), rng.uniform(0.7, 1.8), rng.uniform(0, 0.35)
    image, mask = surface.photograph(rng, picture, panel.mask, exposure, blur_px, noise, uneven)
    return surface.Part(image, mask, sorted(set(defects)), sorted(set(hard)))


def contact_sheet(seed: int, rows: int = 4, columns: int = 4) -> np.ndarray:
    """Parts at half size; the truth mask's outline in one colour a class."""
    outline = [(0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 128, 255)]
    names, tiles = [*CLASSES, *HARD, ""], []
    for number in range(rows * columns):
        rng = np.random.default_rng([seed, number])
        name = names[number % len(names)]
        part = draw(rng, [name] if name in CLASSES else [], [name] if name in HARD else [])
        tile = cv2.resize(part.image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for value, colour in enumerate(outline, 1):
            around = cv2.dilate((part.mask == value).astype(np.uint8), np.ones((13, 13)))  # stays off the defect
            shapes, _ = cv2.findContours(around[::2, ::2], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(tile, shapes, -1, colour, 1)
        cv2.putText(tile, name or "good", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 200, 0), 2)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[r * columns : (r + 1) * columns]) for r in range(rows)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheet", required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.imwrite(options.sheet, contact_sheet(options.seed))
