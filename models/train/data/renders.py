"""Rendered parts for learning: drawn by a process pool, kept at the network's size, dealt out as crops.

A cache file's name holds a digest of the renderer and of the sizes, so a changed renderer never
meets an old cache.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parents[1]
RENDER = HERE.parents[1] / "samples" / "render"
sys.path.insert(0, str(RENDER))
import render  # noqa: E402

from data.augment import jitter  # noqa: E402

# A cell of the output covers 4 x 4 px of the frame (at 512 px width): a scratch one px wide fills a
# quarter of it. Cells that a defect merely touches are neither good nor bad and teach nothing.
COVERAGE_MIN = 0.2
COVERAGE_TOUCHED = 0.02
from losses import IGNORE  # noqa: E402


@dataclass
class Parts:
    """`n` parts at the network's size: images [n, rows, columns, channels], truth [n, rows/2, columns/2]."""

    images: np.ndarray
    truth: np.ndarray
    defects: list[list[str]]
    hard: list[list[str]]


def to_input(frame: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """A frame as the network gets it, before normalisation: uint8 [rows, columns, channels]."""
    small = cv2.resize(frame, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return small if small.ndim == 3 else small[..., None]


def to_cells(mask: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """The truth mask at the output's size: the class that covers most of a cell, or good, or `IGNORE`."""
    cells = np.zeros((height_px // 2, width_px // 2), np.uint8)
    best = np.zeros(cells.shape, np.float32)
    for value in np.unique(mask[mask > 0]):
        covered = (mask == value).astype(np.float32)
        coverage = cv2.resize(covered, cells.shape[::-1], interpolation=cv2.INTER_AREA)
        cells[(coverage > best) & (coverage >= COVERAGE_MIN)] = value
        best = np.maximum(best, coverage)
    cells[(cells == 0) & (best > COVERAGE_TOUCHED)] = IGNORE
    return cells


def _draw(job: tuple[str, int, int, int]) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    scene_name, seed, width_px, height_px = job
    cv2.setNumThreads(1)
    part = render.draw_mixed(render.load_scene(scene_name), seed)
    image = part.image
    # Frames reach the gate as JPEG or raw: the network must not learn the difference.
    if seed % 2:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 86 + seed % 11])[1]
        image = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
    return to_input(image, width_px, height_px), to_cells(part.mask, width_px, height_px), part.defects, part.hard


def renderer_digest(scene_name: str, width_px: int, height_px: int) -> str:
    """Changes with the renderer, with what this file does to a drawn part, and with the sizes."""
    scene_path = Path(render.load_scene(scene_name).__file__)
    digest = hashlib.sha256(f"{width_px} {height_px} {COVERAGE_MIN} {COVERAGE_TOUCHED} {IGNORE}".encode())
    for path in (scene_path, RENDER / "surface.py"):
        digest.update(path.read_bytes())
    for function in (render.draw_mixed, to_input, to_cells, _draw):
        digest.update(inspect.getsource(function).encode())
    return digest.hexdigest()[:12]


def parts(scene_name: str, split: str, n_parts: int, width_px: int, height_px: int, folder: Path) -> Parts:
    """The first `n_parts` parts of a split, from the cache in `folder` or drawn now on two processes."""
    digest = renderer_digest(scene_name, width_px, height_px)
    path = folder / f"{split}-{n_parts}-{digest}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        jobs = [(scene_name, seed, width_px, height_px) for seed in render.SEEDS[split][:n_parts]]
        with ProcessPoolExecutor(2) as pool:
            images, truth, defects, hard = zip(*pool.map(_draw, jobs, chunksize=4))
        names = json.dumps({"defects": defects, "hard": hard})
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, images=np.stack(images), truth=np.stack(truth), names=names)
        temporary.rename(path)
        print(f"drew {n_parts} parts for {split} in {time.monotonic() - started:.0f} s", flush=True)
    with np.load(path) as stored:
        names = json.loads(str(stored["names"]))
        return Parts(stored["images"], stored["truth"], names["defects"], names["hard"])


def _crop_corner(rng: np.random.Generator, truth: np.ndarray, crop_cells: int) -> tuple[int, int]:
    """Row and column of a crop, in cells; two of three crops of a bad part show a defect."""
    rows, columns = truth.shape[0] - crop_cells, truth.shape[1] - crop_cells
    if rng.random() < 0.67 and len(classes := np.unique(truth[(truth > 0) & (truth != IGNORE)])):
        # The class first, the cell second: a large dent must not outvote the scratch beside it.
        defect_cells = np.argwhere(truth == rng.choice(classes))
        row, column = defect_cells[rng.integers(len(defect_cells))] - rng.integers(8, crop_cells - 8, 2)
        return int(np.clip(row, 0, rows)), int(np.clip(column, 0, columns))
    return int(rng.integers(rows + 1)), int(rng.integers(columns + 1))


def batch(train: Parts, rng: np.random.Generator, n_crops: int, crop_px: int, flips: list[str]):
    """Random crops with flips and jitter: images float32 [n, channels, crop, crop] in 0..255, truth int64."""
    crop_cells = crop_px // 2
    images, truths = [], []
    for index in rng.integers(len(train.images), size=n_crops):
        row, column = _crop_corner(rng, train.truth[index], crop_cells)
        truth = train.truth[index, row : row + crop_cells, column : column + crop_cells]
        image = train.images[index, 2 * row : 2 * row + crop_px, 2 * column : 2 * column + crop_px]
        image = jitter(rng, image.astype(np.float32))
        for flip, axis in (("vertical", 0), ("horizontal", 1)):
            if flip in flips and rng.random() < 0.5:
                image, truth = np.flip(image, axis), np.flip(truth, axis)
        images.append(image.transpose(2, 0, 1))
        truths.append(truth.astype(np.int64))
    return np.ascontiguousarray(np.stack(images)), np.ascontiguousarray(np.stack(truths))
