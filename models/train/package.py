"""Writes a model package: the ONNX file, golden images with their answers, the manifest and the model card."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch

import card
import int8
import loop
import manifest
import runtime
from networks.shipping import fold_norms

OPSET = 17


def export(shipped: torch.nn.Module, settings: dict, output: str, path: Path) -> None:
    """`shipped` is folded in place: hand over a copy."""
    size = settings["input"]
    example = torch.zeros(1, size["channels"], size["height_px"], size["width_px"])
    torch.onnx.export(
        fold_norms(shipped), example, str(path), input_names=["image"], output_names=[output],
        opset_version=OPSET, dynamo=False,  # the newer exporter writes opset 18 and converts down
    )


def write(task, settings: dict, run: Path, out: Path, wants_int8: bool) -> None:
    """Exports the run's best weights, tests with ONNX Runtime what is shipped, writes manifest and card from that."""
    package = out / settings["name"] / settings["version"]
    package.mkdir(parents=True, exist_ok=True)
    network = loop.best_of(task, run)
    shipped = task.shipped(network)
    thresholds = task.thresholds(network)
    onnx = package / "model.onnx"
    export(copy.deepcopy(shipped), settings, task.output, onnx)
    answers = runtime.run_all(onnx, task.test.images, settings)
    numbers = manifest.golden_numbers(task, answers, thresholds)
    # PyTorch's answers, so that parity proves the export.
    golden = [task.answers(shipped, task.test.images[n : n + 1]) for n in numbers]
    manifest.write_golden(task, settings, golden, numbers, package / "golden")
    difference = max(float(np.abs(answers[n] - answer[0]).max()) for n, answer in zip(numbers, golden))
    assert difference < task.tolerance, f"the export answers differently by {difference}"
    figures, section = task.judge_test(answers, thresholds, run)
    tensor = runtime.to_tensor(task.test.images[0], settings)
    figures |= {f"ms_{name}": runtime.quiet_ms(onnx, tensor, n) for name, n in (("one_thread", 1), ("two_threads", 2))}
    facts = task.facts() | loop.facts(run) | {
        "difference": f"{difference:.1e}",
        "n_parameters": f"{sum(weight.numel() for weight in network.parameters()) / 1e6:.2f} M parameters",
    }
    if wants_int8:
        facts["int8"] = int8.attempt(task, settings, thresholds, package, run, figures)
    trained_on = f"{facts['trained_on']}; started from {facts['start']}; seed {settings['training']['seed']}, {facts['steps']}"
    (package / "manifest.toml").write_text(manifest.text(task, settings, thresholds, figures, trained_on, package))
    (package / "README.md").write_text(card.text(task, settings, thresholds, figures, section, facts))
    print(f"{package}\n{thresholds}\n{figures}\n{section}\n{facts}", flush=True)
