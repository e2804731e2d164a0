"""Teaches and judges folders in MVTec's layout, and prints a row of figures for each: `python teach_table.py FOLDER...`

`--frames N` teaches from N of the good frames, evenly spaced; `--foreign FOLDER...` adds pictures from another world,
none of which may pass. `--save DIR` keeps every score. Nothing is chosen by the test pictures.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np

import teach_checks
import teach_metrics as metrics
import teach_reference as reference

FOREIGN_MAX = 40  # pictures of each foreign folder


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp"))


def truth_of(path: Path, root: Path, shape: tuple[int, int]) -> np.ndarray:
    """The truth mask of a test picture at the map's size, nearest pixel."""
    mask = root / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
    if path.parent.name == "good":
        return np.zeros(shape, np.uint8)
    return cv2.resize(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE), shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


def share(part: np.ndarray) -> str:
    return f"{100 * part.mean():.1f}" if len(part) else "-"


def measure(root: Path, n_frames: int | None, foreign: list[Path]) -> dict:
    runtime = reference.session()
    good = pictures(root / "train" / "good")
    good = [good[index] for index in reference.spaced(len(good), n_frames or len(good))]
    height_px, width_px = cv2.imread(str(good[len(good) // 2])).shape[:2]
    size = reference.input_size(width_px, height_px)
    started = time.perf_counter()
    taught = reference.teach(runtime, (cv2.imread(str(path)) for path in good), *size)
    taught_in_s = time.perf_counter() - started

    tests = pictures(root / "test")
    times_ms, scores, maps = [], [], []
    for path in tests:
        frame = cv2.imread(str(path))
        started = time.perf_counter()
        score, answer = reference.judge(runtime, taught, frame)
        times_ms.append(1000 * (time.perf_counter() - started))
        scores.append(score)
        maps.append(answer)
    is_bad = np.array([path.parent.name != "good" for path in tests])
    truths = [truth_of(path, root, maps[0].shape) for path in tests] if (root / "ground_truth").exists() else None
    scores, reject = np.array(scores), reference.score_reject(taught)
    row = {
        "set": root.name, "size_px": size, "good_frames": len(good), "bank": len(taught.bank),
        "image_auroc": metrics.auroc(scores[~is_bad], scores[is_bad]),
        "doubtful_good": share(0.5 <= scores[~is_bad]), "rejected_good": share(reject <= scores[~is_bad]),
        "held_bad": share(0.5 <= scores[is_bad]), "rejected_bad": share(reject <= scores[is_bad]),
        "score_reject": reject, "ms_median": float(np.median(times_ms)), "taught_in_s": taught_in_s,
        "scores": {str(path.relative_to(root)): float(score) for path, score in zip(tests, scores)},
    }
    if truths is not None:
        cells, marked = np.stack(maps), np.stack(truths) > 0
        row["pixel_auroc"] = metrics.auroc(cells[~marked], cells[marked])
        row["aupro"] = metrics.pro_area(maps, truths)
    for rate in (0, 0.001, 0.01, 0.1):
        row[f"recall_at_{rate}"] = metrics.recall_at(scores[~is_bad], scores[is_bad], rate)
    table = teach_checks.differences(taught)
    row["twins"], row["outliers"] = len(teach_checks.twins(table)), [good[i].name for i in teach_checks.outliers(taught)]
    row["moved"] = teach_checks.moved(table)
    for folder in foreign:
        strange = pictures(folder)
        strange = [strange[index] for index in reference.spaced(len(strange), FOREIGN_MAX)]
        answers = np.array([reference.judge(runtime, taught, cv2.imread(str(path)))[0] for path in strange])
        row.setdefault("foreign", {})[folder.name] = {
            "passed": int((answers < 0.5).sum()), "rejected": int((reject <= answers).sum()), "of": len(answers),
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--foreign", nargs="*", type=Path, default=[])
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for folder in options.folders:
        row = measure(folder, options.frames, options.foreign)
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
            (options.save / f"{folder.name}-{row['good_frames']}.json").write_text(json.dumps(row, indent=1))
        del row["scores"]
        print({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}, flush=True)


if __name__ == "__main__":
    main()
