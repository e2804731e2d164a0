"""Figures for classes, masks and boxes; each checked in `selfcheck.py` against a plain or a known count."""

from __future__ import annotations

import numpy as np


def accuracy(answers: np.ndarray, truth: np.ndarray) -> float:
    return float((answers.argmax(1) == truth).mean())


def confusion(answers: np.ndarray, truth: np.ndarray, n_labels: int) -> np.ndarray:
    """Counts [true class, said class]."""
    table = np.zeros((n_labels, n_labels), int)
    np.add.at(table, (truth, answers.argmax(1)), 1)
    return table


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if not n:
        return 0.0, 1.0
    z, share = 1.96, n_right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The interval ends at 0 and 1 exactly there, whatever rounding says.
    return float(0 if n_right == 0 else middle - half), float(1 if n_right == n else middle + half)


def softmax(logits: np.ndarray, axis: int = 1) -> np.ndarray:
    exponents = np.exp(logits - logits.max(axis, keepdims=True))
    return exponents / exponents.sum(axis, keepdims=True)


def foreground_counts(defect: np.ndarray, truth: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """[threshold, (right, said, true)] pixels of one picture; `defect` is the probability of any defect."""
    bins = np.searchsorted(thresholds, defect.ravel(), side="right")
    true = truth.ravel() > 0
    right = np.bincount(bins[true], minlength=len(thresholds) + 1)
    said = np.bincount(bins, minlength=len(thresholds) + 1)
    over = lambda counts: counts[::-1].cumsum()[::-1][1:]  # noqa: E731
    return np.stack([over(right), over(said), np.full(len(thresholds), true.sum())], 1)


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 from (right, said, true) in the last axis."""
    right, said, true = np.moveaxis(counts, -1, 0)
    return 2 * right / np.maximum(said + true, 1)
