"""Prints fixture.json: made-up predictions and what the reference libraries say of them.

    .deps/exporters/bin/python tests/evaluate/make_fixture.py > tests/evaluate/fixture.json

So `tests/evaluate.rs` holds the figures of `taktgate evaluate` against scikit-learn, pycocotools,
anomalib and scipy on every machine, without Python. The predictions are awkward on purpose: equal
scores, crowds, doubles, more than a hundred boxes in a picture, regions that touch at a corner.
"""

import json
import pathlib
import tempfile

import numpy as np
from scipy.stats import binomtest, norm
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

import reference

SEED = 20


def scores(rng):
    """90 pictures; two decimals, so that many scores are equal."""
    truth = (rng.random(90) < 0.4).astype(int)
    first = np.clip(rng.normal(0.35 + 0.25 * truth, 0.18), 0, 1).round(2)
    second = np.clip(first + rng.normal(0.12 * truth, 0.12, 90), 0, 1).round(2)
    return truth.tolist(), first.tolist(), second.tolist()


def image_expected(truth, first, second):
    expected = reference.image_figures(first, truth)
    overkill, recall, _ = roc_curve(truth, first, drop_intermediate=False)
    expected["recall_at"] = {str(most): float(recall[overkill <= most + 1e-12].max()) for most in (0.0, 0.001, 0.01, 0.1)}
    precision, recall, _ = precision_recall_curve(truth, first)
    expected["f1_best"] = float(np.nanmax(2 * precision * recall / (precision + recall + 1e-300)))
    expected["delong"] = delong(np.array(truth), np.array(first), np.array(second))
    return expected


def delong(truth, first, second):
    """By the definition: the share of won pairs for each bad and each good one, and their covariance."""
    won = lambda scores: (scores[truth == 1][:, None] > scores[truth == 0]) + 0.5 * (
        scores[truth == 1][:, None] == scores[truth == 0]
    )
    pairs = [won(first), won(second)]
    n_bad, n_good = pairs[0].shape
    covariance = np.cov([p.mean(1) for p in pairs]) / n_bad + np.cov([p.mean(0) for p in pairs]) / n_good
    difference = pairs[1].mean() - pairs[0].mean()
    deviation = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return {
        "difference": float(difference),
        "low": float(difference - norm.ppf(0.975) * deviation),
        "high": float(difference + norm.ppf(0.975) * deviation),
        "p_value": float(2 * norm.sf(abs(difference) / deviation)),
    }


def maps(rng):
    """Eight pictures of 24 x 20: three good ones, five with regions; one of them touches at a corner."""
    masks = np.zeros((8, 20, 24), int)
    masks[3, 2:8, 3:9] = 1
    masks[3, 8:11, 9:12] = 1
    masks[3, 15, 20] = 1
    masks[4, 0:20, 0:2] = 1
    masks[5, 5:15, 5:15] = 1
    masks[5, 7:12, 7:12] = 0
    masks[6, 10, 10] = 1
    masks[7, 18:20, 22:24] = 1
    noise = rng.beta(1.2, 6, masks.shape)
    found = noise + masks * rng.beta(2, 2, masks.shape) * 0.8
    return np.clip(found, 0, 1).round(3), masks


def map_expected(folder, scored, masks, threshold):
    path = folder / "maps.npz"
    np.savez(path, maps=scored, masks=masks)
    expected = reference.map_figures(path)
    expected["pixel_ap"] = float(average_precision_score(masks.ravel(), scored.ravel()))
    precision, recall, _ = precision_recall_curve(masks.ravel(), scored.ravel())
    expected["f1_best"] = float(np.nanmax(2 * precision * recall / (precision + recall + 1e-300)))
    called = scored >= threshold
    expected["f1"] = float(2 * (called & (masks == 1)).sum() / (called.sum() + masks.sum()))
    return expected


def boxes(rng):
    """Twelve pictures, three classes that are there and one that is not."""
    images = [{"id": i, "file_name": f"{i}.png", "width": 200, "height": 150} for i in range(1, 13)]
    truth, found = [], []
    for image in images[:-1]:
        for _ in range(rng.integers(0, 6)):
            place = rng.integers([0, 0, 8, 8], [140, 100, 60, 50]).tolist()
            annotation = {
                "id": len(truth) + 1,
                "image_id": image["id"],
                "category_id": int(rng.integers(1, 4)),
                "bbox": place,
                "area": place[2] * place[3],
                "iscrowd": int(rng.random() < 0.1),
            }
            truth.append(annotation)
            for _ in range(rng.integers(0, 3)):
                moved = (np.array(place) + rng.normal(0, 2, 4).round(1)).round(1)
                moved[2:] = np.maximum(moved[2:], 1)
                named = annotation["category_id"] if rng.random() < 0.9 else int(rng.integers(1, 5))
                found.append({"image_id": image["id"], "category_id": named, "bbox": moved.tolist(), "score": 0.25})
    for image, n_noise in zip(images, [130, 3, 0, 4, 1, 2, 0, 5, 1, 1, 2, 6]):
        for _ in range(n_noise):
            place = rng.integers([0, 0, 8, 8], [140, 100, 60, 50]).tolist()
            named = 2 if n_noise > 100 else int(rng.integers(1, 5))
            found.append({"image_id": image["id"], "category_id": named, "bbox": [float(side) for side in place]})
    for one in found:
        one["score"] = round(one.get("score", 0) + 0.7 * float(rng.beta(2, 2)), 2)
    categories = [{"id": i, "name": name} for i, name in enumerate(["dent", "scratch", "crack", "burr"], 1)]
    return {"images": images, "annotations": truth, "categories": categories}, found


def box_expected(folder, truth, found):
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps(found))
    return reference.box_figures(str(folder / "truth.json"), str(folder / "found.json"))


def rates():
    """Scipy's intervals of a share, and its test of a fair coin, which is McNemar's."""
    counts = [(0, 1), (0, 30), (1, 30), (15, 30), (29, 30), (30, 30), (3, 1000), (997, 1000), (12345, 50000)]
    found = []
    for n, of in counts:
        wilson = binomtest(n, of).proportion_ci(method="wilson")
        exact = binomtest(n, of).proportion_ci(method="exact")
        found.append({"n": n, "of": of, "wilson": [*wilson], "clopper_pearson": [*exact]})
    uneven = [(0, 0), (0, 3), (2, 9), (10, 10), (40, 71), (900, 1000)]
    coins = [{"first": a, "second": b, "p_value": float(binomtest(a, a + b).pvalue) if a + b else 1.0} for a, b in uneven]
    return [{k: [float(x) for x in v] if isinstance(v, list) else v for k, v in one.items()} for one in found], coins


def main():
    rng = np.random.default_rng(SEED)
    truth, first, second = scores(rng)
    scored, masks = maps(rng)
    there, found = boxes(rng)
    shares, coins = rates()
    threshold = 0.35
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        fixture = {
            "image": {"truth": truth, "first": first, "second": second, "expected": image_expected(truth, first, second)},
            "pixel": {
                "maps": scored.tolist(),
                "masks": masks.tolist(),
                "threshold": threshold,
                "expected": map_expected(folder, scored, masks, threshold),
            },
            "boxes": {"truth": there, "found": found, "expected": box_expected(folder, there, found)},
            "rates": shares,
            "coins": coins,
        }
    print(json.dumps(fixture, separators=(",", ":")))


if __name__ == "__main__":
    main()
