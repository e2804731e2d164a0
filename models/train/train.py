#!/usr/bin/env python3
"""Trains one model from its TOML file: read or render, train, choose thresholds, test, package."""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
from pathlib import Path

import torch

import loop
import package
from tasks import task_of

HERE = Path(__file__).resolve().parent
RUNS = HERE / "runs"
# What a run's weights depend on; the rest of a settings file may change without training again.
TRAINED = ("scene", "task", "data", "labels", "input", "render", "mix", "network", "augment", "training")


def over(base: dict, changes: dict) -> dict:
    """`base` with `changes`, table by table."""
    merged = base | changes
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merged[key] = over(base[key], value)
    return merged


def read_settings(path: Path, steps: int | None) -> dict:
    """The settings of a file, on top of those of the file that it names as its `base`."""
    settings = tomllib.loads(path.read_text())
    if "base" in settings:
        settings = over(tomllib.loads((path.parent / settings.pop("base")).read_text()), settings)
    settings["file"] = path.name
    if steps is not None:
        settings["training"]["steps"] = steps
    return settings


def digest(settings: dict, task) -> str:
    """Changes with everything that the weights depend on, so that no run goes on from another one's."""
    said = {key: settings[key] for key in TRAINED if key in settings} | {"data_digest": task.data_digest()}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def device_of(wish: str) -> str:
    if wish != "auto":
        return wish
    return "cuda" if torch.cuda.is_available() else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train a model on rendered parts or real pictures, test it and write its package.",
        epilog="example: python models/train/train.py models/train/stamping.toml",
    )
    parser.add_argument("settings", type=Path, help="the model's TOML file")
    parser.add_argument("--steps", type=int, help="training steps instead of the file's (a quick first model)")
    parser.add_argument("--out", type=Path, default=HERE.parent, help="folder of packages (default models/)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default 2)")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (an accelerator if there is one)")
    parser.add_argument("--int8", action="store_true", help="quantise too; kept only where it is as good and faster")
    parser.add_argument("--only-train", action="store_true", help="train, but leave the test pictures alone")
    parser.add_argument("--only-package", action="store_true", help="package the run's best weights so far and stop")
    parser.add_argument("--only-draw", action="store_true", help="fill the cache of rendered parts and stop")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = read_settings(arguments.settings, arguments.steps)
    task = task_of(settings, RUNS / arguments.settings.stem)
    if arguments.only_draw:
        return
    run = RUNS / arguments.settings.stem / digest(settings, task)
    run.mkdir(parents=True, exist_ok=True)
    print(f"{settings['name']}: run {run}", flush=True)
    if not arguments.only_package:
        loop.train(task, settings, run, device_of(arguments.device))
    if not arguments.only_train:
        package.write(task, settings, run, arguments.out, arguments.int8)


if __name__ == "__main__":
    main()
