"""Boxes after the network: read from layout `yolo`, doubles suppressed as the gate does it, average precision.

The gate does the first two in Rust (`src/model/boxes.rs`): best class of each column, boxes cut at the
input's edges, strongest first, of two of one class that overlap more the weaker goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RECALLS = np.linspace(0, 1, 101)
# COCO's evaluation looks at so many boxes a picture and class.
DETECTIONS_MAX = 100


@dataclass(frozen=True)
class Found:
    """Detections of one picture, strongest first: boxes [n, 4] as x1, y1, x2, y2 in input px."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def at_least(self, score: float) -> Found:
        kept = self.scores >= score
        return Found(self.boxes[kept], self.scores[kept], self.classes[kept])


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    both = np.clip(high - low, 0, None).prod(2)
    area_a, area_b = (a[:, 2:4] - a[:, :2]).prod(1), (b[:, 2:4] - b[:, :2]).prod(1)
    return both / np.maximum(area_a[:, None] + area_b[None] - both, 1e-9)


def decode(answer: np.ndarray, size_px: tuple[int, int], confidence_threshold: float, iou_threshold: float,
           votes: tuple[float, float] | None = None) -> Found:
    """The detections in one answer [4 + labels, n]; `votes`: the overlap and the score from which a box has a vote."""
    classes, scores = answer[4:].argmax(0), answer[4:].max(0)
    kept = scores >= confidence_threshold
    centres, sizes = answer[:2, kept].T.astype(np.float64), answer[2:4, kept].T.astype(np.float64)
    edges = np.array([*size_px, *size_px], np.float64)
    boxes = np.clip(np.concatenate([centres - sizes / 2, centres + sizes / 2], 1), 0, edges)
    order = np.argsort(-scores[kept], kind="stable")
    boxes, scores, classes = boxes[order], scores[kept][order], classes[kept][order]
    alive = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if alive[index]:
            rivals = np.nonzero(alive & (classes == classes[index]))[0]
            rivals = rivals[rivals > index]
            if len(rivals):
                alive[rivals[pairwise_iou(boxes[index : index + 1], boxes[rivals])[0] > iou_threshold]] = False
    if votes:
        boxes = _voted(boxes, scores, classes, *votes)
    return Found(boxes[alive], scores[alive], classes[alive])


def _voted(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, overlap_min: float, score_min: float):
    """Each box as the mean of those of its class that overlap it, by score and by how much more they do."""
    weight = np.clip(pairwise_iou(boxes, boxes) - overlap_min, 0, None) * (classes[:, None] == classes) * scores
    weight *= (scores >= score_min) | np.eye(len(boxes), dtype=bool)
    return weight @ boxes / weight.sum(1, keepdims=True)


def _matches(found: Found, truth: np.ndarray, label: int, overlap_min: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores and hits of the boxes of one class in one picture, and how many there should be."""
    mine = np.nonzero(found.classes == label)[0][:DETECTIONS_MAX]
    true = truth[truth[:, 4] == label]
    hits = np.zeros(len(mine), bool)
    if len(true) and len(mine):
        overlap = pairwise_iou(found.boxes[mine], true)
        for index in range(len(mine)):
            nearest = overlap[index].argmax()
            if overlap[index, nearest] >= overlap_min:
                hits[index] = True
                overlap[:, nearest] = -1
    return found.scores[mine], hits, len(true)


def ranked(all_found: list[Found], truths: list[np.ndarray], label: int, overlap_min: float):
    """Scores from strong to weak, hits in that order, and the number of true boxes, over all pictures."""
    matches = [_matches(found, truth, label, overlap_min) for found, truth in zip(all_found, truths)]
    scores = np.concatenate([match[0] for match in matches])
    hits = np.concatenate([match[1] for match in matches])
    order = np.argsort(-scores, kind="mergesort")
    return scores[order], hits[order], sum(match[2] for match in matches)


def average_precision(all_found: list[Found], truths: list[np.ndarray], label: int, overlap_min: float = 0.5) -> float:
    """COCO's: the mean over 101 recalls of the best precision from there on; NaN where the class is absent."""
    _, hits, n_true = ranked(all_found, truths, label, overlap_min)
    if not n_true:
        return float("nan")
    right = hits.cumsum()
    precision = right / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / n_true, RECALLS, side="left")
    return float(np.append(precision, 0.0)[np.minimum(places, len(hits))].mean())


def mean_average_precision(all_found, truths, n_labels: int, overlaps=(0.5,)) -> tuple[float, list[float]]:
    """Mean over the classes that the truth shows, and the figure of each class at the first overlap."""
    each = np.array([[average_precision(all_found, truths, label, o) for label in range(n_labels)] for o in overlaps])
    return float(np.nanmean(each)), each[0].tolist()


def best_f1(all_found: list[Found], truths: list[np.ndarray], n_labels: int) -> tuple[float, float]:
    """The score with the best F1 over all classes together at an overlap of 0.5, and that F1."""
    parts = [ranked(all_found, truths, label, 0.5) for label in range(n_labels)]
    scores, hits = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], hits[order].cumsum()
    values = 2 * right / (np.arange(1, len(right) + 1) + sum(part[2] for part in parts))
    return (float(scores[values.argmax()]), float(values.max())) if len(values) else (1.0, 0.0)
