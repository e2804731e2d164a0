#!/usr/bin/env python3
"""Judges every shipped sample frame with the shipped package, as the gate does, and prints what it found."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import cv2

import judge
import runtime
from data import renders

MODELS = renders.HERE.parent
SAMPLES = renders.RENDER.parent


def judge_frame(frame_path: Path, manifest: dict, network) -> list[judge.Region]:
    """The regions that the thresholds leave on one frame."""
    size, limits = manifest["input"], manifest["thresholds"]
    frame = cv2.imread(str(frame_path), cv2.IMREAD_GRAYSCALE if size["channels"] == 1 else cv2.IMREAD_COLOR)
    image = renders.to_input(frame, size["width_px"], size["height_px"])
    maps = network.run(None, {"image": runtime.to_tensor(image, manifest)})[0][0]
    thresholds = judge.Thresholds(limits["pixel_threshold"], limits["area_min_px"], limits["confidence_threshold"])
    return [r for r in judge.regions(maps, thresholds) if r.score >= thresholds.confidence_threshold]


def check(folder: Path, frames: Path) -> int:
    """Prints the table of one scene; the number of frames with a wrong verdict or a missed or extra class."""
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    truth = tomllib.loads((frames / "truth.toml").read_text())
    network = runtime.session(folder / "model.onnx")
    labels = [label["name"] for label in manifest["labels"]]
    n_wrong = 0
    print(f"\n{manifest['name']} {manifest['version']}")
    for entry in truth["frames"]:
        found = judge_frame(frames / entry["frame"], manifest, network)
        said = sorted({labels[region.label - 1] for region in found})
        verdict_wrong = bool(said) != bool(entry["defects"])
        note = "WRONG VERDICT" if verdict_wrong else "" if said == entry["defects"] else "other classes"
        n_wrong += bool(note)
        seen = ", ".join(f"{labels[r.label - 1]} {r.score:.2f} ({r.area_px})" for r in found) or "-"
        true = ", ".join(entry["defects"]) or "good"
        hard = f" with {', '.join(entry['hard'])}" if entry["hard"] else ""
        print(f"{Path(entry['frame']).name}  {true + hard:58} {seen:60} {note}")
    return n_wrong


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Judge the shipped sample frames with the shipped models.",
        epilog="example: python models/train/check_samples.py stamping.toml welding.toml paint.toml",
    )
    parser.add_argument("settings", nargs="+", help="the models' TOML files in models/train/")
    n_wrong = 0
    for name in parser.parse_args().settings:
        settings = tomllib.loads((renders.HERE / Path(name).name).read_text())
        n_wrong += check(MODELS / settings["name"] / settings["version"], SAMPLES / settings["scene"])
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
