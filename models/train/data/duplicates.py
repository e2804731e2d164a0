"""Near-duplicates between the splits: a model that has seen its test pictures is a model without a test.

Two pictures are near-duplicates when their difference hashes (256 bits of brighter-or-darker between
neighbours of a 17 x 16 thumbnail) differ in few bits and their thumbnails correlate; mirrored copies
count too. The second condition keeps two empty sheets, whose hashes are noise, apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

BITS_MAX = 28  # of 256
CORRELATION_MIN = 0.93
THUMBNAIL_PX = 32


@dataclass(frozen=True)
class Pair:
    """A picture of one split and its like in another."""

    split: str
    name: str
    other_split: str
    other_name: str


def hash_bits(grey: np.ndarray) -> np.ndarray:
    """256 bits: whether each cell of a 16-row thumbnail is darker than its right neighbour."""
    small = cv2.resize(grey, (17, 16), interpolation=cv2.INTER_AREA).astype(np.float32)
    return (small[:, 1:] > small[:, :-1]).ravel()


def _thumbnail(grey: np.ndarray) -> np.ndarray:
    small = cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def _prints(images: list[np.ndarray], flip: int | None) -> tuple[np.ndarray, np.ndarray]:
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    if flip is not None:
        greys = [cv2.flip(grey, flip) for grey in greys]
    hashes = np.array([hash_bits(grey) for grey in greys], np.float32)
    return hashes, np.array([_thumbnail(grey) for grey in greys])


def alike(images: list[np.ndarray], others: list[np.ndarray]) -> list[tuple[int, int]]:
    """Index pairs of near-duplicates, for each of `images` at most one of `others`, the most alike."""
    hashes, thumbnails = _prints(images, None)
    best = np.full(len(images), -1.0)
    partner = np.full(len(images), -1)
    for flip in (None, 0, 1, -1):
        other_hashes, other_thumbnails = _prints(others, flip)
        n_different = hashes @ (1 - other_hashes).T + (1 - hashes) @ other_hashes.T
        correlation = thumbnails @ other_thumbnails.T
        correlation[n_different > BITS_MAX] = -1
        nearest = correlation.argmax(1)
        found = correlation[np.arange(len(images)), nearest]
        better = (found >= CORRELATION_MIN) & (found > best)
        best[better], partner[better] = found[better], nearest[better]
    return [(index, int(other)) for index, other in enumerate(partner) if other >= 0]


def between_splits(splits: dict) -> list[Pair]:
    """Every picture of val and test that has a near-duplicate in train, and of test in val."""
    pairs = []
    for split, other in (("test", "train"), ("val", "train"), ("test", "val")):
        for index, like in alike(splits[split].images, splits[other].images):
            pairs.append(Pair(split, splits[split].names[index], other, splits[other].names[like]))
    return pairs


def report(pairs: list[Pair], splits: dict) -> str:
    """One sentence for the log and the model card."""
    counts = []
    for split, other in (("test", "train"), ("val", "train"), ("test", "val")):
        n_pairs = sum(pair.split == split and pair.other_split == other for pair in pairs)
        counts.append(f"{n_pairs} of {len(splits[split].names)} {split} pictures have a near-duplicate in {other}")
    return "; ".join(counts)
