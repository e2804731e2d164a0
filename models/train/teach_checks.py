"""What must not fool `taktgate teach`: pictures taken twice, a bad part among the good ones, a camera that moved.

All of it works on the taught part's rows and scores, so that no picture is looked at again. Each check names pictures
by their number; the caller knows their files.
"""

from __future__ import annotations

import numpy as np

from teach_reference import Taught, hashed, log_centre_and_deviation

FRAMES_MIN = 10  # fewer, and there is nothing to take thresholds from
TWIN_SHARE = 0.1  # of the usual difference between two frames: less is the same picture
OUTLIER_DEVIATIONS = 3.5
MOVE_FRAMES_MIN = 4  # on either side of a move
MOVE_SHUFFLES = 200
MOVE_RATIO_MIN = 1.1


def differences(taught: Taught) -> np.ndarray:
    """[frames, frames]: mean squared difference of the rows at the same place of two frames."""
    flat = taught.rows.reshape(len(taught.rows), -1)
    squares = (flat * flat).sum(1)
    table = squares[:, None] + squares[None, :] - 2 * flat @ flat.T
    np.fill_diagonal(table, 0)
    return np.maximum(table, 0) / taught.rows.shape[1]


def twins(table: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of frames that show the same part at the same place: a camera that hangs, a part taken twice."""
    pairs = np.triu_indices(len(table), 1)
    usual = np.median(table[pairs])
    return [(int(i), int(j)) for i, j in zip(*pairs) if table[i, j] < TWIN_SHARE * usual]


def outliers(taught: Taught) -> list[int]:
    """Frames that look bad to what the other frames taught, the worst first."""
    centre, deviation = log_centre_and_deviation(taught.loo_scores)
    far = (np.log(taught.loo_scores) - centre) / deviation
    return [int(frame) for frame in np.argsort(-far) if OUTLIER_DEVIATIONS < far[frame]]


def split_ratio(table: np.ndarray) -> tuple[float, int]:
    """The cut of the sequence whose two sides differ most: difference across / difference inside, first frame after."""
    n = len(table)
    sums = np.zeros((n + 1, n + 1))
    sums[1:, 1:] = table.cumsum(0).cumsum(1)
    best = (0.0, 0)
    for cut in range(MOVE_FRAMES_MIN, n - MOVE_FRAMES_MIN + 1):
        first, total = sums[cut, cut], sums[n, n]
        across = sums[cut, n] - first
        inside = total - 2 * across
        pairs_inside = cut * (cut - 1) + (n - cut) * (n - cut - 1)
        ratio = (across / (cut * (n - cut))) / (inside / pairs_inside)
        best = max(best, (float(ratio), cut))
    return best


def moved(table: np.ndarray) -> int | None:
    """The first frame after the camera, the lamp or the fixture was moved, or None.

    The order of the frames must matter: shuffled, no sequence may fall apart as much.
    """
    ratio, cut = split_ratio(table)
    if ratio < MOVE_RATIO_MIN:
        return None
    n = len(table)
    for shuffle in range(MOVE_SHUFFLES):
        order = np.argsort(hashed(np.arange(n) + n * (shuffle + 1)))
        if ratio <= split_ratio(table[np.ix_(order, order)])[0]:
            return None
    return cut
