#!/usr/bin/env python3
"""Trains one model from its TOML file: render, train, choose thresholds, test, package.

Every step draws its batch from the seed and the step's number, so a run that was stopped goes on
from its last checkpoint exactly as if it had not been.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import data
import judge
import package
from network import UNet

RUNS = data.HERE / "runs"


def normalised(images: np.ndarray, settings: dict) -> torch.Tensor:
    """[n, channels, rows, columns] in 0..255 to what the network gets."""
    shape = (1, -1, 1, 1)
    mean = np.array(settings["input"]["mean_values"], np.float32).reshape(shape)
    scale = np.array(settings["input"]["scale_values"], np.float32).reshape(shape)
    return torch.from_numpy((images.astype(np.float32) - mean) / scale).to(memory_format=torch.channels_last)


def class_weights(truth: np.ndarray, n_labels: int) -> torch.Tensor:
    """As if every defect class filled 0.3 % of all cells, at most thirty times its due.

    Dice alone never wakes a class of a few cells a part: where softmax says 0, its gradient is 0.
    """
    share = np.array([(truth == value).mean() for value in range(1 + n_labels)])
    weights = np.clip(0.003 / np.maximum(share, 1e-6), 1, 30)
    weights[0] = 1
    print("class weights", np.round(weights, 1), flush=True)
    return torch.tensor(weights, dtype=torch.float32)


def loss_of(logits: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross entropy plus Dice, the latter averaged over the defect classes that the batch shows."""
    entropy = functional.cross_entropy(logits, truth, weights, ignore_index=data.IGNORE)
    counted = (truth != data.IGNORE).float()
    probabilities = torch.softmax(logits, 1)
    losses = []
    for label in range(1, logits.shape[1]):
        true = (truth == label).float()
        if true.sum() == 0:
            continue
        said = probabilities[:, label] * counted
        losses.append(1 - (2 * (said * true).sum() + 1) / (said.sum() + true.sum() + 1))
    return entropy + (torch.stack(losses).mean() if losses else 0.0)


@torch.no_grad()
def probabilities_of(network: UNet, parts: data.Parts, settings: dict) -> np.ndarray:
    """[n, 1 + labels, rows, columns] in float32 at full input size, batch norms in test mode."""
    was_training = network.training
    network.eval()
    maps = [
        torch.softmax(network(normalised(image[None].transpose(0, 3, 1, 2), settings)), 1)[0].numpy()
        for image in parts.images
    ]
    network.train(was_training)
    return np.stack(maps)


def validate(network: UNet, parts: data.Parts, settings: dict) -> dict[str, float]:
    """Metrics at middling thresholds; `worth` decides which weights are kept."""
    maps = probabilities_of(network, parts, settings)
    figures = judge.metrics(maps, parts, judge.Thresholds(0.4, 8))
    figures["worth"] = sum(figures.values())
    return figures


def train(settings: dict, train_parts: data.Parts, validation_parts: data.Parts, run: Path) -> UNet:
    """Trains from scratch or from `run/last.pt`; returns the network with the best weights on validation."""
    training, n_labels = settings["training"], len(settings["labels"])
    torch.manual_seed(training["seed"])
    network = new_network(settings)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=training["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, training["learning_rate"], total_steps=training["steps"] + 1, pct_start=0.15
    )
    weights = class_weights(train_parts.truth, n_labels)
    step, best_worth = 0, -1.0
    if (run / "last.pt").exists():
        kept = torch.load(run / "last.pt", weights_only=True)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        schedule.load_state_dict(kept["schedule"])
        step, best_worth = kept["step"], kept["best_worth"]
    started, first_step, mean_loss = time.monotonic(), step, 0.0
    while step < training["steps"]:
        mean_loss += one_step(network, optimizer, schedule, weights, train_parts, settings, step)
        step += 1
        if step % training["validate_every"] and step < training["steps"]:
            continue
        figures = validate(network, validation_parts, settings)
        best_worth = keep(run, network, optimizer, schedule, step, figures["worth"], best_worth)
        said = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
        seconds = (time.monotonic() - started) / (step - first_step)
        print(f"step {step} loss {mean_loss / training['validate_every']:.3f} {said} {seconds:.2f} s/step", flush=True)
        mean_loss = 0.0
    return best_of(run, network)


def new_network(settings: dict) -> UNet:
    network = UNet(settings["input"]["channels"], len(settings["labels"]), tuple(settings["training"]["channels"]))
    return network.to(memory_format=torch.channels_last)


def best_of(run: Path, network: UNet) -> UNet:
    """The network with the best weights that the run has kept."""
    network.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    return network.eval()


def one_step(network, optimizer, schedule, weights, train_parts, settings, step: int) -> float:
    """One batch forth and back; the loss."""
    training = settings["training"]
    rng = np.random.default_rng([training["seed"], step])
    images, truth = data.batch(train_parts, rng, training["batch"], training["crop_px"], training["flips"])
    # bfloat16 is twice as fast on CPUs that have it; losses and weights stay float32.
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(normalised(images, settings))
    # Full weights wake the small classes; towards the end they fade, or probabilities would run too high.
    fading = 1 - 0.7 * step / training["steps"]
    loss = loss_of(logits.float(), torch.from_numpy(truth), weights**fading)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimizer.step()
    schedule.step()
    return loss.item()


def keep(run: Path, network, optimizer, schedule, step: int, worth: float, best_worth: float) -> float:
    """Writes the checkpoint, and the weights too where they are the best so far; the best worth."""
    if worth >= best_worth:
        best_worth = worth
        torch.save(network.state_dict(), run / "best.pt")
    kept = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    temporary = run / "last.tmp"
    torch.save({**kept, "step": step, "best_worth": best_worth}, temporary)
    temporary.rename(run / "last.pt")
    return best_worth


def read_settings(path: Path, steps: int | None) -> dict:
    settings = tomllib.loads(path.read_text())
    settings["labels"] = list(data.render.load_scene(settings["scene"]).CLASSES)
    settings["file"] = path.name
    if steps is not None:
        settings["training"]["steps"] = steps
    return settings


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Render parts, train a model, test it and write its package under models/.",
        epilog="example: python models/train/train.py models/train/stamping.toml",
    )
    parser.add_argument("settings", type=Path, help="the model's TOML file")
    parser.add_argument("--steps", type=int, help="training steps instead of the file's (a quick first model)")
    parser.add_argument("--out", type=Path, default=data.HERE.parent, help="folder of packages (default models/)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default 2)")
    parser.add_argument("--only-package", action="store_true", help="package the run's best weights so far and stop")
    parser.add_argument("--only-draw", action="store_true", help="fill the cache of rendered parts and stop")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = read_settings(arguments.settings, arguments.steps)
    folder, frame = RUNS / settings["scene"], settings["input"]
    splits = {
        split: data.parts(settings["scene"], split, n_parts, frame["width_px"], frame["height_px"], folder)
        for split, n_parts in settings["render"].items()
    }
    if arguments.only_draw:
        return
    steps, seed = settings["training"]["steps"], settings["training"]["seed"]
    digest = data.renderer_digest(settings["scene"], frame["width_px"], frame["height_px"])
    run = folder / f"{digest}-steps{steps}-seed{seed}-n{settings['render']['train']}"
    run.mkdir(parents=True, exist_ok=True)
    if arguments.only_package:
        network = best_of(run, new_network(settings))
    else:
        network = train(settings, splits["train"], splits["validation"], run)
    thresholds = judge.choose_thresholds(probabilities_of(network, splits["validation"], settings), splits["validation"])
    package.write(settings, network, thresholds, splits["test"], arguments.out)


if __name__ == "__main__":
    main()
