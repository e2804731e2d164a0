"""Figures that the teach method is judged by: areas under curves, recalls at an overkill, found by the thresholds."""

from __future__ import annotations

import cv2
import numpy as np


def auroc(negative: np.ndarray, positive: np.ndarray) -> float:
    """Share of pairs in which the positive is higher; a tie counts half."""
    ordered = np.sort(negative)
    below, upto = np.searchsorted(ordered, positive, "left"), np.searchsorted(ordered, positive, "right")
    return float((below + upto).mean() / (2 * len(ordered)))


def pro_area(maps: list[np.ndarray], truths: list[np.ndarray], limit: float = 0.3) -> float:
    """AUPRO: mean share of each truth region found, over false positive rates up to `limit`, divided by it."""
    negative = np.sort(np.concatenate([m[t == 0] for m, t in zip(maps, truths)]))[::-1]
    regions = []
    for answer, truth in zip(maps, truths):
        n_labels, labels = cv2.connectedComponents(truth.astype(np.uint8), connectivity=8)
        regions += [np.sort(answer[labels == label]) for label in range(1, n_labels)]
    rates = np.linspace(0, limit, 301)
    cuts = negative[np.minimum((rates * len(negative)).astype(int), len(negative) - 1)]
    shares = [np.mean([1 - np.searchsorted(region, cut, "right") / len(region) for region in regions]) for cut in cuts]
    return float(np.trapezoid(shares, rates) / limit)


def recall_at(good: np.ndarray, bad: np.ndarray, overkill: float) -> float:
    """Share of the bad parts above the lowest threshold at which at most `overkill` of the good ones are rejected."""
    n_rejected = int(overkill * len(good))
    return float((np.sort(good)[len(good) - 1 - n_rejected] < bad).mean())
