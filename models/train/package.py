"""Writes a model package: the ONNX file, golden images with their answers, the manifest and the model card."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from safetensors.numpy import save_file

import card
import data
import judge
from network import Probabilities, UNet

OPSET = 17
TOLERANCE = 0.002  # float16 answers are off by up to 0.00025, runtimes by a few 1e-6 more

def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def to_tensor(image: np.ndarray, settings: dict) -> np.ndarray:
    """One uint8 image [rows, columns, channels] as the network gets it: float32 [1, channels, rows, columns]."""
    mean = np.array(settings["input"]["mean_values"], np.float32)
    scale = np.array(settings["input"]["scale_values"], np.float32)
    return np.ascontiguousarray(((image.astype(np.float32) - mean) / scale).transpose(2, 0, 1)[None])


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def median_ms(runtime: onnxruntime.InferenceSession, tensor: np.ndarray, n_runs: int = 60) -> float:
    times_ms = []
    for _ in range(n_runs):
        started = time.perf_counter()
        runtime.run(None, {"image": tensor})
        times_ms.append(1000 * (time.perf_counter() - started))
    return float(np.median(times_ms[5:]))


def export(network: UNet, settings: dict, path: Path) -> None:
    size = settings["input"]
    example = torch.zeros(1, size["channels"], size["height_px"], size["width_px"])
    copy = UNet(size["channels"], len(settings["labels"]), tuple(settings["training"]["channels"]))
    copy.load_state_dict(network.state_dict())
    torch.onnx.export(
        Probabilities(copy).eval(),
        example,
        str(path),
        input_names=["image"],
        output_names=["probabilities"],
        opset_version=OPSET,
        dynamo=False,  # the newer exporter writes opset 18 and converts down
    )


@torch.no_grad()
def write_golden(settings: dict, network: UNet, test: data.Parts, folder: Path) -> list[int]:
    """One good and one bad part of the test with PyTorch's answers, so that parity proves the export."""
    good = next(i for i, defects in enumerate(test.defects) if not defects and not test.hard[i])
    bad = next(i for i, defects in enumerate(test.defects) if len(defects) == 2)
    folder.mkdir(parents=True, exist_ok=True)
    for number, index in enumerate((good, bad), start=1):
        image = test.images[index]
        logits = network(torch.from_numpy(to_tensor(image, settings)))
        answer = torch.softmax(logits, 1).numpy().astype(np.float16)
        cv2.imwrite(str(folder / f"{number:02}.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        answers = folder / f"{number:02}.safetensors"
        save_file({"probabilities": answer}, str(answers))
        answers.chmod(0o644)  # safetensors writes for the owner alone
    return [good, bad]


def toml_value(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(entry) for entry in value) + "]"
    return str(round(value, 4)) if isinstance(value, float) else str(value)


def toml_table(header: str, table: dict) -> str:
    lines = [header] if header else []
    return "\n".join(lines + [f"{key} = {toml_value(value)}" for key, value in table.items()])


def manifest(settings: dict, thresholds: judge.Thresholds, figures: dict, trained_on: str, package: Path) -> str:
    """The manifest's text; every file in it is pinned by its SHA-256."""
    size = settings["input"]
    golden = []
    for number in (1, 2):
        image, outputs = f"golden/{number:02}.png", f"golden/{number:02}.safetensors"
        golden.append({
            "image": image, "image_sha256": sha256(package / image),
            "outputs": outputs, "outputs_sha256": sha256(package / outputs), "tolerance": TOLERANCE,
        })
    tables = [
        toml_table("", {
            "schema": 1, "name": settings["name"], "version": settings["version"], "task": "segment",
            "description": settings["description"], "onnx": "model.onnx",
            "onnx_sha256": sha256(package / "model.onnx"), "trained_on": trained_on,
        }),
        toml_table("[input]", {
            "name": "image", "width_px": size["width_px"], "height_px": size["height_px"],
            "channels": size["channels"], "reverse_input_channels": False,
            "mean_values": size["mean_values"], "scale_values": size["scale_values"],
            "resize_type": "standard", "interpolation": "area", "pad_value": 0,
        }),
        toml_table("[output]", {"name": "probabilities", "layout": "class_maps"}),
        toml_table("[thresholds]", {
            "confidence_threshold": thresholds.doubtful_from,
            "pixel_threshold": thresholds.pixel_threshold, "area_min_px": thresholds.area_min_px,
        }),
        *(toml_table("[[labels]]", {"name": name, "code": settings["codes"].get(name, "")})
          for name in settings["labels"]),
        *(toml_table("[[golden]]", entry) for entry in golden),
        toml_table("[metrics]", figures),
    ]
    return "\n\n".join(tables) + "\n"


def write(settings: dict, network: UNet, thresholds: judge.Thresholds, test: data.Parts, out: Path) -> None:
    """Exports, tests with ONNX Runtime what is shipped, and writes manifest and card from that test."""
    package = out / settings["name"] / settings["version"]
    package.mkdir(parents=True, exist_ok=True)
    export(network, settings, package / "model.onnx")
    golden = write_golden(settings, network, test, package / "golden")
    runtime = session(package / "model.onnx")
    answers = [runtime.run(None, {"image": to_tensor(image, settings)})[0] for image in test.images]
    difference = parity(network, settings, test, answers, golden)
    maps = np.concatenate(answers)
    figures = judge.metrics(maps, test, thresholds)
    figures["score_reject"] = thresholds.confidence_threshold
    figures["ms_two_threads"] = round(median_ms(runtime, to_tensor(test.images[0], settings)), 1)
    counts = judge.operating_point(maps, test, thresholds, settings["labels"])
    numbers = ", ".join(f"{n} {split}" for split, n in settings["render"].items())
    first_seeds = ", ".join(f"{split} from {data.render.SEEDS[split].start}" for split in settings["render"])
    trained_on = (
        f"synthetic renders only (samples/render/{settings['scene']}.py): {numbers} parts; seeds {first_seeds}; "
        f"training seed {settings['training']['seed']}, {settings['training']['steps']} steps"
    )
    (package / "manifest.toml").write_text(manifest(settings, thresholds, figures, trained_on, package))
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    text = card.text(settings, thresholds, figures, counts, trained_on, difference, n_parameters)
    (package / "README.md").write_text(text)
    print(f"{package}\n{thresholds}\n{figures}\n{counts}\nlargest difference to PyTorch {difference:.2e}", flush=True)


@torch.no_grad()
def parity(network: UNet, settings: dict, test: data.Parts, answers: list[np.ndarray], indices: list[int]) -> float:
    """Largest difference of a probability between ONNX Runtime and PyTorch over the golden images."""
    difference = 0.0
    for index in indices:
        expected = torch.softmax(network(torch.from_numpy(to_tensor(test.images[index], settings))), 1).numpy()
        difference = max(difference, float(np.abs(answers[index] - expected).max()))
    assert difference < TOLERANCE, f"the export answers differently by {difference}"
    return difference
