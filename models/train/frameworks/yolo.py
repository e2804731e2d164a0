"""The preparation and reading that go with files of the YOLOv5, v8 and v11 form.

Written from the published behaviour of those exports, for networks of our own that answer in the same
form. For weights of Ultralytics itself see `ultralytics.py`.
"""

import cv2
import numpy as np
import torch
from torchvision.ops import batched_nms

from . import SCORE_MIN, Inference, Prepared, about, boxes_answer, preparation

PAD = 114


def letterbox(size_px):
    """One factor for both sides, rounded; centred; grey around; red first, 0 to 1."""

    def preprocess(path):
        picture = cv2.imread(str(path))
        (height, width), (wide, high) = picture.shape[:2], size_px
        factor = min(high / height, wide / width)
        fitted = round(width * factor), round(height * factor)
        left, top = (round((whole - part) / 2 - 0.1) for whole, part in zip(size_px, fitted))
        canvas = np.full((high, wide, 3), PAD, np.uint8)
        resized = picture if fitted == (width, height) else cv2.resize(picture, fitted, interpolation=cv2.INTER_LINEAR)
        canvas[top : top + fitted[1], left : left + fitted[0]] = resized
        tensor = torch.from_numpy(canvas[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) / 255)[None]
        return Prepared(tensor, (factor, left, top))

    return preprocess


def detector(model, name, labels, size_px, outputs, rows, confidence, iou):
    """`rows` turns the network's outputs into boxes (x1, y1, x2, y2) and a score for each label."""
    prepared = preparation(size_px, "letterbox", "linear", pad_value=PAD)
    model.eval()

    @torch.no_grad()
    def predict(given):
        raw = model(given.tensor)
        raw = raw if isinstance(raw, tuple) else (raw,)
        boxes, scores = rows(raw[0][0])
        best, which = scores.max(1)
        kept = best >= SCORE_MIN
        boxes, best, which = boxes[kept], best[kept], which[kept]
        kept = batched_nms(boxes, best, which, iou)
        factor, left, top = given.back
        boxes = (boxes[kept] - torch.tensor([left, top, left, top])) / factor
        arrays = {key: value.numpy() for key, value in zip(outputs, raw)}
        return arrays | boxes_answer(boxes, best[kept], which[kept], 1.0)

    told = about("torch", name, labels, prepared, confidence_threshold=confidence, iou_threshold=iou)
    return Inference(preprocess=letterbox(size_px), predict=predict, about=told)


def corners(centres):
    """Centre, width and height to left, top, right and bottom."""
    middle, half = centres[:, :2], centres[:, 2:] / 2
    return torch.cat([middle - half, middle + half], 1)


def rows_v8(answer):
    """[4 + labels (+ mask weights), n]"""
    return lambda labels: (corners(answer[:4].T), answer[4 : 4 + labels].T)


def rows_v5(answer):
    """[n, 5 + labels]: the objectness multiplies."""
    return lambda labels: (corners(answer[:, :4]), answer[:, 4:5] * answer[:, 5 : 5 + labels])


def finished(answer):
    """[300, 6]: x1, y1, x2, y2, score, class; suppressed in the graph, rows of score 0 are padding."""

    def read(labels):
        scores = torch.zeros(len(answer), labels)
        scores[torch.arange(len(answer)), answer[:, 5].long()] = answer[:, 4]
        return answer[:, :4], scores

    return read
