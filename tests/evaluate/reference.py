"""Figures of labelled predictions as scikit-learn, pycocotools and anomalib compute them.

    .deps/exporters/bin/python tests/evaluate/reference.py predictions.json > figures.json

`tests/evaluate.rs` holds `taktgate evaluate` against this. All keys of `predictions.json` are
optional, and what is not given is not computed; paths in it count from its own folder:

    scores      one number a picture, higher is worse         with truth
    truth       0 good, 1 bad, one a picture
    maps        an .npz file with `maps` and `masks`, both [n, height, width]; masks 0 or 1
    boxes       truth in COCO's form (.json)                  with detections
    detections  detections in COCO's result form (.json)
"""

import contextlib
import json
import pathlib
import sys

import numpy as np

FPR_MAX = 0.3  # up to where the area under the per-region overlap counts, as published


def image_figures(scores, truth):
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {
        "image_auroc": roc_auc_score(truth, scores),
        "image_ap": average_precision_score(truth, scores),
    }


def map_figures(path):
    import torch
    from anomalib.metrics.aupro import _AUPRO
    from sklearn.metrics import roc_auc_score

    with np.load(path) as arrays:
        maps, masks = arrays["maps"].astype(np.float32), arrays["masks"].astype(np.uint8)
    if maps.shape != masks.shape or maps.ndim != 3:
        sys.exit(f"{path}: maps {maps.shape} and masks {masks.shape} must be the same [n, height, width]")
    # The class without its wrapper for anomalib's own batches.
    aupro = _AUPRO(fpr_limit=FPR_MAX)
    aupro.update(torch.from_numpy(maps), torch.from_numpy(masks).int())
    return {
        "pixel_auroc": roc_auc_score(masks.ravel(), maps.ravel()),
        "aupro": float(aupro.compute()),
    }


def box_figures(truth, detections):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def results(gt, found):
        if found:
            return gt.loadRes(found)
        nothing = COCO()  # which loadRes itself does not take
        nothing.dataset = {**gt.dataset, "annotations": []}
        nothing.createIndex()
        return nothing

    # Pycocotools tells its progress on the stream that is for the figures.
    with contextlib.redirect_stdout(sys.stderr):
        gt = COCO(truth)
        found = results(gt, json.loads(pathlib.Path(detections).read_text()))
        run = COCOeval(gt, found, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    # [IoU thresholds, recalls, classes, areas, limits of detections a picture]; -1: no such truth.
    precision = run.eval["precision"][:, :, :, 0, -1]

    def mean(values):
        values = values[values > -1]
        return float(values.mean()) if values.size else None

    names = [gt.cats[key]["name"] for key in run.params.catIds]
    return {
        "map": mean(precision),
        "map50": mean(precision[0]),
        "per_class_ap": {name: mean(precision[:, :, k]) for k, name in enumerate(names)},
        "per_class_ap50": {name: mean(precision[0, :, k]) for k, name in enumerate(names)},
    }


def main(path):
    given = json.loads(path.read_text())
    beside = lambda name: str(path.parent / name)
    figures = {}
    if "scores" in given:
        figures |= image_figures(given["scores"], given["truth"])
    if "maps" in given:
        figures |= map_figures(beside(given["maps"]))
    if "boxes" in given:
        figures |= box_figures(beside(given["boxes"]), beside(given["detections"]))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
