"""What `taktgate teach` does, in numpy and ONNX Runtime: the specification that the Rust is held against.

Good frames in, a taught part out: the tensors that the backbone's graph needs beside the picture, and the scores from
which a part is doubtful or rejected. Nothing here looks at a bad part. `teach_table.py` measures it on the test sets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import cv2
import numpy as np
import onnxruntime

GRAPH = Path(__file__).resolve().parents[1] / "backbones" / "efficientnet-lite0" / "1.0.0" / "model.onnx"

AREA_PX = 384 * 384  # of the resized picture
STEP_PX = 32  # its sides are multiples of this
STRIDE_PX = 16  # of the patches
DIMENSIONS = 128  # of a patch's row
SHRINK = 0.01  # of the mean variance, added to the variance in each direction
BASIS_FRAMES = 64  # frames that mean and whitening are computed from
BASIS_PASSES = 30
BANK_ROWS = 2000
CANDIDATES = 40_000  # rows that the bank is chosen from
SKETCH_DIMENSIONS = 64  # in which it is chosen
NEIGHBOURS = 20  # patches of other frames that give a bank row its spread
NEIGHBOUR_FRAMES = 100  # frames that those patches are looked for in
TOP_SHARE = 100
REVIEW_RATE = 0.15  # share of good parts that may be doubtful or worse, as far as the good frames tell
OVERKILL_RATE = 0.003  # and rejected


@dataclass
class Taught:
    """A taught part. `loo_scores`: each good frame's score without its own patches in the bank."""

    width_px: int
    height_px: int
    mean: np.ndarray
    whitening: np.ndarray
    bank: np.ndarray
    spread: np.ndarray
    doubtful: float
    reject: float
    loo_scores: np.ndarray
    rows: np.ndarray  # [frames, patches, dimensions]; for `teach_checks.py`, not part of the package

    def inputs(self) -> dict[str, np.ndarray]:
        return {
            "mean": self.mean, "whitening": self.whitening, "bank": self.bank, "spread": self.spread,
            "reference": np.array([self.doubtful], np.float32),
        }


def session(graph: Path = GRAPH) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def input_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Width and height near the frame's aspect with about AREA_PX pixels."""
    factor = np.sqrt(AREA_PX / (width_px * height_px))
    return tuple(max(2, int(np.floor(side * factor / STEP_PX + 0.5))) * STEP_PX for side in (width_px, height_px))


def to_tensor(frame: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """A uint8 frame, blue first, resized by area and as the graph gets it."""
    small = cv2.resize(frame, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray((small[..., ::-1].astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None])


def hashed(numbers: np.ndarray) -> np.ndarray:
    """SplitMix64: the same pseudo-random number for the same input on every machine."""
    with np.errstate(over="ignore"):
        mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def signs(n_rows: int, n_columns: int) -> np.ndarray:
    """A matrix of pseudo-random +1 and -1: the top bit of the hash of the place."""
    bits = hashed(np.arange(n_rows * n_columns)) >> np.uint64(63)
    return np.where(bits == 1, 1.0, -1.0).reshape(n_rows, n_columns)


def raw_rows(runtime: onnxruntime.InferenceSession, image: np.ndarray, n_channels: int) -> np.ndarray:
    feed = {
        "image": image, "mean": np.zeros(n_channels, np.float32), "whitening": np.eye(n_channels, dtype=np.float32),
        "bank": np.zeros((1, n_channels), np.float32), "spread": np.ones(1, np.float32),
        "reference": np.ones(1, np.float32),
    }
    return runtime.run(["features"], feed)[0]


def orthonormal(columns: np.ndarray) -> np.ndarray:
    """Gram-Schmidt by way of Cholesky: the columns times the inverse of their Gram matrix's factor."""
    factor = np.linalg.cholesky(columns.T @ columns)
    return np.linalg.solve(factor, columns.T).T


def whitening_of(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and whitening, float32, from raw rows: the strongest directions, each brought to variance one."""
    raw = raw.astype(np.float64)
    mean = raw.mean(0)
    covariance = (raw - mean).T @ (raw - mean) / len(raw)
    basis = orthonormal(signs(len(covariance), DIMENSIONS))
    for _ in range(BASIS_PASSES):  # subspace iteration; only the span matters, not each direction
        basis = orthonormal(covariance @ basis)
    inside = basis.T @ covariance @ basis + SHRINK * np.trace(covariance) / len(covariance) * np.eye(DIMENSIONS)
    whitening = np.linalg.solve(np.linalg.cholesky(inside), basis.T).T
    return mean.astype(np.float32), whitening.astype(np.float32)


def spaced(n: int, n_max: int) -> np.ndarray:
    """At most `n_max` of the numbers 0 to n - 1, evenly spaced."""
    return np.arange(n) if n <= n_max else np.arange(n_max) * n // n_max


def squares(rows: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Squared distances [rows, bank rows]."""
    table = rows @ (-2 * bank.T)
    table += (rows * rows).sum(1)[:, None]
    table += (bank * bank).sum(1)
    return np.maximum(table, 0, out=table)


def coreset(rows: np.ndarray) -> np.ndarray:
    """Indices of the bank's rows: greedy k-centre among CANDIDATES rows, in a sketch of SKETCH_DIMENSIONS."""
    candidates = np.argsort(hashed(np.arange(len(rows))), kind="stable")[:CANDIDATES]
    sketch = signs(rows.shape[1], SKETCH_DIMENSIONS).astype(np.float32) / np.float32(np.sqrt(SKETCH_DIMENSIONS))
    points = rows[candidates] @ sketch
    norms = (points * points).sum(1)
    chosen = [int(norms.argmax())]  # the row that is farthest from the mean
    nearest = np.full(len(points), np.inf, np.float32)
    while len(chosen) < min(BANK_ROWS, len(points)):
        last = points[chosen[-1]]
        np.minimum(nearest, norms + norms[chosen[-1]] - 2 * (points @ last), out=nearest)
        chosen.append(int(nearest.argmax()))
    return candidates[chosen]


def nearest_of_others(rows: np.ndarray, bank: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each bank row the distances to its NEIGHBOURS nearest patches of other frames, and those frames.

    `rows` [frames, patches, dimensions]; `own`: the frame that each bank row comes from. Of many frames, at most
    NEIGHBOUR_FRAMES, evenly spaced, are searched.
    """
    distances = np.full((len(bank), NEIGHBOURS), np.inf, np.float32)
    frames = np.full((len(bank), NEIGHBOURS), -1)
    for frame in spaced(len(rows), NEIGHBOUR_FRAMES):
        table = squares(bank, rows[frame])
        table[own == frame] = np.inf
        part = np.partition(table, min(NEIGHBOURS, table.shape[1]) - 1, axis=1)[:, :NEIGHBOURS]
        both = np.concatenate([distances, part], 1)
        order = np.argsort(both, axis=1, kind="stable")[:, :NEIGHBOURS]
        distances = np.take_along_axis(both, order, 1)
        frames = np.take_along_axis(np.concatenate([frames, np.full(part.shape, frame)], 1), order, 1)
    return np.sqrt(distances), frames


def spread_of(distances: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean distance of each bank row to the counted neighbours, but never less than the mean of that over the bank."""
    n_counted = counted.sum(1)
    means = np.where(counted, distances, 0).sum(1) / np.maximum(n_counted, 1)
    overall = means[0 < n_counted].mean()
    return np.maximum(means, overall).astype(np.float32)


def score_of(distances: np.ndarray) -> float:
    """Mean of the highest hundredth of the patches' distances, as the graph computes it."""
    n_top = (len(distances) + TOP_SHARE - 1) // TOP_SHARE
    return float(np.partition(distances, len(distances) - n_top)[-n_top:].mean())


def leave_one_out(rows: np.ndarray, bank: np.ndarray, own: np.ndarray, distances: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Each frame's score from what the other frames taught: neither its rows of the bank nor its share of spread."""
    scores = np.empty(len(rows))
    for frame, patches in enumerate(rows):
        spread = spread_of(distances, (frames != frame) & np.isfinite(distances))
        table = squares(patches, bank) / (spread * spread)
        table[:, own == frame] = np.inf
        scores[frame] = score_of(np.sqrt(table.min(1)))
    return scores


def log_centre_and_deviation(scores: np.ndarray) -> tuple[float, float]:
    """Median of the logarithms, and a deviation from their middle four fifths, which a few bad parts do not move."""
    low, centre, high = np.quantile(np.log(scores), [0.1, 0.5, 0.9])
    return float(centre), float((high - low) / (2 * NormalDist().inv_cdf(0.9)))


def threshold(scores: np.ndarray, rate: float) -> float:
    """The score that a share `rate` of good parts exceeds, for one part more than the `scores` are of."""
    centre, deviation = log_centre_and_deviation(scores)
    n = len(scores)
    normal = NormalDist().inv_cdf(1 - rate)
    # Student's t with n - 1 degrees of freedom by the first two terms of its expansion around the normal one.
    student = normal + (normal**3 + normal) / (4 * (n - 1)) + (5 * normal**5 + 16 * normal**3 + 3 * normal) / (96 * (n - 1) ** 2)
    return float(np.exp(centre + student * deviation * np.sqrt(1 + 1 / n)))


def teach_raw(raw: np.ndarray, width_px: int, height_px: int) -> Taught:
    """Teaches from raw rows [frames, patches, channels]."""
    n_frames, n_patches, n_channels = raw.shape
    mean, whitening = whitening_of(raw[spaced(n_frames, BASIS_FRAMES)].reshape(-1, n_channels))
    rows = (raw - mean) @ whitening
    chosen = coreset(rows.reshape(-1, DIMENSIONS))
    bank, own = rows.reshape(-1, DIMENSIONS)[chosen], chosen // n_patches
    distances, frames = nearest_of_others(rows, bank, own)
    spread = spread_of(distances, np.isfinite(distances))
    scores = leave_one_out(rows, bank, own, distances, frames)
    return Taught(
        width_px, height_px, mean, whitening, bank, spread,
        threshold(scores, REVIEW_RATE), threshold(scores, OVERKILL_RATE), scores, rows,
    )


def teach(runtime: onnxruntime.InferenceSession, frames: Iterable[np.ndarray], width_px: int, height_px: int) -> Taught:
    """Teaches from uint8 frames, blue first."""
    n_channels = int(runtime.get_modelmeta().custom_metadata_map["raw_channels"])
    raw = [raw_rows(runtime, to_tensor(frame, width_px, height_px), n_channels) for frame in frames]
    return teach_raw(np.stack(raw), width_px, height_px)


def judge(runtime: onnxruntime.InferenceSession, taught: Taught, frame: np.ndarray) -> tuple[float, np.ndarray]:
    """Score, 0 to 1 with 0.5 where doubt begins, and anomaly map of a frame."""
    feed = {"image": to_tensor(frame, taught.width_px, taught.height_px), **taught.inputs()}
    answer = runtime.run(["anomaly_map"], feed)[0][0, 0]
    return float(answer.max()), answer


def score_reject(taught: Taught) -> float:
    """The score from which a part is rejected; from 0.5 it is doubtful."""
    return taught.reject / (taught.reject + taught.doubtful)
