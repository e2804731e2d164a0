"""The manifest and the golden vectors of a package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import save_file

N_GOLDEN = 2


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def golden_numbers(task, answers: np.ndarray, thresholds: dict) -> list[int]:
    """The test pictures that become golden vectors."""
    numbers = task.golden_candidates(answers, thresholds)[:N_GOLDEN]
    if len(numbers) < N_GOLDEN:
        raise SystemExit(
            f"{len(numbers)} test pictures have detections that stand clear of the thresholds {thresholds}, {N_GOLDEN} "
            "are needed; train on, or change how the task chooses its thresholds"
        )
    return numbers


def write_golden(task, settings: dict, answers: list[np.ndarray], numbers: list[int], folder: Path) -> None:
    """The test pictures of these numbers with what was answered to each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (index, answer) in enumerate(zip(numbers, answers), start=1):
        image = task.test.images[index]
        picture = image[..., ::-1] if settings["input"].get("reverse_input_channels") else image
        cv2.imwrite(str(folder / f"{number:02}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        path = folder / f"{number:02}.safetensors"
        # Probabilities lose nothing that matters in float16; pixels and logits would.
        stored = answer.astype(np.float16) if task.layout == "class_maps" else answer
        save_file({task.output: np.ascontiguousarray(stored)}, str(path))
        path.chmod(0o644)  # safetensors writes for the owner alone


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


def text(task, settings: dict, thresholds: dict, figures: dict, trained_on: str, package: Path) -> str:
    """The manifest's text; every file in it is pinned by its SHA-256."""
    size = settings["input"]
    golden = []
    for number in range(1, N_GOLDEN + 1):
        image, outputs = f"golden/{number:02}.png", f"golden/{number:02}.safetensors"
        golden.append({
            "image": image, "image_sha256": sha256(package / image),
            "outputs": outputs, "outputs_sha256": sha256(package / outputs), "tolerance": task.tolerance,
        })
    tables = [
        toml_table("", {
            "schema": 1, "name": settings["name"], "version": settings["version"],
            "task": settings.get("task", "segment"), "description": settings["description"], "onnx": "model.onnx",
            "onnx_sha256": sha256(package / "model.onnx"), "trained_on": trained_on,
            **({"good_label": task.good_label} if hasattr(task, "good_label") else {}),
        }),
        toml_table("[input]", {
            "name": "image", "width_px": size["width_px"], "height_px": size["height_px"],
            "channels": size["channels"], "reverse_input_channels": size.get("reverse_input_channels", False),
            "mean_values": size["mean_values"], "scale_values": size["scale_values"],
            "resize_type": "standard", "interpolation": size.get("interpolation", "area"), "pad_value": 0,
        }),
        toml_table("[output]", {"name": task.output, "layout": task.layout}),
        toml_table("[thresholds]", thresholds),
        *(toml_table("[[labels]]", {"name": name, "code": settings["codes"].get(name, "")}) for name in task.shipped_labels),
        *(toml_table("[[golden]]", entry) for entry in golden),
        toml_table("[metrics]", {name: float(value) for name, value in figures.items()}),
    ]
    return "\n\n".join(tables) + "\n"
