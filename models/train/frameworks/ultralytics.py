"""Ultralytics' own network, preparation and suppression. Its package is AGPL: yours to install and judge.

    .deps/exporters/bin/uv pip install --no-deps --target .deps/ultralytics ultralytics ultralytics-thop polars
    PYTHONPATH=.deps/ultralytics YOLO_OFFLINE=true .deps/exporters/bin/python models/train/record_golden.py ...
"""

import cv2
import numpy as np
import torch

from . import SCORE_MIN, Inference, Prepared, about, boxes_answer, preparation

FOUND_MAX = 300  # what Ultralytics keeps of a picture


def ultralytics(yolo, name, size_px, outputs, confidence=0.25, iou=0.7, finished=False):
    """`yolo` is an `ultralytics.YOLO`; `finished`: exported with nms=True, conf=0.05 and this `iou`."""
    from ultralytics.utils import ops
    from ultralytics.utils.nms import non_max_suppression

    network = yolo.model.float().eval()
    labels = [yolo.names[index] for index in range(len(yolo.names))]
    if yolo.task == "classify":
        return _classify(network, name, labels, size_px, outputs)
    prepared = preparation(size_px, "letterbox", "linear", pad_value=114)

    @torch.no_grad()
    def predict(given):
        found = list(_tensors(network(given.tensor)))
        # Rows of boxes come first; the prototypes of masks are the last.
        arrays = {key: value.numpy() for key, value in zip(outputs, (found[0], found[-1]))}
        rows = non_max_suppression(found[0], SCORE_MIN, iou, nc=len(labels), max_det=FOUND_MAX)[0]
        if finished:
            arrays = {outputs[0]: torch.nn.functional.pad(rows, (0, 0, 0, FOUND_MAX - len(rows)))[None].numpy()}
        boxes = ops.scale_boxes(size_px[::-1], rows[:, :4].clone(), given.back)
        return arrays | boxes_answer(boxes, rows[:, 4], rows[:, 5], 1.0)

    told = about("ultralytics", name, labels, prepared, confidence_threshold=confidence, iou_threshold=iou)
    return Inference(_letterbox(size_px), predict, told)


def _letterbox(size_px):
    """A graph has a fixed size, so the letterbox fills all of it (`auto=False`)."""
    from ultralytics.data.augment import LetterBox

    letterbox = LetterBox(size_px[::-1], auto=False)

    def preprocess(path):
        picture = cv2.imread(str(path))
        filled = letterbox(image=picture)[:, :, ::-1].transpose(2, 0, 1)
        return Prepared(torch.from_numpy(np.float32(filled) / 255)[None], picture.shape[:2])

    return preprocess


def _classify(network, name, labels, size_px, outputs):
    from PIL import Image
    from ultralytics.data.augment import classify_transforms

    transform = classify_transforms(size_px[0])
    prepared = preparation(size_px, "crop", "linear_antialias", crop_fraction=1.0)

    @torch.no_grad()
    def predict(tensor):
        scores = next(_tensors(network(tensor)))
        return {outputs[0]: scores.numpy(), "answer.scores": scores[0].numpy()}

    read = lambda path: transform(Image.open(path).convert("RGB"))[None]
    return Inference(read, predict, about("ultralytics", name, labels, prepared))


def _tensors(answer):
    """All tensors of a nested answer, from the first to the last."""
    if torch.is_tensor(answer):
        yield answer
    else:
        for part in answer.values() if isinstance(answer, dict) else answer:
            yield from _tensors(part)
