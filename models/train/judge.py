"""From probabilities to regions, image scores and metrics; the regions as the gate's own decoder makes them.

The gate does this in Rust. Thresholds are chosen with this file, so both must agree: per class, pixels
at or above `pixel_threshold`, joined over 8 neighbours, regions of at least `area_min_px` cells, and a
region's score is the mean probability of its class.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from data.renders import Parts
from losses import IGNORE


# Share of good validation parts that a person may have to look at.
REVIEW_MAX = 0.02


@dataclass(frozen=True)
class Thresholds:
    pixel_threshold: float
    area_min_px: int
    confidence_threshold: float = 0.0  # the operating point: from here a part is rejected
    doubtful_from: float = 0.0  # where detections begin: up to the operating point they are doubt


@dataclass(frozen=True)
class Region:
    label: int  # 1 + index into the labels
    score: float
    area_px: int
    box: tuple[int, int, int, int]  # column, row, width, height, in output cells
    cells: tuple[np.ndarray, np.ndarray]


def regions(probabilities: np.ndarray, thresholds: Thresholds) -> list[Region]:
    """All regions of one part, [1 + labels, rows, columns], best first; `confidence_threshold` not applied."""
    found = []
    for label in range(1, len(probabilities)):
        bright = (probabilities[label] >= thresholds.pixel_threshold).astype(np.uint8)
        if not bright.any():
            continue
        n_areas, ids, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
        for area_id in range(1, n_areas):
            column, row, width, height, area_px = (int(value) for value in stats[area_id])
            if area_px < thresholds.area_min_px:
                continue
            cells = np.nonzero(ids == area_id)
            score = float(probabilities[label][cells].mean())
            found.append(Region(label, score, area_px, (column, row, width, height), cells))
    return sorted(found, key=lambda region: -region.score)


def image_score(found: list[Region]) -> float:
    return found[0].score if found else 0.0


def auroc(scores: np.ndarray, bad: np.ndarray) -> float:
    """Chance that a bad part scores above a good one; a tie counts half."""
    above = scores[bad][:, None] > scores[~bad][None]
    tie = scores[bad][:, None] == scores[~bad][None]
    return float((above + 0.5 * tie).mean())


def recall_at_overkill(scores: np.ndarray, bad: np.ndarray, overkill: float) -> float:
    """Fraction of bad parts above a threshold that at most the fraction `overkill` of good parts exceeds."""
    good_scores = np.sort(scores[~bad])[::-1]
    threshold = good_scores[int(overkill * len(good_scores))]
    return float((scores[bad] > threshold).mean())


def choose_thresholds(probabilities: np.ndarray, parts: Parts) -> Thresholds:
    """The thresholds that part good from bad best; for validation parts, never for the test's."""
    bad = np.array([bool(defects) for defects in parts.defects])
    best: tuple[float, Thresholds, np.ndarray] | None = None
    for pixel_threshold in (0.4, 0.5, 0.3, 0.6):
        all_found = [regions(maps, Thresholds(pixel_threshold, 3)) for maps in probabilities]
        for area_min_px in (10, 8, 6, 4, 14, 20):
            kept = [[r for r in found if r.area_px >= area_min_px] for found in all_found]
            scores = np.array([image_score(found) for found in kept])
            value = auroc(scores, bad) + recall_at_overkill(scores, bad, 0.0) + recall_at_overkill(scores, bad, 0.01)
            if best is None or value > best[0] + 1e-9:
                best = (value, Thresholds(pixel_threshold, area_min_px), scores)
    _, chosen, scores = best
    reject = _confidence(scores, bad, chosen.pixel_threshold)
    doubtful = _doubtful_from(scores[~bad], reject, chosen.pixel_threshold)
    return Thresholds(chosen.pixel_threshold, chosen.area_min_px, reject, doubtful)


def _doubtful_from(good_scores: np.ndarray, reject: float, lowest: float) -> float:
    """The smallest score that sends at most the share REVIEW_MAX of good parts to review."""
    candidates = np.round(np.arange(lowest, reject + 0.005, 0.01), 2)
    review = np.array([((good_scores >= c) & (good_scores < reject)).mean() for c in candidates])
    return float(candidates[np.argmax(review <= REVIEW_MAX)])


def _confidence(scores: np.ndarray, bad: np.ndarray, lowest: float) -> float:
    """Middle of the range of thresholds with the best recall less four times the overkill.

    Four times, because on a line nearly all parts are good.
    """
    candidates = np.round(np.arange(lowest, 0.991, 0.01), 2)
    worth = np.array([(scores[bad] >= c).mean() - 4 * (scores[~bad] >= c).mean() for c in candidates])
    return float(round(np.median(candidates[worth >= worth.max() - 1e-9]), 2))


def pixel_f1(probabilities: np.ndarray, truth: np.ndarray, pixel_threshold: float) -> float:
    """F1 of defect cells with the right class, pooled over all parts; cells only touched by a defect are left out."""
    strongest = probabilities[:, 1:].argmax(1) + 1
    peak = probabilities[:, 1:].max(1)
    said = np.where(peak >= pixel_threshold, strongest, 0)
    counted = truth != IGNORE
    said, true = said[counted], truth[counted]
    n_right = int(((said == true) & (true > 0)).sum())
    return 2 * n_right / max(1, int((said > 0).sum()) + int((true > 0).sum()))


def metrics(probabilities: np.ndarray, parts: Parts, thresholds: Thresholds) -> dict[str, float]:
    """The figures of the manifest, less the time."""
    bad = np.array([bool(defects) for defects in parts.defects])
    scores = np.array([image_score(regions(maps, thresholds)) for maps in probabilities])
    return {
        "image_auroc": auroc(scores, bad),
        "pixel_f1": pixel_f1(probabilities, parts.truth, thresholds.pixel_threshold),
        "recall_at_0_overkill": recall_at_overkill(scores, bad, 0.0),
        "recall_at_1pct_overkill": recall_at_overkill(scores, bad, 0.01),
    }


def operating_point(probabilities: np.ndarray, parts: Parts, thresholds: Thresholds, labels: list[str]) -> dict:
    """Counts at the shipped thresholds: `name: (flagged, of)` for kinds of parts, classes and hard things."""
    counts: dict[str, list[int]] = {}

    def count(name: str, flagged: bool) -> None:
        entry = counts.setdefault(name, [0, 0])
        entry[0] += int(flagged)
        entry[1] += 1

    for maps, truth, defects, hard in zip(probabilities, parts.truth, parts.defects, parts.hard):
        found = [r for r in regions(maps, thresholds) if r.score >= thresholds.confidence_threshold]
        kind = "bad" if defects else "hard good" if hard else "plain good"
        count(kind, bool(found))
        for name in defects:
            label = labels.index(name) + 1
            hits = [r for r in found if r.label == label and (truth[r.cells] == label).any()]
            count(f"class {name}", bool(hits))
            # A defect under the wrong name is still a rejected part.
            count(f"anywise {name}", any((truth[r.cells] == label).any() for r in found))
        for name in hard if not defects else []:
            count(f"hard {name}", bool(found))
    return {name: tuple(entry) for name, entry in sorted(counts.items())}


def _percent(count: tuple[int, int] | None) -> str:
    if not count or not count[1]:
        return "none in the test"
    return f"{count[0]} of {count[1]} ({100 * count[0] / count[1]:.1f} %)"


def section(figures: dict, counts: dict, labels: list[str], limits: Thresholds) -> str:
    """The model card's section for parts that are good or bad."""
    kinds = ["plain good", "hard good", "bad"]
    hard = [name for name in counts if name.startswith("hard ") and name != "hard good"]
    return "\n".join([
        "| figure | value |", "| --- | --- |",
        f"| AUROC of the part's score | {figures['image_auroc']:.4f} |",
        f"| F1 of defect cells, right class | {figures['pixel_f1']:.3f} |",
        f"| recall of bad parts with no good part rejected | {figures['recall_at_0_overkill']:.3f} |",
        f"| recall of bad parts with 1 % of the good rejected | {figures['recall_at_1pct_overkill']:.3f} |",
        "", f"With a region's mean of {limits.confidence_threshold} for a reject ({limits.doubtful_from} for doubt):",
        "", "| parts | rejected |", "| --- | --- |",
        *(f"| {kind} | {_percent(counts.get(kind))} |" for kind in kinds),
        *(f"| good, with {name.removeprefix('hard ')} | {_percent(counts[name])} |" for name in hard),
        "", "| class | found under its name | found under any name |", "| --- | --- | --- |",
        *(f"| {name} | {_percent(counts.get(f'class {name}'))} | {_percent(counts.get(f'anywise {name}'))} |"
          for name in labels),
        "", "A part is rejected when any region is left; its score is the best region's mean probability. "
        "Doubt is not counted here.",
    ])
