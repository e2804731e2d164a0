"""Hot-rolled strip in grey, 200 x 200 px: inclusions, patches of scale and scratches, drawn as they look in SD-saliency-900.

No scene of the gate's samples: it is here to ask whether renders help beside real pictures
(`models/train/renders_help.py`). Sizes, contrasts, noise and light follow what `compare.py` measures on the real
training pictures; no pixel of them is used. Everything is drawn with the rolling direction upright; some pictures
are turned at the end. `strip.py --sheet OUT.png --seed N` draws a contact sheet to look at.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import surface  # noqa: E402

SIDE_PX = 200
SHAPE = (SIDE_PX, SIDE_PX)
CLASSES = ["inclusion", "patches", "scratches"]
HARD: list[str] = []  # faint bands, lines and specks that nobody labelled are part of every surface


def rolled(rng, scale_px: float, stretch: float, octaves: int = 4) -> np.ndarray:
    """Noise drawn out along the rolling direction, mean 0, deviation 1."""
    rows = max(int(SIDE_PX / stretch), 4)
    return cv2.resize(surface.fractal_noise(rng, scale_px, octaves, (rows, SIDE_PX)), SHAPE, interpolation=cv2.INTER_CUBIC)


def lamp(rng, strength: float) -> np.ndarray:
    """Uneven light, mean about 1: a slope and a soft hill."""
    x, y = surface.grid_px(SHAPE)
    x, y = x / SIDE_PX - 0.5, y / SIDE_PX - 0.5
    slope = rng.normal(0, strength, 2)
    hill = np.exp(-(((x - rng.uniform(-0.6, 0.6)) ** 2 + (y - rng.uniform(-0.6, 0.6)) ** 2) / rng.uniform(0.2, 1.0)))
    return np.clip(1 + slope[0] * x + slope[1] * y + strength * (hill - 0.5), 0.25, 2)


def spindle(rng, centre, length_px: float, width_px: float, rough: np.ndarray) -> np.ndarray:
    """Level set of a ragged spindle along the rolling direction: positive inside, in px from its border."""
    x, y = surface.grid_px(SHAPE)
    v = np.clip((y - centre[1]) / (length_px / 2), -1.5, 1.5)
    lean = rng.normal(0, 0.03) * (y - centre[1]) + rng.normal(0, width_px / 6) * np.sin(2.5 * v + rng.uniform(0, 6))
    half = width_px / 2 * np.clip(1 - np.abs(v) ** rng.uniform(1.5, 3), 0, 1) ** 0.7 - 2 * (np.abs(v) > 1)
    return half - np.abs(x - centre[0] - lean) + rough


def cover(level_px: np.ndarray, edge_px: float) -> np.ndarray:
    """Coverage, 0 to 1, over a border that is `edge_px` wide."""
    return 1 / (1 + np.exp(-np.clip(4 * level_px / edge_px, -30, 30)))


def log_uniform(rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def add_inclusions(rng, grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Dark drawn-out islands, alone, as a trail of fragments or as a torn band; paler ones are nobody's defect."""
    contrast = rng.uniform(0.14, 0.30)
    for _ in range(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])):
        x = rng.uniform(10, SIDE_PX - 10)
        kind = rng.choice(["band", "trail", "islands"], p=[0.35, 0.35, 0.3])
        n = {"band": 1, "trail": rng.integers(2, 7), "islands": rng.integers(1, 6)}[kind]
        for _ in range(n):
            length = log_uniform(rng, 80, 300) if kind == "band" else log_uniform(rng, 18, 95)
            width = log_uniform(rng, 8, 26) if kind == "band" else min(log_uniform(rng, 5, 15), 0.5 * length)
            spread = {"band": 0, "trail": 6, "islands": 45}[kind]
            centre = (x + rng.normal(0, spread), rng.uniform(0, SIDE_PX))
            rough = rng.uniform(0.1, 0.3) * width * rolled(rng, 22, 2.2, 3)
            level = spindle(rng, centre, length, width, rough)
            faint = rng.random() < 0.15
            depth = contrast * rng.uniform(0.75, 1.25) * (0.35 if faint else 1)
            grey = grey * (1 - depth * cover(level, rng.uniform(2, 4.5)) * (1 + 0.15 * rolled(rng, 14, 2, 2)))
            if not faint:
                mask[level > -0.7] = 1
    mask[:] = cv2.medianBlur(mask, 5)  # a hand marks no crumbs
    return grey


def add_patches(rng, grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Dark islands of scale with frayed borders: chains of blobs that run into one another."""
    x, y = surface.grid_px(SHAPE)
    contrast, level = rng.uniform(0.5, 0.78), np.full(SHAPE, -99, np.float32)
    for _ in range(rng.choice([1, 2, 3], p=[0.35, 0.4, 0.25])):
        at = rng.uniform(15, SIDE_PX - 15, 2)
        radius, way = log_uniform(rng, 10, 28), rng.normal(np.pi / 2, 0.4)
        for _ in range(rng.choice([1, 2, 3, 5, 7], p=[0.15, 0.2, 0.25, 0.25, 0.15])):
            size = radius * rng.uniform(0.7, 1.3)
            dx, dy = x - at[0], (y - at[1]) / rng.uniform(1.0, 2.2)
            level = np.maximum(level, size - np.hypot(dx, dy))
            way += rng.normal(0, 0.7)
            at = at + np.array([np.cos(way), np.sin(way)]) * size * rng.uniform(0.9, 1.6)
    smooth = level + 4.5 * surface.fractal_noise(rng, 34, 3, SHAPE)
    frayed = smooth + rng.uniform(1, 2.5) * surface.fractal_noise(rng, 8, 3, SHAPE)
    inside = cover(frayed, rng.uniform(5, 11))
    rim = np.exp(-(((smooth - 4) / 4) ** 2)) * rng.uniform(0, 0.25)  # often darkest just inside the border
    grey = grey * (1 - inside * np.clip(contrast * (1 + rim - rim.mean()), 0, 0.9))
    stain = cover(surface.fractal_noise(rng, 45, 3, SHAPE) * 6 - rng.uniform(8, 14), 8)
    grey = grey * (1 - 0.2 * stain)  # half of it: too pale to count
    mask[smooth > 0.5] = 2
    if rng.random() < 0.6:
        dots = surface.fractal_noise(rng, 7, 2, SHAPE) + 1.2 * surface.fractal_noise(rng, 50, 2, SHAPE)
        grey = grey * (1 - 0.7 * cover(dots - rng.uniform(3.6, 5), 0.6))
    return grey


def add_scratches(rng, grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Bright lines along the rolling direction: hair lines that come and go, broad scores, bundles."""
    gain = rng.uniform(0.5, 1.4) * np.median(grey)
    x, y = surface.grid_px(SHAPE)
    lean = rng.normal(0, 0.02) if rng.random() < 0.8 else rng.uniform(-0.35, 0.35)
    for _ in range(rng.choice([1, 2, 3, 4], p=[0.55, 0.3, 0.1, 0.05])):
        kind = rng.choice(["hair", "score", "bundle"], p=[0.42, 0.26, 0.32])
        width = {"hair": log_uniform(rng, 1.5, 5), "score": log_uniform(rng, 4, 12), "bundle": log_uniform(rng, 9, 26)}[kind]
        length = SIDE_PX * 3 if kind == "bundle" or rng.random() < 0.45 else log_uniform(rng, 40, 300)
        middle = rng.uniform(width / 2, SIDE_PX - width / 2), rng.uniform(0, SIDE_PX)
        along = y - middle[1]
        drift = lean * along + (0 if kind == "bundle" else rng.uniform(0, 1.2)) * rolled(rng, 60, 1, 2)[:, :1]
        across = (x - middle[0] - drift) / (width / 2)
        ends = np.clip((length / 2 - np.abs(along)) / max(0.15 * length, 4), 0, 1)
        if kind == "bundle":
            lines = rng.uniform(0.15, 1.1, (1, rng.integers(5, 10))).astype(np.float32)
            stripes = cv2.resize(lines, (64, 1), interpolation=cv2.INTER_CUBIC)
            place = np.clip((across + 1) / 2 * 63, 0, 63).astype(np.float32)
            bright = cv2.remap(stripes, place, np.zeros_like(place), cv2.INTER_LINEAR) * cover(width / 2 * (1 - np.abs(across)), 2)
            pressure = 1 + 0.08 * rolled(rng, 12, 1, 2)
        else:
            bright = np.exp(-(np.abs(across) ** rng.uniform(1.6, 3)))
            torn = rng.uniform(0.1, 0.6) if kind == "hair" else rng.uniform(0.05, 0.4)
            pressure = np.clip(1 + torn * rolled(rng, 50, 1, 3)[:, :1] + 0.3 * torn * surface.fractal_noise(rng, 6, 2, SHAPE), 0, 1.6)
        light = bright * pressure * ends
        faint = rng.random() < 0.2
        grey = grey + gain * rng.uniform(0.8, 1.2) * (0.25 if faint else 1) * light
        if not faint:
            shows = (np.abs(across) < max(1.15, 4 / width))  # marked by hand: no line is less than 4 px wide
            shows &= pressure * ends > 0.35
            mask[shows] = 3
    return grey


def plain(rng, class_name: str) -> tuple[np.ndarray, float]:
    """The good surface that the class lies on, and its fine grain in grey levels."""
    if class_name == "patches":
        mean, spread = log_uniform(rng, 70, 280), rng.uniform(0.08, 0.2)
        grey = mean * (1 + spread * (0.7 * surface.fractal_noise(rng, 70, 5, SHAPE) + 0.5 * rolled(rng, 50, 3, 4)))
        speckle = rolled(rng, rng.uniform(2, 5), 1.5, 3) * rng.uniform(0.04, 0.09)
        return grey * (1 + speckle) * lamp(rng, rng.uniform(0.2, 0.7)), rng.uniform(6, 18)
    mean = log_uniform(rng, 55, 125) if rng.random() < 0.93 else rng.uniform(160, 235)
    streaks = rolled(rng, rng.uniform(8, 45), rng.uniform(4, 20), 4) + 0.5 * rolled(rng, rng.uniform(3, 8), rng.uniform(2, 6), 2)
    bands = rolled(rng, 90, 30, 2) * rng.uniform(0, 0.05)
    mottled = surface.fractal_noise(rng, 60, 5, SHAPE) * rng.uniform(0.008, 0.03)
    grey = mean * (1 + rng.uniform(0.008, 0.035) * streaks + bands + mottled)
    return grey * lamp(rng, rng.uniform(0.08, 0.4)), rng.uniform(1.5, 4)


def draw(rng: np.random.Generator, defects: list[str], hard: list[str]) -> surface.Part:
    """One picture with the named defects on it; a picture shows one kind, as in the set it follows."""
    class_name = defects[0] if defects else str(rng.choice(CLASSES))
    grey, grain = plain(rng, class_name)
    mask = np.zeros(SHAPE, np.uint8)
    if defects:
        add = {"inclusion": add_inclusions, "patches": add_patches, "scratches": add_scratches}[class_name]
        grey = add(rng, grey.astype(np.float32), mask)
    # Scale glitters pixel by pixel, plain strip does not; both are a little soft after the lens.
    soft_px = 0.45 if class_name == "patches" else 0.9
    grey = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), rng.uniform(0.5, 0.9))
    grey = grey + grain * cv2.GaussianBlur(rng.standard_normal(SHAPE).astype(np.float32), (0, 0), soft_px)
    grey = surface.sensor_noise(rng, grey, rng.uniform(0.5, 1.2))
    image = np.clip(np.round(grey), 0, 255).astype(np.uint8)
    if rng.random() < 0.07:
        image, mask = np.ascontiguousarray(image.T), np.ascontiguousarray(mask.T)
    return surface.Part(image, mask, sorted(set(defects)), sorted(set(hard)))


def contact_sheet(seed: int) -> np.ndarray:
    """Twelve pictures of each class, each beside its mask."""
    rows = []
    for class_name in CLASSES:
        parts = [draw(np.random.default_rng([seed, index]), [class_name], []) for index in range(12)]
        tiles = [tile for part in parts for tile in (part.image, (part.mask > 0).astype(np.uint8) * 255)]
        rows += [np.hstack(tiles[:8]), np.hstack(tiles[8:16]), np.hstack(tiles[16:])]
    return np.vstack(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", required=True, metavar="OUT.png")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.imwrite(options.sheet, contact_sheet(options.seed))
