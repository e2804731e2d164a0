#!/usr/bin/env python3
"""Whether renders help beside real pictures: trains every arm of a settings file and compares them on the real test.

`python models/train/renders_help.py models/train/renders-help.toml --seeds 1 2 3`; a stopped comparison goes on
where it stopped when the same command is given again.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch

import loop
import metrics
import train
from tasks.mixed import Mixed


def figures_of(task: Mixed, run: Path) -> dict:
    """Foreground F1 of the best weights on the test, with the threshold of validation and with an even one.

    `counts` has right, said and true pixels of every test picture, so that arms can be compared picture by picture.
    """
    network = task.shipped(loop.best_of(task, run))
    threshold = task.thresholds(network)["pixel_threshold"]
    counts = task._counts(task.answers(network, task.test.images), task.test, np.array([threshold, 0.5]))
    classes = np.array([int(mask.max()) for mask in task.test.truth])
    figures = {"f1": metrics.f1(counts[:, 0].sum(0)), "f1_at_half": metrics.f1(counts[:, 1].sum(0)), "threshold": threshold}
    for value, name in enumerate(task.labels, start=1):
        figures[f"f1_{name}"] = metrics.f1(counts[classes == value, 0].sum(0))
    return {name: float(value) for name, value in figures.items()} | {"counts": counts[:, 0].tolist()}


def run_arm(settings: dict, arm: str, seed: int) -> dict:
    """One training of one arm, or its figures if it is there already."""
    settings = copy.deepcopy(settings)
    settings["mix"] |= settings.pop("arms")[arm]
    settings["training"]["seed"] = seed
    task = Mixed(settings)
    run = train.RUNS / settings["name"] / arm / train.digest(settings, task)
    run.mkdir(parents=True, exist_ok=True)
    kept = run / "figures.json"
    if not kept.exists():
        loop.train(task, settings, run, "cpu")
        kept.write_text(json.dumps(figures_of(task, run)))
    return json.loads(kept.read_text())


def table(results: dict[str, list[dict]], labels: list[str]) -> str:
    """A row an arm: mean over the seeds, and the lowest and highest."""
    names = ["f1", "f1_at_half", *(f"f1_{label}" for label in labels)]
    rows = ["| arm | seeds | " + " | ".join(names) + " |", "| --- | ---: |" + " ---: |" * len(names)]
    for arm, runs in results.items():
        values = np.array([[run[name] for name in names] for run in runs])
        cells = [f"{mean:.3f} ({low:.3f} to {high:.3f})" for mean, low, high in
                 zip(values.mean(0), values.min(0), values.max(0))]
        rows.append(f"| {arm} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def gains(results: dict[str, list[dict]]) -> str:
    """What renders add to an arm: mean difference of F1 and its 95 % interval, test pictures drawn anew, seeds paired."""
    lines = []
    for arm, without in results.items():
        with_renders = results.get(f"{arm}-and-renders", [])
        pairs = [(np.array(a["counts"]), np.array(b["counts"])) for a, b in zip(without, with_renders)]
        if not pairs:
            continue
        rng, drawn = np.random.default_rng(1), []
        for _ in range(2000):
            numbers = rng.integers(len(pairs[0][0]), size=len(pairs[0][0]))
            drawn.append(np.mean([metrics.f1(b[numbers].sum(0)) - metrics.f1(a[numbers].sum(0)) for a, b in pairs]))
        low, high = np.percentile(drawn, [2.5, 97.5])
        gain = np.mean([metrics.f1(b.sum(0)) - metrics.f1(a.sum(0)) for a, b in pairs])
        lines.append(f"renders beside `{arm}`: {gain:+.3f} ({low:+.3f} to {high:+.3f}), {len(pairs)} seed(s)")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--arms", nargs="+", help="only these arms")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = train.read_settings(options.settings, None)
    results: dict[str, list[dict]] = {}
    for seed in options.seeds:
        for arm in options.arms or settings["arms"]:
            print(f"arm {arm}, seed {seed}", flush=True)
            results.setdefault(arm, []).append(run_arm(settings, arm, seed))
            print(table(results, settings["labels"]), gains(results), sep="\n", flush=True)


if __name__ == "__main__":
    main()
