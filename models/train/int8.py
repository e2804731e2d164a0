"""A package in 8-bit integers beside the one in float32, where it is as good and faster; the figures either way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from onnx import load
from onnxruntime.quantization import (
    CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quant_pre_process, quantize_static,
)

import manifest
import runtime

N_CALIBRATION = 96
# How much worse the validation's figure may become.
LOSS_MAX = 0.003


class Calibration(CalibrationDataReader):
    """Training pictures, evenly from the whole split."""

    def __init__(self, images, settings: dict):
        numbers = np.linspace(0, len(images) - 1, min(N_CALIBRATION, len(images))).astype(int)
        self.inputs = iter([{"image": runtime.to_tensor(images[n], settings)} for n in numbers])

    def get_next(self):
        return next(self.inputs, None)


def _behind_the_last_convolutions(onnx: Path) -> list[str]:
    """Names of the nodes with no convolution after them: 8 bits would be too few for pixels and scores."""
    graph = load(str(onnx)).graph
    readers: dict[str, list] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    has_convolution: dict[str, bool] = {}
    # Nodes lie in the order in which they run, so all readers are known when a node's turn comes.
    for node in reversed(graph.node):
        after = [reader for name in node.output for reader in readers.get(name, [])]
        has_convolution[node.name] = any(reader.op_type == "Conv" or has_convolution[reader.name] for reader in after)
    return [name for name, has in has_convolution.items() if not has]


def _quantised(task, settings: dict, onnx: Path, run: Path) -> Path:
    prepared, path = run / "prepared.onnx", run / "int8.onnx"
    quant_pre_process(str(onnx), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(path), Calibration(task.train.images, settings), quant_format=QuantFormat.QDQ,
        per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax, op_types_to_quantize=["Conv", "Add", "Clip", "Concat", "Resize"],
        nodes_to_exclude=_behind_the_last_convolutions(prepared),
    )
    return path


def attempt(task, settings: dict, thresholds: dict, package: Path, run: Path, figures: dict) -> str:
    """Quantises, compares on validation, and says what came of it; a package `<name>-int8` only if it pays."""
    path = _quantised(task, settings, package / "model.onnx", run)
    before, after = (
        task.val_figures(runtime.run_all(onnx, task.val.images, settings))["worth"]
        for onnx in (package / "model.onnx", path)
    )
    ms = runtime.quiet_ms(path, runtime.to_tensor(task.test.images[0], settings), 1)
    kept = after >= before - LOSS_MAX and ms < figures["ms_one_thread"]
    said = (f"int8: {after:.4f} on validation where float32 has {before:.4f}, {ms} ms on one thread where float32 needs "
            f"{figures['ms_one_thread']} ms: {'kept' if kept else 'not kept'}")
    print(said, flush=True)
    if kept:
        _write(task, settings, thresholds, path, package, run, ms)
    return said


def _write(task, settings: dict, thresholds: dict, path: Path, package: Path, run: Path, ms: float) -> None:
    """The package `<name>-int8`: its golden answers are its own, float32's would differ by more than rounding."""
    folder = package.parents[1] / f"{settings['name']}-int8" / settings["version"]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder / "model.onnx")
    answers = runtime.run_all(path, task.test.images, settings)
    numbers = manifest.golden_numbers(task, answers, thresholds)
    manifest.write_golden(task, settings, [answers[n : n + 1] for n in numbers], numbers, folder / "golden")
    own = run / "int8"
    own.mkdir(exist_ok=True)
    figures, section = task.judge_test(answers, thresholds, own)
    named = settings | {"name": f"{settings['name']}-int8"}
    trained_on = f"as {settings['name']} {settings['version']}, quantised to 8 bits on {N_CALIBRATION} training pictures"
    text = manifest.text(task, named, thresholds, figures | {"ms_one_thread": ms}, trained_on, folder)
    (folder / "manifest.toml").write_text(text)
    (folder / "README.md").write_text(
        f"# {named['name']} {named['version']}\n\nThe model `{settings['name']}` in 8-bit integers; its card says what it "
        f"is. The golden answers are those of ONNX Runtime on a CPU with VNNI: a CPU without may saturate and then "
        f"refuses the package.\n\n{section}\n"
    )
