"""Files by Ultralytics' own export, of networks with random but awake weights. Off by default: AGPL.

`TAKTGATE_ULTRALYTICS=1` lets the parity test make them too, with the package in .deps/ultralytics, which
nobody installs for you; `frameworks/ultralytics.py` says how.
"""

import contextlib
import shutil
import tempfile

import numpy as np
import torch

from frameworks.ultralytics import ultralytics

from .common import fresh, seed, spread, wake, write

LABELS = ["scratch", "dent", "stain"]
SIZE_PX = (320, 256)
CONFIDENCE, IOU = 0.25, 0.7


def ultralytics_v8(folder, pictures):
    _write(folder, pictures, "yolov8n", "DetectionModel")


def ultralytics_v5(folder, pictures):
    _write(folder, pictures, "yolov5n", "DetectionModel")


def ultralytics_v11_segment(folder, pictures):
    _write(folder, pictures, "yolo11n-seg", "SegmentationModel", ("output0", "output1"))


def ultralytics_v11_classify(folder, pictures):
    _write(folder, pictures, "yolo11n-cls", "ClassificationModel", size_px=(224, 224))


def ultralytics_v8_nms(folder, pictures):
    """With the suppression in the graph."""
    _write(folder, pictures, "yolov8n", "DetectionModel", nms=True, conf=0.05, iou=IOU)


@torch.no_grad()
def _write(folder, pictures, name, kind, outputs=("output0",), size_px=SIZE_PX, **options):
    from ultralytics import YOLO
    from ultralytics.nn import tasks

    seed()
    yolo = YOLO(f"{name}.yaml")
    yolo.model = getattr(tasks, kind)(f"{name}.yaml", nc=len(LABELS), verbose=False)
    yolo.model.names, yolo.model.args = dict(enumerate(LABELS)), yolo.overrides | {"imgsz": 320, "batch": 1, "data": None}
    yolo.model.task = yolo.task
    inference = ultralytics(yolo, name, size_px, outputs, CONFIDENCE, IOU, finished="nms" in options)
    batch = torch.cat([torch.from_numpy(np.asarray(inference.preprocess(path), np.float32)) for path in pictures[::4]])
    wake(yolo.model, [batch])
    _spread(yolo.model.model[-1], yolo.model, batch)
    fresh(folder)
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        made = yolo.export(format="onnx", imgsz=size_px[::-1], opset=12, simplify=False, device="cpu", **options)
        shutil.copy(made, folder / "model.onnx")
    write(folder, inference, pictures)


def _spread(head, model, batch):
    """Scores far apart, and few of them high."""
    if hasattr(head, "linear"):
        seen = []
        head.linear.register_forward_hook(lambda layer, given, answer: seen.append(answer))
        model(batch)
        spread(head.linear, seen[0], reach=3.0)
        return
    for level in head.cv3:
        seen = []
        hook = level[-1].register_forward_hook(lambda layer, given, answer: seen.append(answer))
        model(batch)
        hook.remove()
        spread(level[-1], seen[0].movedim(1, -1).flatten(0, 2), reach=3.0, middle=-3.0)
