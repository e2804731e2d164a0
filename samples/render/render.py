#!/usr/bin/env python3
"""Draws frames of a scene with their truth: the shipped samples (command line) and the parts that models learn from.

Every part has a seed of its own, and each use has a range of seeds of its own (`SEEDS`), so that no
part that a model has seen in training can turn up in its test or among the shipped samples.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import surface  # noqa: E402

SCENES = ("stamping", "welding", "paint")
SEEDS = {
    "samples": range(0, 1_000_000),
    "train": range(1_000_000, 2_000_000),
    "validation": range(2_000_000, 3_000_000),
    "test": range(3_000_000, 4_000_000),
}
JPEG_QUALITY = 92

# What a part for training, validation or test is, drawn once a part.
PLAIN_GOOD_FRACTION = 0.3
HARD_GOOD_FRACTION = 0.2
TWO_DEFECTS_FRACTION = 0.3  # of the bad parts
HARD_ON_BAD_FRACTION = 0.4  # of the bad parts


def load_scene(name: str) -> ModuleType:
    """The module that draws scene `name`."""
    return importlib.import_module(name)


def draw_mixed(scene: ModuleType, seed: int) -> surface.Part:
    """One part for learning: 30 % plain good, 20 % good with hard things, 50 % with one or two defects."""
    rng = np.random.default_rng(seed)
    kind = rng.random()
    defects: list[str] = []
    n_hard = 0
    if PLAIN_GOOD_FRACTION <= kind < PLAIN_GOOD_FRACTION + HARD_GOOD_FRACTION:
        n_hard = 1 + int(rng.random() < 0.4)
    elif kind >= PLAIN_GOOD_FRACTION + HARD_GOOD_FRACTION:
        n_defects = 1 + int(rng.random() < TWO_DEFECTS_FRACTION)
        defects = [str(name) for name in rng.choice(scene.CLASSES, n_defects, replace=False)]
        n_hard = int(rng.random() < HARD_ON_BAD_FRACTION)
    hard = [str(name) for name in rng.choice(scene.HARD, min(n_hard, len(scene.HARD)), replace=False)]
    return scene.draw(rng, defects, hard)


def sample_plan(scene: ModuleType, n_frames: int) -> list[tuple[list[str], list[str]]]:
    """Defects and hard things of each shipped frame: a quarter plain good, a quarter hard good, half bad.

    The kinds are dealt out in turn, so that 12 frames show every hard thing and every class;
    the first bad frame always has two defects, and good and bad alternate.
    """
    n_plain, n_hard_good = n_frames // 4, n_frames // 4
    hard_good: list[list[str]] = [[] for _ in range(n_hard_good)]
    for index in range(max(n_hard_good, len(scene.HARD)) if n_hard_good and scene.HARD else 0):
        hard_good[index % n_hard_good].append(scene.HARD[index % len(scene.HARD)])
    good = [[] for _ in range(n_plain)] + hard_good
    n_bad = n_frames - len(good)
    bad: list[list[str]] = [[] for _ in range(n_bad)]
    for index in range(max(n_bad, len(scene.CLASSES)) if n_bad else 0):
        bad[index % n_bad].append(scene.CLASSES[index % len(scene.CLASSES)])
    if n_bad and len(scene.CLASSES) > 1 and all(len(names) == 1 for names in bad):
        others = [name for name in scene.CLASSES if name not in bad[0]]
        bad[0].append(others[0])
    plan: list[tuple[list[str], list[str]]] = []
    for index in range(max(len(good), n_bad)):
        plan += [([], good[index])] if index < len(good) else []
        plan += [(sorted(set(bad[index])), [])] if index < n_bad else []
    return plan


def toml_list(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def write_samples(name: str, out: Path, n_frames: int, seed: int) -> None:
    """Writes `frames/NN.jpg`, `truth/NN.png` and `truth.toml` under `out`; frame NN has the seed `seed + NN`."""
    if seed < 0 or seed + n_frames not in SEEDS["samples"]:
        raise SystemExit(f"seed {seed} with {n_frames} frames leaves the samples' range {SEEDS['samples']}")
    scene = load_scene(name)
    (out / "frames").mkdir(parents=True, exist_ok=True)
    (out / "truth").mkdir(parents=True, exist_ok=True)
    lines = [
        "# What is true of each frame. Rendered, not photographed; written by samples/render/render.py.",
        "# A mask (truth/NN.png) holds 0 where the surface is good, else 1 + the index into `classes`.",
        f'scene = "{name}"',
        f'command = "python samples/render/render.py {name} --out samples/{name} --n {n_frames} --seed {seed}"',
        f"mm_from_px = {scene.MM_FROM_PX}",
        f"classes = {toml_list(list(scene.CLASSES))}",
        f"hard_kinds = {toml_list(list(scene.HARD))}",
    ]
    for number, (defects, hard) in enumerate(sample_plan(scene, n_frames), start=1):
        part = scene.draw(np.random.default_rng(seed + number), defects, hard)
        frame, truth = f"frames/{number:02}.jpg", f"truth/{number:02}.png"
        cv2.imwrite(str(out / frame), part.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        cv2.imwrite(str(out / truth), part.mask, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        lines += ["", "[[frames]]", f'frame = "{frame}"', f'mask = "{truth}"', f"seed = {seed + number}"]
        lines += [f"defects = {toml_list(part.defects)}", f"hard = {toml_list(part.hard)}"]
    (out / "truth.toml").write_text("\n".join(lines) + "\n")


def write_folders(name: str, out: Path, n_good: int, seed: int) -> None:
    """Writes the folders of MVTec AD: good parts to learn from, and a test of half as many good ones and one bad a class.

    Frames have half the size; frame N of all, counted through, has the seed `seed + N`.
    """
    scene = load_scene(name)
    test = [("good", [], []) for _ in range(n_good // 2)] + [(defect, [defect], []) for defect in scene.CLASSES * 2]
    parts = [("train/good", [], [])] * n_good + [(f"test/{kind}", defects, hard) for kind, defects, hard in test]
    if seed < 0 or seed + len(parts) not in SEEDS["samples"]:
        raise SystemExit(f"seed {seed} with {len(parts)} frames leaves the samples' range {SEEDS['samples']}")
    for number, (folder, defects, hard) in enumerate(parts, start=1):
        part = scene.draw(np.random.default_rng(seed + number), list(defects), hard)
        half = (part.image.shape[1] // 2, part.image.shape[0] // 2)
        frame = out / folder / f"{number:03}.jpg"
        frame.parent.mkdir(parents=True, exist_ok=True)
        image = cv2.resize(part.image, half, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(frame), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if defects:
            mask = out / folder.replace("test", "ground_truth") / f"{number:03}_mask.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            small = cv2.resize(part.mask, half, interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(mask), np.where(small > 0, 255, 0).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Render sample frames of a scene with their truth.",
        epilog="example: python samples/render/render.py stamping --out samples/stamping --n 12 --seed 100",
    )
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("--out", type=Path, required=True, help="folder that gets frames/, truth/ and truth.toml")
    parser.add_argument("--n", type=int, default=12, help="number of frames (default 12)")
    parser.add_argument("--seed", type=int, default=100, help="frame NN is drawn with seed + NN (default 100)")
    parser.add_argument("--folders", action="store_true", help="write train/good with --n frames, and test, as MVTec AD")
    arguments = parser.parse_args()
    write = write_folders if arguments.folders else write_samples
    write(arguments.scene, arguments.out, arguments.n, arguments.seed)


if __name__ == "__main__":
    main()
