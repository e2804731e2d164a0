"""Real pictures from a folder: read once, resized as the gate resizes, kept in memory by split.

Splits come from files, never from chance: `split.csv` (file, class, split) for classes and masks, and
`train.json`, `val.json`, `test.json` in COCO form for boxes. Near-duplicates between splits are looked
for when a set is read (`duplicates.py`).
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SPLITS = ("train", "val", "test")
REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass
class Pictures:
    """One split: pictures [rows, columns, 3] (red first) at the network's size, and their truth."""

    names: list[str]
    images: list[np.ndarray]
    truth: list  # a class index, a mask of class values, or an array [n, 5]: x1, y1, x2, y2, class
    sizes_px: list[tuple[int, int]]  # width and height of the files

    def without(self, names: set[str]) -> Pictures:
        """The same split less the pictures of these names."""
        kept = [index for index, name in enumerate(self.names) if name not in names]
        columns = (self.names, self.images, self.truth, self.sizes_px)
        return Pictures(*([column[index] for index in kept] for column in columns))


def root() -> Path:
    """The folder of the data sets: `TAKTGATE_DATA`, or `../shared/data` beside the repository."""
    folder = Path(os.environ.get("TAKTGATE_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        raise SystemExit(f"there are no data sets in `{folder}`; set TAKTGATE_DATA to the folder that holds them")
    return folder


def read_rgb(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"`{path}` cannot be read as a picture; is it there and whole?")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def to_input(image: np.ndarray, frame: dict) -> np.ndarray:
    """A picture at the network's size; `standard` resizing, as the manifest says it to the gate."""
    size = (frame["width_px"], frame["height_px"])
    if image.shape[1::-1] == size:
        return image
    flag = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}[frame["interpolation"]]
    return cv2.resize(image, size, interpolation=flag)


def _rows(folder: Path) -> dict[str, list[dict]]:
    with (folder / "split.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    return {split: [row for row in rows if row["split"] == split] for split in SPLITS}


def read_classes(folder: Path, frame: dict, labels: list[str]) -> dict[str, Pictures]:
    """One folder a class; the truth is the class's index."""
    splits = {}
    for split, rows in _rows(folder).items():
        files = [read_rgb(folder / row["file"]) for row in rows]
        splits[split] = Pictures(
            [row["file"] for row in rows], [to_input(image, frame) for image in files],
            [labels.index(row["class"]) for row in rows], [image.shape[1::-1] for image in files],
        )
    return splits


def read_masks(folder: Path, frame: dict, labels: list[str]) -> dict[str, Pictures]:
    """`images/` and `masks/`; the truth is the mask at the file's own size, 1 + class where there is a defect."""
    splits = {}
    for split, rows in _rows(folder).items():
        files = [read_rgb(folder / "images" / row["file"]) for row in rows]
        truth = []
        for row in rows:
            mask = cv2.imread(str(folder / "masks" / row["file"]), cv2.IMREAD_GRAYSCALE)
            truth.append((mask > 127).astype(np.uint8) * (1 + labels.index(row["class"])))
        splits[split] = Pictures(
            [row["file"] for row in rows], [to_input(image, frame) for image in files],
            truth, [image.shape[1::-1] for image in files],
        )
    return splits


def read_boxes(folder: Path, frame: dict, labels: list[str]) -> dict[str, Pictures]:
    """COCO boxes in input pixels; a picture without a box is a good part and stays in."""
    splits = {}
    for split in SPLITS:
        coco = json.loads((folder / f"{split}.json").read_text())
        names = {category["id"]: category["name"] for category in coco["categories"]}
        boxes: dict[int, list] = {}
        for annotation in coco["annotations"]:
            x, y, width, height = annotation["bbox"]
            if width > 0 and height > 0:
                boxes.setdefault(annotation["image_id"], []).append(
                    (x, y, x + width, y + height, labels.index(names[annotation["category_id"]]))
                )
        read = Pictures([], [], [], [])
        for entry in coco["images"]:
            image = read_rgb(folder / "images" / entry["file_name"])
            factors = np.array([frame["width_px"] / image.shape[1], frame["height_px"] / image.shape[0]] * 2 + [1])
            found = np.array(boxes.get(entry["id"], []), np.float64).reshape(-1, 5) * factors
            read.names.append(entry["file_name"])
            read.images.append(to_input(image, frame))
            read.truth.append(found.astype(np.float32))
            read.sizes_px.append(image.shape[1::-1])
        splits[split] = read
    return splits
