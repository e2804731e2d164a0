"""What must not fool `taktgate teach`: a bad part among the good ones, a camera that moved while teaching.

Both work on what was taught, so that no picture is looked at again. They name a frame by its place among `Taught.used`.
Pictures taken twice are left out by `teach_reference.py` itself.
"""

from __future__ import annotations

import numpy as np

from teach_reference import Taught, hashed, log_centre_and_deviation

FRAMES_MIN = 10  # fewer, and there is nothing to take thresholds from
OUTLIER_DEVIATIONS = 3.5
MOVE_FRAMES_MIN = 4  # on either side of a move
MOVE_SHUFFLES = 200


def outliers(taught: Taught) -> list[int]:
    """Frames that look bad to what the other frames taught, the worst first."""
    centre, deviation = log_centre_and_deviation(taught.loo_scores)
    far = (np.log(taught.loo_scores) - centre) / deviation
    return [int(frame) for frame in np.argsort(-far) if OUTLIER_DEVIATIONS < far[frame]]


def best_cut(table: np.ndarray) -> tuple[float, int]:
    """The cut of the sequence whose sides differ most: share of the variance between them, first frame after it."""
    n = len(table)
    sums = np.zeros((n + 1, n + 1))
    sums[1:, 1:] = table.cumsum(0).cumsum(1)
    cuts = np.arange(MOVE_FRAMES_MIN, n - MOVE_FRAMES_MIN + 1)
    before = sums[cuts, cuts] / (2 * cuts)
    after = (sums[n, n] - 2 * sums[cuts, n] + sums[cuts, cuts]) / (2 * (n - cuts))
    between = 1 - (before + after) / (sums[n, n] / (2 * n))
    best = int(between.argmax())
    return float(between[best]), int(cuts[best])


def moved(table: np.ndarray) -> int | None:
    """The first frame after the camera, the lamp or the fixture was moved, or None.

    The order of the frames must matter: shuffled, no sequence may fall apart as much.
    """
    n = len(table)
    if n < 2 * MOVE_FRAMES_MIN:
        return None
    share, cut = best_cut(table)
    for shuffle in range(MOVE_SHUFFLES):
        order = np.argsort(hashed(np.arange(n) + n * (shuffle + 1)), kind="stable")
        if share <= best_cut(table[np.ix_(order, order)])[0]:
            return None
    return cut
