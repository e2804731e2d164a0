#!/usr/bin/env python3
"""How far the renders are from real pictures: texture, noise, light and defects of both in one table.

Reads the data sets in `TAKTGATE_DATA` (default `../shared/data` beside the repository) and draws parts of every
scene. Prints the table, and writes it with a picture of histograms to `out/`; no real picture is written.
Texture and noise are taken in windows off the defects, of which each picture's plainer half counts: part
edges and number plates are no texture.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import render  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
WINDOW_PX = 64
RING_PX = 9  # round a defect: its surroundings
FIRST_SEED = 500_000  # in the samples' range, far from the shipped frames
Sight = tuple[np.ndarray, np.ndarray]  # grey picture as float32, and its mask: 0 = good surface


def real_masks(folder: Path, class_name: str, n_max: int) -> Iterator[Sight]:
    """Training pictures of one class with their masks."""
    with (folder / "split.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "train" and row["class"] == class_name]
    for row in rows[:n_max]:
        image = cv2.imread(str(folder / "images" / row["file"]), cv2.IMREAD_GRAYSCALE)
        yield image.astype(np.float32), cv2.imread(str(folder / "masks" / row["file"]), cv2.IMREAD_GRAYSCALE) > 127


def real_boxes(folder: Path, n_max: int) -> Iterator[Sight]:
    """Training pictures; what lies in a box counts as defect."""
    coco = json.loads((folder / "train.json").read_text())
    for entry in coco["images"][:: max(1, len(coco["images"]) // n_max)]:
        image = cv2.imread(str(folder / "images" / entry["file_name"]), cv2.IMREAD_GRAYSCALE)
        mask = np.zeros(image.shape, bool)
        for annotation in coco["annotations"]:
            if annotation["image_id"] == entry["id"]:
                x, y, width, height = (int(value) for value in annotation["bbox"])
                mask[y : y + height, x : x + width] = True
        yield image.astype(np.float32), mask


def drawn(scene_name: str, defects: list[str], n_parts: int) -> Iterator[Sight]:
    """Rendered parts with the given defects."""
    scene = render.load_scene(scene_name)
    for seed in range(FIRST_SEED, FIRST_SEED + n_parts):
        part = scene.draw(np.random.default_rng(seed), defects, [])
        grey = cv2.cvtColor(part.image, cv2.COLOR_BGR2GRAY) if part.image.ndim == 3 else part.image
        yield grey.astype(np.float32), part.mask > 0


def noise_grey(window: np.ndarray) -> float:
    """Standard deviation of what differs from pixel to pixel: a Laplacian that is blind to slopes, robustly."""
    kernel = np.float32([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    return float(np.median(np.abs(cv2.filter2D(window, -1, kernel)[1:-1, 1:-1])) / 0.6745 / 6)


def spectrum(window: np.ndarray) -> tuple[float, float]:
    """Slope of log power over log frequency (0 = white noise, -2 = clouds), and log2 of power along x over along y."""
    side = len(window)
    hann = np.hanning(side)
    power = np.abs(np.fft.fftshift(np.fft.fft2((window - window.mean()) * np.outer(hann, hann)))) ** 2
    fy, fx = np.mgrid[-side // 2 : side // 2, -side // 2 : side // 2] / side
    frequency = np.hypot(fx, fy)
    edges = np.geomspace(1.5 / side, 0.5, 9)
    levels = [power[(frequency >= low) & (frequency < high)].mean() for low, high in zip(edges, edges[1:])]
    slope = np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(np.array(levels) + 1e-6), 1)[0]
    band = (frequency > 3 / side) & (frequency < 0.4)
    along_x, along_y = power[band & (np.abs(fx) > 2 * np.abs(fy))].sum(), power[band & (np.abs(fy) > 2 * np.abs(fx))].sum()
    return float(slope), float(np.log2((along_x + 1e-6) / (along_y + 1e-6)))


def of_surface(grey: np.ndarray, defect: np.ndarray) -> list[dict]:
    """Figures of the plainer half of the good windows."""
    found = []
    for row in range(0, grey.shape[0] - WINDOW_PX + 1, WINDOW_PX):
        for column in range(0, grey.shape[1] - WINDOW_PX + 1, WINDOW_PX):
            place = np.s_[row : row + WINDOW_PX, column : column + WINDOW_PX]
            window = grey[place]
            if defect[place].any() or not 8 < window.mean() < 245:
                continue
            slope, grain = spectrum(window)
            found.append({"grey": window.mean(), "deviation": window.std(), "noise": noise_grey(window), "slope": slope,
                          "grain": grain})
    return sorted(found, key=lambda one: one["deviation"])[: (len(found) + 1) // 2]


def lamp_percent(grey: np.ndarray, defect: np.ndarray) -> float:
    """How much a plane fitted to the good surface changes from corner to corner, against its mean."""
    y, x = np.nonzero(~defect)
    seen = grey[y, x]
    a, b, _ = np.linalg.lstsq(np.column_stack([x, y, np.ones(len(x))]).astype(np.float32), seen, rcond=None)[0]
    return float(100 * (abs(a) * grey.shape[1] + abs(b) * grey.shape[0]) / seen.mean())


def of_defects(grey: np.ndarray, defect: np.ndarray) -> list[dict]:
    """Contrast to the ring around, softness of the edge, and size of every defect region."""
    found = []
    n_regions, ids, stats, _ = cv2.connectedComponentsWithStats(defect.astype(np.uint8), connectivity=8)
    edge = np.hypot(cv2.Sobel(grey, -1, 1, 0, scale=1 / 8), cv2.Sobel(grey, -1, 0, 1, scale=1 / 8))
    for number in range(1, n_regions):
        if stats[number, cv2.CC_STAT_AREA] < 12:
            continue
        inside = (ids == number).astype(np.uint8)
        ring = (cv2.dilate(inside, np.ones((2 * RING_PX + 1, 2 * RING_PX + 1))) > 0) & ~defect
        ring &= cv2.dilate(inside, np.ones((5, 5))) == 0
        if ring.sum() < 20:
            continue
        (width, length) = sorted(cv2.minAreaRect(cv2.findNonZero(inside))[1])
        step = grey[inside > 0].mean() - grey[ring].mean()
        border = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
        found.append({
            "contrast_percent": 100 * step / max(grey[ring].mean(), 1), "contrast_to_noise": abs(step) / max(grey[ring].std(), 0.3),
            "edge_px": abs(step) / max(float(np.percentile(edge[border], 75)), 0.3), "length_px": length + 1,
            "width_px": stats[number, cv2.CC_STAT_AREA] / (length + 1),
        })
    return found


FIGURES = ("grey", "deviation", "noise", "slope", "grain", "lamp_percent", "contrast_percent", "contrast_to_noise", "edge_px",
           "length_px", "width_px")


def measure(sights: Iterator[Sight]) -> dict[str, np.ndarray]:
    """All figures of a set, each as the list of its values."""
    values: dict[str, list[float]] = {name: [] for name in FIGURES}
    for grey, defect in sights:
        values["lamp_percent"].append(lamp_percent(grey, defect))
        for one in of_surface(grey, defect) + of_defects(grey, defect):
            for name, value in one.items():
                values[name].append(float(value))
    return {name: np.array(one) for name, one in values.items()}


def table(sets: dict[str, dict[str, np.ndarray]]) -> str:
    """A row a set: the middle value, and the tenth and ninetieth hundredth."""
    rows = ["| set | " + " | ".join(FIGURES) + " |", "| --- |" + " ---: |" * len(FIGURES)]
    for name, values in sets.items():
        cells = []
        for figure in FIGURES:
            low, middle, high = np.percentile(values[figure], [10, 50, 90]) if len(values[figure]) else [np.nan] * 3
            cells.append(f"{middle:.3g} ({low:.2g} to {high:.2g})" if len(values[figure]) else "none")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def picture(sets: dict[str, dict[str, np.ndarray]]) -> np.ndarray:
    """One histogram a set and figure; the figures side by side have one axis."""
    width, height, left = 150, 60, 150
    canvas = np.full((height * len(sets) + 20, left + width * len(FIGURES), 3), 255, np.uint8)
    for column, figure in enumerate(FIGURES):
        together = np.concatenate([values[figure] for values in sets.values()])
        low, high = np.percentile(together, [2, 98])
        cv2.putText(canvas, figure, (left + column * width + 4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
        for row, (name, values) in enumerate(sets.items()):
            foot = 20 + (row + 1) * height - 4
            cv2.putText(canvas, name, (4, foot - 20), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1)
            counts, _ = np.histogram(values[figure], 40, (low, high))
            for index, count in enumerate(counts):
                x = left + column * width + 5 + int(index * (width - 10) / 40)
                top = foot - int((height - 10) * count / max(counts.max(), 1))
                cv2.rectangle(canvas, (x, top), (x + 2, foot), (160, 90, 30) if "real" in name else (40, 120, 220), -1)
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=60, help="pictures of each real set (default 60)")
    parser.add_argument("--parts", type=int, default=6, help="rendered parts of each scene and class (default 6)")
    parser.add_argument("--only", default="", help="only sets whose name contains this")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "out", help="folder of table and picture (default out/)")
    options = parser.parse_args()
    data = Path(os.environ.get("TAKTGATE_DATA", REPOSITORY / ".." / "shared" / "data"))
    if not data.is_dir():
        raise SystemExit(f"there are no data sets in `{data}`; set TAKTGATE_DATA to the folder that holds them")
    plans = {}
    for name in ("inclusion", "patches", "scratches"):
        plans[f"real {name}"] = (real_masks, data / "steel-masks", name, options.n)
        if (Path(__file__).parent / "strip.py").exists():
            plans[f"strip {name}"] = (drawn, "strip", [name], options.n)
    plans["real rolled (NEU)"] = (real_boxes, data / "steel-boxes", options.n)
    plans["real weld"] = (real_boxes, data / "weld-boxes", options.n)
    plans["real body"] = (real_boxes, data / "body-boxes", options.n)
    for scene_name in render.SCENES:
        for name in render.load_scene(scene_name).CLASSES:
            plans[f"{scene_name} {name}"] = (drawn, scene_name, [name], options.parts)
    sets = {name: measure(read(*rest)) for name, (read, *rest) in plans.items() if options.only in name}
    options.out.mkdir(parents=True, exist_ok=True)
    text = table(sets)
    (options.out / "compare.md").write_text(text + "\n")
    cv2.imwrite(str(options.out / "compare.png"), picture(sets))
    print(text)


if __name__ == "__main__":
    main()
