"""A shipped package on a scene, without a line of taktgate: the figures, as JSON.

    .deps/exporters/bin/python tests/evaluate/whole.py samples/stamping > tests/evaluate/whole.json

ONNX Runtime, OpenCV, scikit-learn and anomalib in Python do what `taktgate evaluate
models/stamping-surface/0.1.0 samples/stamping` does, from the picture file on; `tests/evaluate.rs`
compares. JPEG decoders differ by a grey level, so only a scene of PNG pictures gives equal scores.
"""

import json
import pathlib
import sys
import tempfile
import tomllib

import cv2
import numpy as np
import onnxruntime
from sklearn.metrics import average_precision_score

import reference

PACKAGE = pathlib.Path(__file__).parents[2] / "models/stamping-surface/0.1.0"


def image_score(probabilities, thresholds):
    """The best mean of a region; without one the highest cell, though never over the pixel threshold."""
    best = None
    for label in probabilities[1:]:
        n, ids, stats, _ = cv2.connectedComponentsWithStats(
            (label >= thresholds["pixel_threshold"]).astype(np.uint8), connectivity=8
        )
        for region in range(1, n):
            if stats[region, cv2.CC_STAT_AREA] >= thresholds["area_min_px"]:
                best = max(best or 0.0, float(label[ids == region].mean()))
    return min(float((1 - probabilities[0]).max()), thresholds["pixel_threshold"]) if best is None else best


def main(scene):
    manifest = tomllib.loads((PACKAGE / "manifest.toml").read_text())
    into, thresholds = manifest["input"], manifest["thresholds"]
    session = onnxruntime.InferenceSession(str(PACKAGE / "model.onnx"), providers=["CPUExecutionProvider"])
    scores, truth, maps, masks = [], [], [], []
    for path in sorted((scene / "frames").iterdir()):
        picture = cv2.imread(str(path))
        small = cv2.resize(picture, (into["width_px"], into["height_px"]), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
        tensor = ((grey - into["mean_values"][0]) / into["scale_values"][0]).astype(np.float32)
        probabilities = session.run(None, {into["name"]: tensor[None, None]})[0][0]
        mask = cv2.imread(str(scene / "truth" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED) > 0
        scores.append(image_score(probabilities, thresholds))
        truth.append(int(mask.any()))
        maps.append(cv2.resize(1 - probabilities[0], mask.shape[::-1], interpolation=cv2.INTER_LINEAR))
        masks.append(mask.astype(np.uint8))
    maps, masks = np.stack(maps), np.stack(masks)
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "maps.npz"
        np.savez(path, maps=maps, masks=masks)
        figures = reference.image_figures(scores, truth) | reference.map_figures(path)
    called = maps >= thresholds["pixel_threshold"]
    figures["pixel_ap"] = float(average_precision_score(masks.ravel(), maps.ravel()))
    figures["pixel_f1"] = float(2 * (called & (masks == 1)).sum() / (called.sum() + masks.sum()))
    figures["scores"] = scores
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
